//! The tools about single users.

use serde_json::{Value, json};

use crate::support::{Answer, Seeded, TestServer, Upstream};

const PROFILE: &str = "mixpanel_get_user_profile";
const ACTIVITY: &str = "mixpanel_get_profile_event_activity";

#[test]
fn a_profile_is_told_whole_whatever_is_in_the_users_id() {
    let seeded = Seeded::start();
    for id in ["ann", "Zoë \"Z\" \\ 東京 & co=1", "id with 'quotes'"] {
        let properties = json!({"$name": "Ann", "plan": "pro", "visits": 3, "tags": ["a", "b"]});
        seeded.set_profile(id, properties.clone());
        let data = seeded.server.data(PROFILE, json!({"distinct_id": id}));

        assert_eq!(data["found"], true, "{id}");
        let mut found = data["properties"].clone();
        found
            .as_object_mut()
            .unwrap()
            .retain(|name, _| properties.get(name).is_some());
        assert_eq!(found, properties);
        let summary = data["summary"].as_str().unwrap();
        assert!(
            summary.contains("project 12345") && summary.contains(r#"$name "Ann""#),
            "{summary}"
        );
    }
}

#[test]
fn a_user_without_a_profile_is_no_failure_and_is_told_where_to_look_next() {
    let seeded = Seeded::start();
    seeded.set_profile("ann", json!({"plan": "pro"}));
    let data = seeded.server.data(PROFILE, json!({"distinct_id": "Ann"}));

    assert_eq!(
        data,
        json!({
            "summary": "profile of \"Ann\", project 12345: none; ids are case-sensitive, and a user without profile properties may still have events: ask mixpanel_get_profile_event_activity",
            "found": false,
            "truncated": false,
        })
    );
}

fn at(time: &str) -> (&'static str, &'static str, &str, Value) {
    ("Profile Walk", "ann", time, json!({"step": time}))
}

#[test]
fn activity_is_the_newest_first_and_counted_by_event() {
    let seeded = Seeded::start();
    seeded.import(&[
        at("2024-03-01T10:00:00"),
        at("2024-03-03T23:59:59"),
        at("2024-03-02T10:00:00"),
        ("Profile \"Run\"", "ann", "2024-03-02T11:00:00", json!({})),
        ("Profile Walk", "bob", "2024-03-02T10:00:00", json!({})),
        // After the last day.
        at("2024-03-04T00:00:00"),
    ]);
    let data = seeded.server.data(
        ACTIVITY,
        json!({"distinct_id": "ann", "from_date": "2024-03-01", "to_date": "2024-03-03"}),
    );

    let times: Vec<&str> = data["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["time"].as_str().unwrap())
        .collect();
    assert_eq!(
        times,
        [
            "2024-03-03T23:59:59",
            "2024-03-02T11:00:00",
            "2024-03-02T10:00:00",
            "2024-03-01T10:00:00"
        ]
    );
    assert_eq!(
        data["events"][0]["properties"]["step"],
        "2024-03-03T23:59:59"
    );
    assert_eq!(
        data["counts"],
        json!({"Profile Walk": 3, "Profile \"Run\"": 1})
    );
    assert_eq!(data["truncated"], false);
    assert_eq!(
        data["summary"],
        "activity of \"ann\", project 12345, 2024-03-01 to 2024-03-03 (days in the project's time zone): 4 events; \"Profile Walk\" 3, \"Profile \\\"Run\\\"\" 1"
    );
}

#[test]
fn a_limit_keeps_the_newest_and_says_that_there_are_more_while_the_counts_stay_whole() {
    let seeded = Seeded::start();
    seeded.import(&[
        at("2024-03-01T10:00:00"),
        at("2024-03-03T10:00:00"),
        at("2024-03-02T10:00:00"),
    ]);
    let data = seeded.server.data(
        ACTIVITY,
        json!({"distinct_id": "ann", "from_date": "2024-03-01", "to_date": "2024-03-03", "limit": 1}),
    );

    assert_eq!(data["events"].as_array().unwrap().len(), 1);
    assert_eq!(data["events"][0]["time"], "2024-03-03T10:00:00");
    assert_eq!(data["counts"], json!({"Profile Walk": 3}));
    assert_eq!(data["truncated"], true);
    let summary = data["summary"].as_str().unwrap();
    assert!(summary.contains("the newest 1 are here"), "{summary}");
}

#[test]
fn without_days_the_last_thirty_are_asked_for_and_the_id_is_a_list_of_one() {
    let seeded = Seeded::start();
    let data = seeded
        .server
        .data(ACTIVITY, json!({"distinct_id": "nobody \"x\""}));

    assert_eq!(data["events"], json!([]));
    let summary = data["summary"].as_str().unwrap();
    assert!(
        summary.contains("no events; ids are case-sensitive"),
        "{summary}"
    );
    let requests = seeded.requests();
    let [request] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    assert_eq!(request.param("distinct_ids"), Some(r#"["nobody \"x\""]"#));
    let day = |name: &str| -> jiff::civil::Date { request.param(name).unwrap().parse().unwrap() };
    assert_eq!((day("to_date") - day("from_date")).get_days(), 29);
}

#[test]
fn one_given_day_moves_the_other() {
    let seeded = Seeded::start();
    let arguments = json!({"distinct_id": "ann", "to_date": "2024-03-30"});
    seeded.server.data(ACTIVITY, arguments);

    assert_eq!(seeded.requests()[0].param("from_date"), Some("2024-03-01"));
}

#[test]
fn every_fault_of_a_call_is_told_at_once() {
    let facts = TestServer::shared().failure(
        ACTIVITY,
        json!({"distinct_id": "", "from_date": "2024-13-01", "limit": 0, "project_id": "x"}),
    );

    assert_eq!(facts["kind"], "bad_arguments");
    assert_eq!(facts["faults"].as_array().unwrap().len(), 4, "{facts}");
}

#[test]
fn an_event_without_a_time_has_none_and_an_id_as_a_number_is_read() {
    let upstream = Upstream::answering(|request, _| {
        let answer = if request.path.ends_with("/engage") {
            json!({"page": 0, "page_size": 1000, "total": 1, "status": "ok", "session_id": null,
                "results": [{"$distinct_id": 4, "$properties": {"$email": "a@b.c"}}]})
        } else {
            json!({"status": "ok", "results": {"events": [{"event": "Buy", "properties": {}}]}})
        };
        Answer::json(200, &answer)
    });
    let server = TestServer::before(&upstream.url());

    let data = server.data(PROFILE, json!({"distinct_id": "4"}));
    assert_eq!(data["properties"], json!({"$email": "a@b.c"}));
    let data = server.data(ACTIVITY, json!({"distinct_id": "4"}));
    assert_eq!(data["events"], json!([{"event": "Buy", "properties": {}}]));
}

#[test]
fn an_error_under_200_is_a_failure_in_mixpanels_words() {
    let upstream = Upstream::answering(|_, _| {
        Answer::json(200, &json!({"status": "error", "error": "no such stream"}))
    });
    let server = TestServer::before(&upstream.url());
    for tool in [PROFILE, ACTIVITY] {
        let facts = server.failure(tool, json!({"distinct_id": "ann"}));
        assert_eq!(
            facts["mixpanel_message"], "no such stream",
            "{tool}: {facts}"
        );
    }
}

#[test]
fn a_profile_that_is_too_large_for_one_answer_is_cut_and_it_says_so() {
    let properties: serde_json::Map<String, Value> = (0..200)
        .map(|number| (format!("p{number}"), "\"".repeat(10_000).into()))
        .collect();
    let upstream = Upstream::answering(move |_, _| {
        let profile = json!({"$distinct_id": "ann", "$properties": properties});
        Answer::json(200, &json!({"status": "ok", "results": [profile]}))
    });
    let server = TestServer::before(&upstream.url());
    let params = json!({
        "name": PROFILE,
        "arguments": {"distinct_id": "ann"},
        "_meta": {"progressToken": "p"},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let headers = [
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    // It could have become a stream, so it must fit into an event of one.
    let answer = server.post("/mcp", &headers, &body.to_string());

    assert!(answer.body.len() < 1_048_576, "{}", answer.body.len());
    let answer = answer.json();
    let data = &answer["result"]["structuredContent"];
    let kept = data["properties"].as_object().unwrap().len();
    assert!(kept > 0 && data["truncated"] == true, "{kept}");
    let summary = data["summary"].as_str().unwrap();
    let words = format!("200 properties; truncated, {kept} of them are here");
    assert!(summary.contains(&words), "{summary}");
}
