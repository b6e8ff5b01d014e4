//! The events toolset: names, counts, top events and raw events, against figures that are known beforehand.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use crate::support::{Answer, Recorder, TestServer, Upstream, server};

/// The sandbox's project without any events.
const EMPTY: &str = "67890";

/// The day so many days ago, in UTC, as the sandbox counts.
fn day(ago: i64) -> String {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    (today - ago.days()).to_string()
}

/// An event at noon of a day.
fn event(name: &str, user: &str, ago: i64, mut properties: Value) -> Value {
    let noon: Timestamp = format!("{}T12:00:00Z", day(ago)).parse().unwrap();
    properties["time"] = noon.as_second().into();
    json!({"event": name, "distinct_id": user, "properties": properties})
}

#[track_caller]
fn import(server: &TestServer, project: &str, events: &[Value]) {
    let data = server.data(
        "mixpanel_import_events",
        json!({"project_id": project, "events": events}),
    );
    assert_eq!(data["stored"], events.len());
}

/// Three users who visit six times over three days; one of them buys once.
fn visits() -> [Value; 7] {
    let visit = |user, ago| event("Visit", user, ago, json!({}));
    [
        visit("u1", 5),
        visit("u2", 5),
        visit("u1", 4),
        visit("u1", 4),
        visit("u3", 4),
        visit("u2", 3),
        event("Buy", "u1", 4, json!({"amount": 20, "plan": "pro"})),
    ]
}

/// A server of its own whose empty project got the [`visits`].
fn with_visits() -> TestServer {
    let server = TestServer::sandbox();
    import(&server, EMPTY, &visits());
    server
}

/// Arguments about the three days of the visits.
fn about_visits(more: Value) -> Value {
    let mut arguments = json!({"project_id": EMPTY, "from_date": day(5), "to_date": day(3)});
    for (name, value) in more.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    arguments
}

#[track_caller]
fn has(words: &Value, parts: &[&str]) {
    let words = words.as_str().unwrap();
    for part in parts {
        assert!(words.contains(part), "{part:?} is not in {words:?}");
    }
}

