//! The explore toolset: workspaces, cohorts, profiles page by page, values over time, scripts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Answer, RecordedRequest, TestServer, Upstream};

const PROFILES: &str = "mixpanel_query_profiles";
const ON: &[(&str, &str)] = &[("MIXPANEL_TOOLSETS", "explore")];

/// The sandbox runs no scripts.
pub(crate) const REFUSED: &str = "mixpanel_run_jql";

/// Sample calls of every tool.
pub(crate) fn samples_explore() -> Vec<(&'static str, Value)> {
    let first = json!({"where": r#"properties["plan"] == "pro" and not defined(properties["$browser"]) or true"#, "properties": ["plan"], "limit": 2});
    let mut more = first.clone();
    more["cursor"] = format!("of:{PROFILES}/next_cursor").into();
    vec![
        ("mixpanel_list_workspaces", json!({"limit": 5})),
        (
            "mixpanel_list_cohorts",
            json!({"search": "pro", "limit": 5}),
        ),
        (
            PROFILES,
            json!({"cohort_id": "1000", "properties": ["plan", "a \"b\""], "limit": 3}),
        ),
        (PROFILES, json!({"distinct_ids": ["a \"b\"", "ü"]})),
        (
            PROFILES,
            json!({"data_group_id": "company", "properties": ["size"]}),
        ),
        (PROFILES, first),
        (PROFILES, more),
        (
            "mixpanel_query_event_property",
            json!({"event": "Search", "property": "plan", "from_date": "7d", "to_date": "today", "values": ["pro", "a \"b\""], "unit": "day", "type": "unique", "limit": 5}),
        ),
        (
            "mixpanel_run_jql",
            json!({"script": "function main() { return Events(params) }", "params": {"from_date": "2026-01-05"}, "limit": 5}),
        ),
    ]
}

fn server() -> TestServer {
    TestServer::start(&["--sandbox", "--toolsets", "explore"], &[])
}

/// A field of a form.
fn field(request: &RecordedRequest, name: &str) -> Option<String> {
    let mut fields = request.form().into_iter();
    fields
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

#[test]
fn workspaces_and_cohorts_are_listed_by_id_and_name() {
    let server = server();
    let data = server.data("mixpanel_list_workspaces", json!({}));
    assert_eq!(data["workspaces"][0]["workspace_id"], "1234500");
    let data = server.data("mixpanel_list_cohorts", json!({}));
    let cohorts = data["cohorts"].as_array().unwrap();
    let counts: Vec<u64> = cohorts
        .iter()
        .map(|cohort| cohort["count"].as_u64().unwrap())
        .collect();
    assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    let data = server.data("mixpanel_list_cohorts", json!({"search": "PRO c"}));
    assert_eq!(data["cohorts"][0]["cohort_id"], "1000");
    assert_eq!(data["cohorts"].as_array().unwrap().len(), 1);
    let data = server.data("mixpanel_list_cohorts", json!({"search": "nothing"}));
    let summary = data["summary"].as_str().unwrap();
    assert!(
        summary.ends_with(&format!(
            "none of {}; ask without search to see all",
            cohorts.len()
        )),
        "{summary}"
    );
}

/// The ids of all profiles, read with a cursor so many at a time, and how many answers that took.
#[track_caller]
fn read_all(server: &TestServer, question: &Value) -> (Vec<String>, usize) {
    let (mut ids, mut arguments) = (Vec::new(), question.clone());
    for answers in 1..100 {
        let data = server.data(PROFILES, arguments.clone());
        let profiles = data["profiles"].as_array().unwrap();
        ids.extend(
            profiles
                .iter()
                .map(|profile| profile["distinct_id"].as_str().unwrap().to_owned()),
        );
        assert_eq!(data["truncated"], data.get("next_cursor").is_some());
        match data.get("next_cursor") {
            Some(cursor) => arguments["cursor"] = cursor.clone(),
            None => return (ids, answers),
        }
    }
    panic!("it does not end")
}

#[test]
fn the_users_of_a_cohort_are_read_once_each_with_only_the_properties_that_are_named() {
    let server = server();
    let question = json!({"cohort_id": "1000", "properties": ["plan"], "limit": 20});
    let first = server.data(PROFILES, question.clone());
    for profile in first["profiles"].as_array().unwrap() {
        assert_eq!(profile["properties"], json!({"plan": "pro"}));
    }
    let total = first["total"].as_u64().unwrap() as usize;
    assert!(total > 20, "{total}");
    let (ids, answers) = read_all(&server, &question);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), total);
    assert_eq!((ids.len(), answers), (total, total.div_ceil(20)));

    let question = json!({"cohort_id": "1000", "where": r#"properties["plan"] == "free""#});
    let data = server.data(PROFILES, question);
    assert_eq!(
        (&data["profiles"], &data["total"], &data["truncated"]),
        (&json!([]), &json!(0), &json!(false))
    );
    let data = server.data(
        PROFILES,
        json!({"distinct_ids": [ids[0], ids[1], "nobody"]}),
    );
    assert_eq!(data["profiles"].as_array().unwrap().len(), 2);
}

#[test]
fn a_cursor_goes_on_with_no_other_question() {
    let server = server();
    let first = server.data(PROFILES, json!({"cohort_id": "1000", "limit": 1}));
    for question in [
        json!({"cohort_id": "2000", "cursor": first["next_cursor"]}),
        json!({"cohort_id": "1000", "cursor": "made up"}),
    ] {
        let facts = server.failure(PROFILES, question);
        assert_eq!(facts["kind"], "bad_arguments");
        let told = facts["error"].as_str().unwrap();
        assert!(told.contains("begin anew without cursor"), "{told}");
    }
}

#[test]
fn pages_are_asked_for_by_number_and_session_until_one_is_not_full() {
    let upstream = Upstream::answering(|request, _| {
        let page: usize = field(request, "page").map_or(0, |page| page.parse().unwrap());
        assert_eq!(field(request, "session_id").is_some(), page > 0);
        let profiles: Vec<Value> = (page * 3..7.min(page * 3 + 3))
            .map(|id| json!({"$distinct_id": id, "$properties": {}}))
            .collect();
        let session = (page < 2).then_some("s-1");
        Answer::json(
            200,
            &json!({"page": page, "page_size": 3, "session_id": session, "results": profiles}),
        )
    });
    let server = TestServer::before_with(&upstream.url(), ON);
    let (ids, answers) = read_all(&server, &json!({"limit": 1000}));
    assert_eq!(ids, ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(answers, 3);
}

#[test]
fn the_values_of_a_property_are_counted_day_by_day_the_largest_first() {
    let server = server();
    let question = json!({"event": "Purchase Completed", "property": "plan", "from_date": "7d", "to_date": "today"});
    let data = server.data("mixpanel_query_event_property", question.clone());
    let series = data["series"].as_array().unwrap();
    assert!(series.len() > 1);
    let totals: Vec<f64> = series
        .iter()
        .map(|value| value["total"].as_f64().unwrap())
        .collect();
    assert!(totals.is_sorted_by(|a, b| a >= b), "{totals:?}");
    for value in series {
        let days = value["values"].as_object().unwrap();
        let sum: f64 = days.values().map(|number| number.as_f64().unwrap()).sum();
        assert_eq!((days.len(), Some(sum)), (7, value["total"].as_f64()));
    }
    let mut unique = question;
    unique["type"] = "unique".into();
    unique["values"] = json!([series[0]["name"]]);
    let data = server.data("mixpanel_query_event_property", unique);
    assert_eq!(data["series"].as_array().unwrap().len(), 1);
    // Users of several days would be counted again.
    assert_eq!(data["series"][0].get("total"), None);
    let none = json!({"event": "Purchase Compleated", "property": "plan", "from_date": "7d", "to_date": "today"});
    let data = server.data("mixpanel_query_event_property", none);
    assert_eq!(data["series"], json!([]));
    assert_eq!(data["nearest_names"][0], "Purchase Completed");
}

#[test]
fn a_script_gives_rows_and_a_refused_one_mixpanels_words() {
    let upstream = Upstream::answering(|request, _| {
        assert_eq!(field(request, "params").as_deref(), Some(r#"{"n":3}"#));
        Answer::json(200, &json!([{"key": ["Buy"], "value": 4}, 7, [1, "a"]]))
    });
    let server = TestServer::before_with(&upstream.url(), ON);
    let script = json!({"script": "function main() { return [] }", "params": {"n": 3}, "limit": 2});
    let data = server.data("mixpanel_run_jql", script.clone());
    assert_eq!(
        data["rows"],
        json!([{"key": ["Buy"], "value": 4}, {"value": 7}])
    );
    assert_eq!(data["truncated"], true);
    let facts = self::server().failure("mixpanel_run_jql", script);
    assert_eq!(facts["mixpanel_message"], "JQL scripts are not run here");
}
