//! Dry runs: every writing tool shows what it would send, and sends nothing.

use mixpanel_mcp_server::tools;
use serde_json::{Value, json};

use crate::ingest::has;
use crate::support::{Answer, Recorder, TestServer, Upstream, definition, server};

const SECRET: &str = "a0b1c2d3e4f5a6b7";
const TOKEN: (&str, &str) = ("MIXPANEL_PROJECT_TOKEN", SECRET);

/// The one request that a dry run would have sent.
#[track_caller]
fn only_request(data: &Value) -> &Value {
    assert_eq!(data["dry_run"], true, "{data}");
    let requests = data["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 1, "{data}");
    &requests[0]
}

#[track_caller]
fn body(request: &Value) -> Value {
    serde_json::from_str(request["body"].as_str().unwrap()).unwrap()
}

#[test]
fn every_writing_tool_takes_dry_run_and_no_other_does() {
    for tool in tools::all() {
        let definition = definition(tool);
        let taken = &definition["inputSchema"]["properties"]["dry_run"];
        assert_eq!(taken.is_object(), !tool.effect.reads(), "{}", tool.name);
        if taken.is_object() {
            // Its own members are missing in a dry run, so none may be promised.
            let promised = &definition["outputSchema"]["required"];
            assert_eq!(*promised, json!(["summary"]), "{}", tool.name);
        }
    }
}

#[test]
fn each_writing_tool_shows_what_it_would_send_without_the_token_and_sends_nothing() {
    let mixpanel = Upstream::answering(|_, _| Answer::empty(500));
    let server = TestServer::before_with(&mixpanel.url(), &[TOKEN]);
    let place = mixpanel.url();

    let arguments = json!({"event": "Dry", "distinct_id": "u", "dry_run": true});
    let answer = server.call("mixpanel_track_event", arguments);
    assert!(!answer.is_error, "{}", answer.text);
    has(
        &answer.data["summary"],
        &["dry run, nothing was sent", "1 request"],
    );
    let request = only_request(&answer.data);
    assert_eq!(
        (&request["method"], &request["url"], &request["query"]),
        (
            &json!("POST"),
            &json!(format!("{place}/track")),
            &json!("ip=0&verbose=1")
        )
    );
    let sent = body(request);
    assert_eq!(sent[0]["event"], "Dry");
    assert_eq!(sent[0]["properties"]["distinct_id"], "u");
    assert_eq!(sent[0]["properties"]["token"], "[hidden]");
    assert!(!answer.text.contains(SECRET), "{}", answer.text);

    let arguments = json!({"distinct_id": "u", "properties": {"plan": "pro"}, "dry_run": true});
    let data = server.data("mixpanel_set_user_profile", arguments);
    let request = only_request(&data);
    assert_eq!(request["url"], format!("{place}/engage"));
    assert_eq!(
        body(request),
        json!([{"$token": "[hidden]", "$distinct_id": "u", "$set": {"plan": "pro"}}])
    );
    assert_eq!(mixpanel.requests().len(), 0);
}

#[test]
fn what_would_destroy_needs_no_consent_in_a_dry_run() {
    let mixpanel = Upstream::answering(|_, _| Answer::empty(500));
    let server = TestServer::before_with(&mixpanel.url(), &[TOKEN]);
    let arguments = json!({"distinct_id": "u", "operation": "$delete", "dry_run": true});
    let data = server.data("mixpanel_set_user_profile", arguments);
    assert_eq!(body(only_request(&data))[0]["$delete"], "");
    assert_eq!(mixpanel.requests().len(), 0);
}

#[test]
fn what_a_tool_has_to_look_up_is_read_also_in_a_dry_run() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before(&recorder.url());
    let arguments = json!({"distinct_id": "u", "properties": {"a": 1}, "dry_run": true});
    let data = server.data("mixpanel_set_user_profile", arguments);
    assert_eq!(body(only_request(&data))[0]["$token"], "[hidden]");
    let asked: Vec<String> = recorder
        .take()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(asked, ["/api/app/projects/12345"]);
}

#[test]
fn a_dry_import_shows_each_part_unpacked_and_what_would_be_refused() {
    let mixpanel = Upstream::answering(|_, _| Answer::empty(500));
    let server = TestServer::before(&mixpanel.url());
    let events = json!([{"event": "a"}, {"event": "b", "distinct_id": "null"}, {"event": "c"}]);
    let arguments = json!({"project_id": "12345", "events": events, "dry_run": true});
    let data = server.data("mixpanel_import_events", arguments);
    let request = only_request(&data);
    assert_eq!(request["query"], "project_id=12345&strict=1");
    let sent = body(request);
    let names: Vec<&Value> = sent
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["event"])
        .collect();
    assert_eq!(names, ["a", "c"]);
    has(
        &data["warnings"][0],
        &["1 refused", "events[1] distinct_id"],
    );
    assert_eq!(data.get("stored"), None);

    let events = vec![json!({"event": "many", "properties": {"a": "x".repeat(200)}}); 500];
    let arguments = json!({"project_id": "12345", "events": events, "dry_run": true});
    let data = server.data("mixpanel_import_events", arguments);
    let shown = only_request(&data)["body"].as_str().unwrap();
    assert!(
        shown.len() < 20_000 && shown.ends_with("bytes in all)"),
        "{}",
        shown.len()
    );
    assert_eq!(mixpanel.requests().len(), 0);
}

#[test]
fn a_call_that_would_fail_before_it_sends_fails_in_a_dry_run_too() {
    let mixpanel = Upstream::answering(|_, _| Answer::empty(500));
    let server = TestServer::before_with(&mixpanel.url(), &[TOKEN]);
    let arguments = json!({"event": "e", "distinct_id": "null", "dry_run": true});
    assert_eq!(
        server.failure("mixpanel_track_event", arguments)["kind"],
        "bad_arguments"
    );
    let alone = TestServer::before_with(
        &mixpanel.url(),
        &[
            ("MIXPANEL_SERVICE_ACCOUNT_USERNAME", ""),
            ("MIXPANEL_SERVICE_ACCOUNT_SECRET", ""),
            TOKEN,
        ],
    );
    let arguments = json!({"project_id": "12345", "events": [{"event": "e"}], "dry_run": true});
    assert_eq!(
        alone.failure("mixpanel_import_events", arguments)["kind"],
        "no_credentials"
    );
    assert_eq!(mixpanel.requests().len(), 0);
}

#[test]
fn without_dry_run_or_with_false_it_is_sent() {
    let mixpanel =
        Upstream::answering(|_, _| Answer::json(200, &json!({"status": 1, "error": null})));
    let server = TestServer::before_with(&mixpanel.url(), &[TOKEN]);
    let data = server.data(
        "mixpanel_track_event",
        json!({"event": "e", "dry_run": false}),
    );
    assert_eq!((&data["accepted"], data.get("dry_run")), (&json!(1), None));
    assert_eq!(mixpanel.requests().len(), 1);
}