#[test]
fn events_are_listed_the_most_common_first_and_searched_in_any_case() {
    let server = with_visits();
    let data = server.data("mixpanel_list_events", json!({"project_id": EMPTY}));
    assert_eq!(data["events"], json!(["Visit", "Buy"]));
    assert_eq!(data["truncated"], false);
    has(&data["summary"], &["2 events", "project 67890", "31 days"]);

    let data = server.data(
        "mixpanel_list_events",
        json!({"project_id": EMPTY, "search": "bU"}),
    );
    assert_eq!(data["events"], json!(["Buy"]));
    let data = server.data(
        "mixpanel_list_events",
        json!({"project_id": EMPTY, "search": "sell"}),
    );
    assert_eq!(data["events"], json!([]));
    has(
        &data["summary"],
        &["0 events", r#""sell""#, "among 2 events"],
    );
}

#[test]
fn a_list_that_was_cut_says_so_and_how_to_get_the_rest() {
    let server = with_visits();
    let data = server.data(
        "mixpanel_list_events",
        json!({"project_id": EMPTY, "limit": 1}),
    );
    assert_eq!(data["events"], json!(["Visit"]));
    assert_eq!(data["truncated"], true);
    has(&data["summary"], &["2 events", "first 1", "raise limit"]);
}

#[test]
fn a_project_without_events_is_told_as_such_by_each_tool() {
    let server = TestServer::shared();
    let range = about_visits(json!({}));
    let project = json!({"project_id": EMPTY});
    for (tool, arguments, list) in [
        ("mixpanel_list_events", &project, "events"),
        ("mixpanel_get_todays_top_events", &project, "events"),
        ("mixpanel_get_event_count", &range, "by_event"),
        ("mixpanel_get_top_events", &range, "events"),
        ("mixpanel_query_events", &range, "events"),
    ] {
        let data = server.data(tool, arguments.clone());
        assert_eq!(data[list], json!([]), "{tool}");
        assert_eq!(data["truncated"], false, "{tool}");
        has(&data["summary"], &["67890"]);
        assert!(
            data["summary"].as_str().unwrap().starts_with("no"),
            "{tool}: {}",
            data["summary"]
        );
    }
}

#[test]
fn an_unknown_name_is_not_found_and_the_answer_says_where_to_look() {
    let server = TestServer::shared();
    let (from, to) = (day(5), day(3));
    for (tool, arguments) in [
        (
            "mixpanel_list_event_properties",
            json!({"event": "purchase completed"}),
        ),
        (
            "mixpanel_list_property_values",
            json!({"event": "Purchase Completed", "property": "Plan"}),
        ),
        (
            "mixpanel_get_event_count",
            json!({"event": "app open", "from_date": from, "to_date": to}),
        ),
        (
            "mixpanel_query_events",
            json!({"event": "app open", "from_date": from, "to_date": to}),
        ),
    ] {
        let data = server.data(tool, arguments);
        has(
            &data["summary"],
            &["12345", "case-sensitive", "mixpanel_list_event"],
        );
    }
}

#[test]
fn names_with_quotes_backslashes_and_any_script_are_found_again() {
    let server = TestServer::shared();
    let name = r#"Größe "L" \ 東京 & + % #1"#;
    let property = r#"pla"n \"#;
    let values = ["ein \"Wert\"", "a\\b", "é&=?"];
    let events: Vec<Value> = values
        .iter()
        .map(|value| event(name, "u1", 4, json!({property: value})))
        .collect();
    import(server, "12345", &events);

    let data = server.data(
        "mixpanel_list_event_properties",
        json!({"event": name, "search": "PLA"}),
    );
    assert_eq!(data["properties"], json!([{"name": property, "count": 3}]));
    let data = server.data(
        "mixpanel_list_property_values",
        json!({"event": name, "property": property}),
    );
    let mut found: Vec<&str> = data["values"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    found.sort();
    let mut expected = values.to_vec();
    expected.sort();
    assert_eq!(found, expected);
    let range = json!({"event": name, "from_date": day(4), "to_date": day(4)});
    assert_eq!(
        server.data("mixpanel_get_event_count", range.clone())["total"],
        3
    );
    assert_eq!(
        server.data("mixpanel_query_events", range)["events"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn properties_are_listed_with_how_many_events_carry_them() {
    let server = with_visits();
    let data = server.data(
        "mixpanel_list_event_properties",
        json!({"project_id": EMPTY, "event": "Buy", "search": "a"}),
    );
    let properties = data["properties"].as_array().unwrap();
    assert!(
        properties.contains(&json!({"name": "amount", "count": 1})),
        "{data}"
    );
    assert!(
        properties
            .iter()
            .all(|property| property["name"].as_str().unwrap().contains('a'))
    );
    has(&data["summary"], &[r#""Buy""#, "project 67890"]);
}

#[test]
fn an_event_is_counted_in_total_and_by_day() {
    let server = with_visits();
    let data = server.data(
        "mixpanel_get_event_count",
        about_visits(json!({"event": "Visit"})),
    );
    assert_eq!(data["total"], 6);
    assert_eq!(data["measure"], "events");
    assert_eq!(data["by_event"], json!([{"event": "Visit", "count": 6}]));
    assert_eq!(data["by_unit"], json!({day(5): 2, day(4): 3, day(3): 1}));
    let (from, to) = (day(5), day(3));
    has(
        &data["summary"],
        &[
            "6 events",
            r#""Visit""#,
            "project 67890",
            &from,
            &to,
            "time zone",
        ],
    );
}

#[test]
fn users_of_a_range_are_counted_once_each_and_not_once_a_day() {
    let server = with_visits();
    let unique = |more: Value| {
        let mut arguments = about_visits(json!({"event": "Visit", "type": "unique"}));
        for (name, value) in more.as_object().unwrap() {
            arguments[name] = value.clone();
        }
        server.data("mixpanel_get_event_count", arguments)
    };
    let data = unique(json!({}));
    assert_eq!(data["by_unit"], json!({day(5): 2, day(4): 2, day(3): 1}));
    assert_eq!(data["total"], 3);
    assert_eq!(data["measure"], "unique users");
    assert_eq!(unique(json!({"unit": "month"}))["total"], 3);
    assert_eq!(unique(json!({"to_date": day(5)}))["total"], 2);
}

#[test]
fn an_average_of_a_range_is_events_a_user_of_the_whole_range() {
    let data = with_visits().data(
        "mixpanel_get_event_count",
        about_visits(json!({"event": "Visit", "type": "average"})),
    );
    assert_eq!(data["total"], 2);
    assert_eq!(data["by_unit"], json!({day(5): 1, day(4): 1.5, day(3): 1}));
    assert_eq!(data["measure"], "events a user");
}

#[test]
fn all_events_are_counted_by_event_and_by_day() {
    let data = with_visits().data("mixpanel_get_event_count", about_visits(json!({})));
    assert_eq!(data["total"], 7);
    assert_eq!(
        data["by_event"],
        json!([{"event": "Visit", "count": 6}, {"event": "Buy", "count": 1}])
    );
    assert_eq!(data["by_unit"], json!({day(5): 2, day(4): 4, day(3): 1}));
}

#[test]
fn users_of_all_events_have_no_total_and_say_what_they_are() {
    let server = with_visits();
    let data = server.data(
        "mixpanel_get_event_count",
        about_visits(json!({"type": "unique"})),
    );
    assert!(
        data.get("total").is_none() && data.get("by_unit").is_none(),
        "{data}"
    );
    assert_eq!(data["measure"], "unique users a day, as a mean of 3 days");
    assert_eq!(
        data["by_event"],
        json!([{"event": "Visit", "count": 1.67}, {"event": "Buy", "count": 0.33}])
    );

    let one_day =
        json!({"project_id": EMPTY, "from_date": day(4), "to_date": day(4), "type": "unique"});
    let data = server.data("mixpanel_get_event_count", one_day);
    assert_eq!(data["measure"], "unique users");
    assert_eq!(
        data["by_event"],
        json!([{"event": "Visit", "count": 2}, {"event": "Buy", "count": 1}])
    );
}

#[test]
fn a_range_for_which_mixpanel_gives_no_single_bucket_has_no_total_of_users() {
    let mixpanel = Upstream::answering(|_, _| {
        let values = json!({"Visit": {"2026-01-01": 4, "2026-01-02": 2}});
        let series = ["2026-01-01", "2026-01-02"];
        Answer::json(
            200,
            &json!({"data": {"series": series, "values": values}, "legend_size": 1}),
        )
    });
    let data = TestServer::before(&mixpanel.url()).data(
        "mixpanel_get_event_count",
        json!({"event": "Visit", "from_date": "2026-01-01", "to_date": "2026-01-02", "type": "unique"}),
    );
    assert!(data.get("total").is_none(), "{data}");
    assert_eq!(data["by_event"], json!([{"event": "Visit", "count": 3}]));
    assert_eq!(data["measure"], "unique users a day, as a mean of 2 days");
    let requests = mixpanel.questions();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].path, "/api/query/segmentation");
    assert_eq!(requests[1].param("interval"), Some("2"));
    assert_eq!(requests[1].param("unit"), None);
}

#[test]
fn counting_asks_for_counts_and_never_for_an_export() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before(&recorder.url());
    let range = json!({"from_date": day(5), "to_date": day(3)});
    let paths = |tool, arguments: Value| -> Vec<String> {
        server.data(tool, arguments);
        recorder
            .take()
            .into_iter()
            .map(|request| request.path)
            // The project's time zone, once.
            .filter(|path| path != "/api/app/me")
            .collect()
    };
    let both = ["/api/query/events/names", "/api/query/events"];
    assert_eq!(paths("mixpanel_get_event_count", range.clone()), both);
    assert_eq!(paths("mixpanel_get_top_events", range.clone()), both);
    let mut one = range.clone();
    one["event"] = "App Open".into();
    assert_eq!(
        paths("mixpanel_get_event_count", one),
        ["/api/query/events"]
    );
    assert_eq!(
        paths("mixpanel_get_todays_top_events", json!({})),
        ["/api/query/events/top"]
    );
}

#[test]
fn names_that_do_not_fit_into_one_address_are_asked_about_in_parts() {
    let names: Vec<String> = (0..120)
        .map(|number| format!("{number:03} {}", "ä".repeat(60)))
        .collect();
    let mixpanel = Upstream::answering({
        let names = names.clone();
        move |request, _| {
            assert!(
                request.target.len() < 8_000,
                "{} bytes",
                request.target.len()
            );
            if request.path.ends_with("/names") {
                return Answer::json(200, &json!(names));
            }
            if request.path.ends_with("/me") {
                return Answer::empty(403);
            }
            let asked: Vec<String> = serde_json::from_str(request.param("event").unwrap()).unwrap();
            let ones = asked
                .into_iter()
                .map(|name| (name, json!({"2026-01-01": 1})));
            let values: serde_json::Map<String, Value> = ones.collect();
            Answer::json(
                200,
                &json!({"data": {"series": ["2026-01-01"], "values": values}}),
            )
        }
    });
    let data = TestServer::before(&mixpanel.url()).data(
        "mixpanel_get_event_count",
        json!({"from_date": "2026-01-01", "to_date": "2026-01-01"}),
    );
    let requests = mixpanel.questions();
    assert_eq!(requests.len(), 5);
    let asked: Vec<String> = requests[1..]
        .iter()
        .flat_map(|request| {
            serde_json::from_str::<Vec<String>>(request.param("event").unwrap()).unwrap()
        })
        .collect();
    assert_eq!(asked, names[..asked.len()]);
    assert_eq!(data["total"], asked.len());
    assert_eq!(data["truncated"], true);
    let left_out = format!("{} rarer ones", names.len() - asked.len());
    has(&data["summary"], &[&left_out]);
}

#[test]
fn top_events_have_rank_count_and_share() {
    let server = with_visits();
    let data = server.data("mixpanel_get_top_events", about_visits(json!({})));
    assert_eq!(
        data["events"],
        json!([
            {"rank": 1, "event": "Visit", "count": 6, "share_percent": 85.71},
            {"rank": 2, "event": "Buy", "count": 1, "share_percent": 14.29},
        ])
    );
    let data = server.data("mixpanel_get_top_events", about_visits(json!({"limit": 1})));
    assert_eq!(
        data["events"],
        json!([{"rank": 1, "event": "Visit", "count": 6, "share_percent": 85.71}])
    );
    assert_eq!(data["truncated"], true);
    has(&data["summary"], &["top 1 of 2 events", "raise limit"]);
}

#[test]
fn top_events_by_users_are_no_sum_of_days_and_have_no_share() {
    let data = with_visits().data(
        "mixpanel_get_top_events",
        about_visits(json!({"type": "unique"})),
    );
    assert_eq!(data["measure"], "unique users a day, as a mean of 3 days");
    assert_eq!(
        data["events"],
        json!([
            {"rank": 1, "event": "Visit", "count": 1.67},
            {"rank": 2, "event": "Buy", "count": 0.33},
        ])
    );
}

#[test]
fn top_events_and_event_count_agree_on_the_shop() {
    let server = TestServer::shared();
    let range = json!({"from_date": day(10), "to_date": day(6)});
    let top = server.data("mixpanel_get_top_events", range.clone());
    let count = server.data("mixpanel_get_event_count", range);
    let mut sum = 0;
    for (ranked, counted) in top["events"]
        .as_array()
        .unwrap()
        .iter()
        .zip(count["by_event"].as_array().unwrap())
    {
        assert_eq!(
            (&ranked["event"], &ranked["count"]),
            (&counted["event"], &counted["count"])
        );
        sum += counted["count"].as_u64().unwrap();
    }
    let by_day: u64 = count["by_unit"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(count["total"].as_u64(), Some(by_day));
    assert!(sum > 0 && sum <= by_day);
}

#[test]
fn todays_events_are_ranked_and_their_change_is_in_percent() {
    let mixpanel = Upstream::answering(|_, _| {
        let events = json!([
            {"amount": 2, "event": "funnel", "percent_change": -0.35635745999582824},
            {"amount": 75, "event": "pages", "percent_change": 0.5},
            {"amount": 3, "event": "projects", "percent_change": null},
        ]);
        Answer::json(200, &json!({"events": events, "type": "general"}))
    });
    let server = TestServer::before(&mixpanel.url());
    let data = server.data("mixpanel_get_todays_top_events", json!({"limit": 2}));
    assert_eq!(
        data["events"],
        json!([
            {"rank": 1, "event": "pages", "amount": 75, "change_percent": 50},
            {"rank": 2, "event": "projects", "amount": 3},
        ])
    );
    assert_eq!(data["truncated"], true);
    let data = server.data("mixpanel_get_todays_top_events", json!({"limit": 3}));
    assert_eq!(data["truncated"], false);
    assert_eq!(
        data["events"][2],
        json!({"rank": 3, "event": "funnel", "amount": 2, "change_percent": -35.64})
    );
}

#[test]
fn raw_events_have_time_user_and_the_properties_that_were_named() {
    let server = with_visits();
    let data = server.data(
        "mixpanel_query_events",
        about_visits(json!({"event": "Buy"})),
    );
    let buy = &data["events"][0];
    assert_eq!(buy["event"], "Buy");
    assert_eq!(buy["distinct_id"], "u1");
    assert_eq!(buy["time"], format!("{}T12:00:00", day(4)));
    assert_eq!(buy["properties"]["amount"], 20);
    assert!(buy["properties"]["$insert_id"].is_string());
    has(&data["summary"], &["1 event", r#""Buy""#, "UTC"]);

    let data = server.data(
        "mixpanel_query_events",
        about_visits(json!({"event": "Buy", "properties": ["plan", "none"]})),
    );
    assert_eq!(data["events"][0]["properties"], json!({"plan": "pro"}));
}

#[test]
fn raw_events_say_whether_there_were_more() {
    let server = with_visits();
    for (limit, number, is_cut) in [(5, 5, true), (6, 6, false), (7, 6, false)] {
        let data = server.data(
            "mixpanel_query_events",
            about_visits(json!({"event": "Visit", "limit": limit})),
        );
        assert_eq!(data["events"].as_array().unwrap().len(), number);
        assert_eq!(data["truncated"], is_cut, "{limit}");
    }
}

#[test]
fn a_filter_is_passed_on_as_it_is_and_its_mistakes_are_told_in_mixpanels_words() {
    let server = with_visits();
    let filtered = about_visits(
        json!({"where": r#"properties["amount"] > 10 and properties["plan"] == "pro""#}),
    );
    assert_eq!(
        server.data("mixpanel_query_events", filtered)["events"][0]["event"],
        "Buy"
    );
    let filtered = about_visits(json!({"where": r#"properties["amount"] > 20"#}));
    let data = server.data("mixpanel_query_events", filtered);
    assert_eq!(data["events"], json!([]));
    has(&data["summary"], &["fulfil where"]);

    let facts = server.failure(
        "mixpanel_query_events",
        about_visits(json!({"where": "amount > "})),
    );
    assert_eq!(facts["kind"], "bad_request");
    assert!(
        facts["mixpanel_message"]
            .as_str()
            .unwrap()
            .contains("where"),
        "{facts}"
    );
}

#[test]
fn an_export_without_end_is_left_after_the_limit() {
    let line = json!({"event": "Tick", "properties": {"time": 1_767_268_800, "distinct_id": "u"}});
    let mixpanel = Upstream::answering(move |_, _| Answer::endless(&format!("{line}\n")));
    let server = TestServer::before(&mixpanel.url());
    let data = server.data(
        "mixpanel_query_events",
        json!({"from_date": "2026-01-01", "to_date": "2026-01-01", "event": "Tick", "limit": 10_000}),
    );
    assert_eq!(data["events"].as_array().unwrap().len(), 10_000);
    assert_eq!(data["truncated"], true);
    assert!(mixpanel.closed_by_peer(0));
    let request = &mixpanel.requests()[0];
    assert_eq!(request.path, "/api/2.0/export");
    assert_eq!(request.param("event"), Some(r#"["Tick"]"#));
    assert_eq!(request.param("limit"), Some("10001"));
}

#[test]
fn events_that_are_too_large_for_a_streamed_answer_are_cut_and_it_says_so() {
    let line = json!({"event": "Big", "properties": {"time": 1_767_268_800, "text": "\"x\" ".repeat(4_000)}});
    let mixpanel = Upstream::answering(move |_, _| Answer::endless(&format!("{line}\n")));
    let server = TestServer::before(&mixpanel.url());
    let arguments = json!({"from_date": "2026-01-01", "to_date": "2026-01-01", "limit": 10_000});
    let params = json!({
        "name": "mixpanel_query_events",
        "arguments": arguments,
        "_meta": {"progressToken": "p"},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let headers = [
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2025-11-25"),
        ("content-type", "application/json"),
    ];
    let mut stream = server.stream("POST", "/mcp", &headers, &body.to_string());
    let (mut told, mut answer) = (Vec::new(), None);
    while let Some(event) = stream.next() {
        assert!(event.data.len() < 1_048_576, "{} bytes", event.data.len());
        let Ok(message) = serde_json::from_str::<Value>(&event.data) else {
            continue;
        };
        match message["params"]["progress"].as_f64() {
            Some(progress) => told.push(progress),
            None => answer = Some(message),
        }
    }
    let mut answer = answer.unwrap();
    let data = answer["result"]["structuredContent"].take();
    assert!(data["events"].is_array(), "{data}");
    let number = data["events"].as_array().unwrap().len();
    assert!(
        number > 0 && data["truncated"] == true,
        "{}",
        data["summary"]
    );
    has(
        &data["summary"],
        &[&number.to_string(), "too large", "properties you need"],
    );
    assert!(!told.is_empty() && told.is_sorted());
    assert!(mixpanel.closed_by_peer(0));
}

#[test]
fn an_export_that_breaks_is_read_anew_and_each_event_is_told_once() {
    let line = |user| json!({"event": "Tick", "properties": {"time": 1_767_268_800_000_i64, "distinct_id": user, "$insert_id": user}});
    let lines = format!(
        "{}\n{{\"no\": \"event\"}}\n{}\n{}\n",
        line("u1"),
        line("u2"),
        line("u1")
    );
    let exports = std::sync::atomic::AtomicUsize::new(0);
    let mixpanel = Upstream::answering(move |request, _| match request.path.as_str() {
        "/api/app/me" => Answer::empty(403),
        // The first two exports break; those after the third do too.
        _ => match exports.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            2 => Answer::text(200, &lines),
            _ => Answer::text(200, &format!("{lines}terminated early\n")),
        },
    });
    let server = TestServer::before(&mixpanel.url());
    let range = json!({"from_date": "2026-01-01", "to_date": "2026-01-01"});
    let data = server.data("mixpanel_query_events", range.clone());
    assert_eq!(data["events"].as_array().unwrap().len(), 2);
    assert_eq!(data["truncated"], false);
    assert_eq!(data["events"][0]["time"], "2026-01-01T12:00:00");
    has(
        &data["summary"],
        &["1 copy left out", "1 line of the export could not be read"],
    );
    let asked = || {
        let requests = mixpanel.requests();
        requests
            .iter()
            .filter(|request| request.path == "/api/2.0/export")
            .count()
    };
    assert_eq!(asked(), 3);
    assert_eq!(
        server.failure("mixpanel_query_events", range)["kind"],
        "incomplete_export"
    );
    assert_eq!(asked(), 6);
}

#[test]
fn what_mixpanel_would_refuse_or_nobody_could_read_is_refused_before_it_is_asked() {
    let mixpanel = Upstream::answering(|_, _| Answer::empty(500));
    let server = TestServer::before(&mixpanel.url());
    let count = |arguments| server.failure("mixpanel_get_event_count", arguments);

    let facts = count(
        json!({"from_date": "2026-1-1", "to_date": "2026-02-30", "type": "users", "unit": "year", "event": ""}),
    );
    assert_eq!(facts["kind"], "bad_arguments");
    assert_eq!(facts["faults"].as_array().unwrap().len(), 5, "{facts}");
    let facts = count(
        json!({"from_date": "2026-01-01", "to_date": "2026-02-28", "type": "unique", "unit": "minute"}),
    );
    assert_eq!(facts["faults"].as_array().unwrap().len(), 2, "{facts}");
    let facts = count(json!({"from_date": "2026-01-02", "to_date": "2026-01-01"}));
    has(&facts["error"], &["after to_date"]);
    for limit in [0, 101] {
        let facts = server.failure(
            "mixpanel_get_top_events",
            json!({"from_date": "2026-01-01", "to_date": "2026-01-02", "limit": limit}),
        );
        assert_eq!(facts["kind"], "bad_arguments");
    }
    assert_eq!(mixpanel.requests().len(), 0);
}
