//! Imports: each event is stored once or told of, and nothing is told as stored that Mixpanel did not confirm.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::ingest::{count_of, has, now_s};
use crate::support::{Answer, Ending, RecordedRequest, TestServer, Upstream};

const TOOL: &str = "mixpanel_import_events";

fn arguments(events: impl Into<Value>) -> Value {
    json!({"project_id": "12345", "events": events.into()})
}

/// Mixpanel's answer to so many good events.
fn stored(number: usize) -> Answer {
    Answer::json(
        200,
        &json!({"code": 200, "num_records_imported": number, "status": "OK"}),
    )
}

fn number_in(request: &RecordedRequest) -> usize {
    request.json().as_array().unwrap().len()
}

#[test]
fn an_import_keeps_its_ids_when_it_is_tried_again() {
    let mixpanel = Upstream::answering(|_, nth| match nth {
        0 => Answer::empty(503),
        _ => Answer::json(
            200,
            &json!({"code": 200, "num_records_imported": 1, "status": "OK"}),
        ),
    });
    let server = TestServer::before(&mixpanel.url());
    let data = server.data(
        TOOL,
        json!({"project_id": "12345", "events": [{"event": "e"}]}),
    );
    assert_eq!(data["stored"], 1);
    let requests = mixpanel.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].json(), requests[1].json());
    assert!(requests[0].json()[0]["properties"]["$insert_id"].is_string());
}

#[test]
fn an_import_tells_which_events_were_refused_and_stores_the_others() {
    let server = TestServer::sandbox();
    let events = json!([
        {"event": "Part", "distinct_id": "u1"},
        {"event": "Part", "distinct_id": "null"},
        {"event": "Part", "distinct_id": "u2", "properties": {"time": now_s() + 2 * 24 * 3600}},
        {"event": "Part", "distinct_id": "u3", "properties": {"$insert_id": "not/allowed"}},
    ]);
    let facts = server.failure(TOOL, arguments(events));
    assert_eq!(facts["kind"], "events_refused");
    assert_eq!(
        (&facts["stored"], &facts["refused"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(facts["truncated"], false);
    has(
        &facts["error"],
        &[
            "stored 1 of 4 events",
            "events[1]",
            "events[2]",
            "events[3]",
            "only them again",
        ],
    );
    let failed = facts["failed"].as_array().unwrap();
    let told: Vec<_> = failed
        .iter()
        .map(|record| (&record["index"], record["field"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (&json!(1), "distinct_id"),
            (&json!(2), "properties.time"),
            (&json!(3), "properties.$insert_id"),
        ]
    );
    assert_eq!(failed[2]["insert_id"], "not/allowed");
    assert_eq!(failed[2]["event"], "Part");
    assert_eq!(count_of(&server, "Part"), 1);
}

#[test]
fn many_refused_events_are_told_in_part() {
    let server = TestServer::sandbox();
    let events = vec![json!({"event": "Many", "distinct_id": "null"}); 2_000];
    let facts = server.failure(TOOL, arguments(events));
    assert_eq!(
        (&facts["stored"], &facts["refused"]),
        (&json!(0), &json!(2_000))
    );
    assert_eq!(facts["failed"].as_array().unwrap().len(), 50);
    assert_eq!(facts["failed_at"], "0-1999");
    assert_eq!(facts["truncated"], true);
    has(&facts["error"], &["and 1990 more"]);
}

#[test]
fn an_answer_that_counts_fewer_events_than_were_sent_is_no_success() {
    let mixpanel = Upstream::answering(|_, _| {
        Answer::json(
            200,
            &json!({"code": 200, "num_records_imported": 1, "status": "OK"}),
        )
    });
    let facts = TestServer::before(&mixpanel.url()).failure(
        TOOL,
        json!({"project_id": "12345", "events": [{"event": "a"}, {"event": "b"}]}),
    );
    assert_eq!(facts["kind"], "events_unknown");
    assert_eq!(
        (&facts["stored"], &facts["refused"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(facts["unknown"]["count"], 1);
    has(&facts["error"], &["stored 1 of 2 events", "did not say"]);
}

#[test]
fn an_event_that_is_imported_twice_under_its_id_counts_once() {
    let server = TestServer::sandbox();
    let event = json!({"event": "Twice", "distinct_id": "u", "properties": {"$insert_id": "twice-1", "time": now_s() - 60}});
    for _ in 0..2 {
        let data = server.data(TOOL, json!({"project_id": "12345", "events": [event]}));
        assert_eq!(data["stored"], 1);
    }
    assert_eq!(count_of(&server, "Twice"), 1);
}

#[test]
fn an_account_that_may_only_read_is_told_so() {
    let viewer = [("x-auth-token", "viewer:viewer:12345")];
    let arguments = json!({"project_id": "12345", "events": [{"event": "e"}]});
    let answer = TestServer::shared().call_with(&viewer, TOOL, arguments);
    assert!(answer.is_error);
    assert_eq!(answer.data["kind"], "forbidden", "{}", answer.data);
}

/// So many events of some 300 KB each.
fn large_events(number: usize) -> Vec<Value> {
    let text = "x".repeat(100_000);
    let event = |index: usize| json!({"event": "Large", "distinct_id": "u", "properties": {"place": index, "a": text, "b": text, "c": text}});
    (0..number).map(event).collect()
}

/// A server whose clients may send more than one request to `/import` takes.
fn server_for_large_calls(mixpanel: &Upstream) -> TestServer {
    let common = crate::support::server::variables_before(&mixpanel.url());
    let variables: Vec<(&str, &str)> = common
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    TestServer::start_with(&[], &variables, |settings| {
        settings.http.limits.body_bytes = 64 * 1024 * 1024;
    })
}

#[test]
fn events_of_more_than_10_mb_are_imported_in_parts_that_mixpanel_takes() {
    let mixpanel = Upstream::answering(|request, _| {
        assert!(request.body.len() <= 10_000_000);
        stored(number_in(request))
    });
    let server = server_for_large_calls(&mixpanel);
    let data = server.data(TOOL, arguments(large_events(40)));
    assert_eq!(data["stored"], 40);
    let requests = mixpanel.requests();
    assert_eq!(requests.len(), 2);
    let places: Vec<u64> = requests
        .iter()
        .flat_map(|request| request.json().as_array().unwrap().clone())
        .map(|event| event["properties"]["place"].as_u64().unwrap())
        .collect();
    assert_eq!(places, (0..40).collect::<Vec<u64>>());
}

#[test]
fn what_a_lower_limit_of_mixpanels_does_not_take_is_sent_in_halves() {
    let mixpanel = Upstream::answering(|request, _| match number_in(request) {
        0..=3 => stored(number_in(request)),
        _ => Answer::json(
            413,
            &json!({"code": 413, "error": "request exceeds max limit of 2097152 bytes"}),
        ),
    });
    let server = TestServer::before(&mixpanel.url());
    let events: Vec<Value> = (0..10)
        .map(|index| json!({"event": format!("e{index}")}))
        .collect();
    assert_eq!(server.data(TOOL, arguments(events))["stored"], 10);
    let mut taken = Vec::new();
    for request in mixpanel.requests() {
        if number_in(&request) <= 3 {
            taken.extend(request.json().as_array().unwrap().clone());
        }
    }
    let names: Vec<&str> = taken
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9"]
    );
}

#[test]
fn an_event_that_alone_is_too_large_for_mixpanel_is_refused_and_the_others_are_stored() {
    let mixpanel = Upstream::answering(|request, _| {
        match request
            .json()
            .as_array()
            .unwrap()
            .iter()
            .any(|event| event["event"] == "huge")
        {
            true => Answer::json(413, &json!({"code": 413, "error": "too large"})),
            false => stored(number_in(request)),
        }
    });
    let server = TestServer::before(&mixpanel.url());
    let events = json!([{"event": "a"}, {"event": "huge"}, {"event": "b"}]);
    let facts = server.failure(TOOL, arguments(events));
    assert_eq!(
        (&facts["stored"], &facts["failed_at"]),
        (&json!(2), &json!("1"))
    );
    has(&facts["failed"][0]["message"], &["too large"]);
}

#[test]
fn a_part_that_breaks_off_is_told_as_unknown_with_what_makes_it_safe_to_send_again() {
    // The second part may be stored, though nobody hears of it; the third is never sent.
    let mixpanel = Upstream::answering(|request, nth| match nth {
        0 => stored(number_in(request)),
        _ => Answer::text(200, "{")
            .declaring(9)
            .stopping_after(1, Ending::Closed),
    });
    let server = server_for_large_calls(&mixpanel);
    let mut events = large_events(70);
    events[2]["distinct_id"] = "undefined".into();
    events[40]["properties"]["$insert_id"] = "mine".into();
    let facts = server.failure(TOOL, arguments(events));
    assert_eq!(facts["kind"], "broken_off");
    assert_eq!(
        (&facts["stored"], &facts["refused"]),
        (&json!(33), &json!(1))
    );
    assert_eq!(facts["failed_at"], "2");
    let unknown = &facts["unknown"];
    assert_eq!(
        (&unknown["count"], &unknown["at"]),
        (&json!(33), &json!("34-66"))
    );
    assert_eq!(facts["not_sent"], json!({"count": 3, "at": "67-69"}));
    has(
        &facts["error"],
        &[
            "33 of 70 events",
            "34-66 may have arrived",
            "67-69 did not arrive",
        ],
    );

    // Three tries, all with the same ids: those that are told.
    let requests = mixpanel.requests();
    assert_eq!(requests.len(), 4);
    let ids = |request: &RecordedRequest| -> Vec<Value> {
        let events = request.json();
        let events = events.as_array().unwrap().iter();
        events
            .map(|event| event["properties"]["$insert_id"].clone())
            .collect()
    };
    assert_eq!(ids(&requests[1]), ids(&requests[2]));
    assert_eq!(ids(&requests[1]), ids(&requests[3]));
    let told = unknown["events"].as_array().unwrap();
    let told_ids: Vec<Value> = told
        .iter()
        .map(|event| event["insert_id"].clone())
        .collect();
    assert_eq!(told_ids, ids(&requests[1]));
    assert_eq!(
        (&told[6]["index"], &told_ids[6]),
        (&json!(40), &json!("mine"))
    );
    // What is told of the ids that were made here gives each of them.
    let id = told_ids[0].as_str().unwrap();
    let pattern = format!("{}-N", id.strip_suffix("-34").unwrap());
    has(&facts["error"], &[&pattern, &told[0]["time"].to_string()]);
}

#[test]
fn a_doubt_is_not_undone_by_what_a_later_try_says() {
    // The first try may have been stored; that the second was turned away proves nothing.
    for later in [
        Answer::empty(401),
        Answer::json(429, &json!({"error": "too many requests at once"})),
    ] {
        let mixpanel = Upstream::answering(move |_, nth| match nth {
            0 => Answer::text(200, "{")
                .declaring(9)
                .stopping_after(1, Ending::Reset),
            _ => later.clone(),
        });
        let facts =
            TestServer::before(&mixpanel.url()).failure(TOOL, arguments(json!([{"event": "e"}])));
        assert_eq!(facts["kind"], "broken_off");
        assert_eq!(facts["unknown"]["count"], 1, "{facts}");
    }
}

#[test]
fn events_that_surely_did_not_arrive_are_not_told_as_unknown() {
    let mixpanel = Upstream::answering(|_, _| {
        Answer::json(401, &json!({"code": 401, "error": "Invalid credentials"}))
    });
    let facts =
        TestServer::before(&mixpanel.url()).failure(TOOL, arguments(json!([{"event": "e"}])));
    assert_eq!(facts["kind"], "unauthorized");
    assert_eq!(facts["stored"], 0);
    assert_eq!(facts.get("unknown"), None, "{facts}");
    assert_eq!(facts["not_sent"], json!({"count": 1, "at": "0"}));
}

#[test]
fn an_answer_without_a_number_confirms_nothing() {
    let mixpanel =
        Upstream::answering(|_, _| Answer::json(200, &json!({"code": 200, "status": "OK"})));
    let facts =
        TestServer::before(&mixpanel.url()).failure(TOOL, arguments(json!([{"event": "e"}])));
    assert_eq!(
        (&facts["kind"], &facts["stored"]),
        (&json!("wrong_shape"), &json!(0))
    );
    assert_eq!(facts["unknown"]["count"], 1);
}

#[test]
fn what_mixpanel_would_refuse_is_refused_here_event_by_event_and_only_the_others_are_sent() {
    let sandbox = crate::support::server::sandbox();
    let recorder = crate::support::Recorder::before(&sandbox.url());
    let server = TestServer::before(&recorder.url());
    let many: serde_json::Map<String, Value> =
        (0..255).map(|n| (format!("p{n}"), json!(n))).collect();
    let with = |properties: Value| json!({"event": "Checked", "distinct_id": "u", "properties": properties});
    let events = json!([
        with(json!({"a": 1})),
        with(json!({"time": now_s() + 3700})),
        with(json!({"time": 1_000})),
        with(json!({"$insert_id": "a_b"})),
        with(json!({"a": vec![0; 255]})),
        with(json!({"a": {"b": {"c": {"d": {}}}}})),
        with(json!({"a": many})),
        with(Value::from(many.clone())),
        with(json!({"a": "x".repeat(1_000_000)})),
        {"event": "Checked", "distinct_id": "anon"},
        {"event": " "},
        with(json!({"a": 2, "time": "soon", "$insert_id": ""})),
        with(json!({"a": 3})),
    ]);
    let facts = server.failure(TOOL, arguments(events));
    assert_eq!(facts["kind"], "events_refused");
    assert_eq!(
        (&facts["stored"], &facts["refused"]),
        (&json!(2), &json!(11))
    );
    assert_eq!(facts["failed_at"], "1-11");
    let told: Vec<_> = facts["failed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failed| failed.get("field").and_then(Value::as_str))
        .collect();
    assert_eq!(
        told,
        [
            Some("properties.time"),
            Some("properties.time"),
            Some("properties.$insert_id"),
            Some("properties.a"),
            Some("properties.a.b.c.d"),
            Some("properties.a"),
            Some("properties"),
            None,
            Some("distinct_id"),
            Some("event"),
            None,
        ]
    );
    has(
        &facts["failed"][10]["message"],
        &["properties.time", "properties.$insert_id"],
    );
    let requests = recorder.take();
    assert_eq!(requests.len(), 1);
    let sent = requests[0].json();
    let sent: Vec<&Value> = sent
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["properties"]["a"])
        .collect();
    assert_eq!(sent, [&json!(1), &json!(3)]);
    assert_eq!(count_of(&server, "Checked"), 2);
}

#[test]
fn what_mixpanel_itself_refuses_is_told_by_the_places_of_the_call() {
    // The first event is refused here, so Mixpanel counts from the second.
    let mixpanel = Upstream::answering(|_, _| {
        let failed =
            json!({"index": 1, "$insert_id": "i", "field": "properties.plan", "message": "is odd"});
        Answer::json(
            400,
            &json!({"code": 400, "num_records_imported": 1, "failed_records": [failed]}),
        )
    });
    let events = json!([{"event": "a", "distinct_id": "null"}, {"event": "b"}, {"event": "c"}]);
    let facts = TestServer::before(&mixpanel.url()).failure(TOOL, arguments(events));
    assert_eq!(
        (&facts["stored"], &facts["failed_at"]),
        (&json!(1), &json!("0, 2"))
    );
    assert_eq!(
        (&facts["failed"][1]["event"], &facts["failed"][1]["message"]),
        (&json!("c"), &json!("is odd"))
    );
    assert_eq!(mixpanel.requests().len(), 1);
}

#[test]
fn nothing_is_sent_if_an_argument_is_not_well_formed_or_every_event_is_refused() {
    let mixpanel = Upstream::answering(|_, _| Answer::empty(500));
    let server = TestServer::before(&mixpanel.url());
    let malformed = server.failure(TOOL, arguments(json!([{"event": "a"}, {"evnt": "b"}])));
    assert_eq!(malformed["kind"], "bad_arguments");
    let refused = server.failure(
        TOOL,
        arguments(json!([{"event": "a", "distinct_id": "null"}])),
    );
    assert_eq!(
        (&refused["kind"], &refused["stored"]),
        (&json!("events_refused"), &json!(0))
    );
    assert_eq!(mixpanel.requests().len(), 0);
}

#[test]
fn a_string_that_mixpanel_cuts_is_stored_with_a_warning() {
    let server = TestServer::sandbox();
    let long = "é".repeat(256);
    let properties = json!({"fits": "é".repeat(255), "a": long, "list": [{"b": long}]});
    let event = json!({"event": "Cut", "properties": properties});
    let expected = json!([
        "Mixpanel keeps only the first 255 characters of 2 strings: events[0].properties.a, events[0].properties.list[0].b"
    ]);
    let data = server.data(TOOL, arguments(json!([event])));
    assert_eq!((&data["stored"], &data["warnings"]), (&json!(1), &expected));
    let data = server.data("mixpanel_track_batch_events", json!({"events": [event]}));
    assert_eq!(data["warnings"], expected);
    let events: Vec<Value> = vec![event; 4];
    let data = server.data(TOOL, arguments(events));
    has(
        &data["warnings"][0],
        &["8 strings", "events[2].properties.a, …"],
    );
    let none = server.data(TOOL, arguments(json!([{"event": "Cut"}])));
    assert_eq!(none.get("warnings"), None);
}

#[test]
fn progress_is_told_part_by_part() {
    let mixpanel = Upstream::answering(|request, _| stored(number_in(request)));
    let server = server_for_large_calls(&mixpanel);
    let params = json!({
        "name": TOOL,
        "arguments": arguments(large_events(40)),
        "_meta": {"progressToken": "p"},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let headers = [
        ("mcp-protocol-version", "2025-11-25"),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
    ];
    let mut stream = server.stream("POST", "/mcp", &headers, &body.to_string());
    let told = stream.message();
    assert_eq!(told["method"], "notifications/progress");
    assert_eq!(
        (&told["params"]["progress"], &told["params"]["total"]),
        (&json!(33.0), &json!(40.0))
    );
    let last = std::iter::from_fn(|| Some(stream.message()))
        .find(|message| message.get("result").is_some())
        .unwrap();
    assert_eq!(last["result"]["structuredContent"]["stored"], 40);
}

#[test]
fn the_ids_that_are_made_are_unlike_within_a_call_and_between_calls() {
    let mixpanel = Upstream::answering(|request, _| stored(number_in(request)));
    let server = TestServer::before(&mixpanel.url());
    for _ in 0..2 {
        server.data(TOOL, arguments(vec![json!({"event": "e"}); 2_000]));
    }
    let ids: BTreeSet<String> = mixpanel
        .requests()
        .iter()
        .flat_map(|request| request.json().as_array().unwrap().clone())
        .map(|event| {
            event["properties"]["$insert_id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 4_000);
}
