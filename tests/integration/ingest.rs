//! The ingest toolset: what is sent arrives once, and what is refused is never told as a success. Imports have their own
//! file, as have dry runs.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use crate::support::{Answer, Ending, Recorder, TestServer, Upstream, server};

const TOKEN: (&str, &str) = ("MIXPANEL_PROJECT_TOKEN", "sandbox");

pub(super) fn now_s() -> i64 {
    Timestamp::now().as_second()
}

/// How often an event came in the last month, as Mixpanel counts.
#[track_caller]
pub(super) fn count_of(server: &TestServer, event: &str) -> Value {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let arguments = json!({
        "event": event,
        "from_date": (today - 30.days()).to_string(),
        "to_date": today.to_string(),
    });
    server.data("mixpanel_get_event_count", arguments)["total"].clone()
}

#[track_caller]
pub(super) fn has(words: &Value, parts: &[&str]) {
    let words = words.as_str().unwrap();
    for part in parts {
        assert!(words.contains(part), "{part:?} is not in {words:?}");
    }
}

#[test]
fn an_event_is_tracked_with_the_projects_token_and_is_counted() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before_with(&recorder.url(), &[TOKEN]);
    let data = server.data(
        "mixpanel_track_event",
        json!({"event": "Tracked", "distinct_id": "u1", "properties": {"a": "b"}}),
    );
    assert_eq!(
        (&data["accepted"], &data["via"]),
        (&json!(1), &json!("track"))
    );
    has(&data["summary"], &["1 event", "project 12345"]);

    let requests = recorder.take();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/track")
    );
    assert_eq!(request.param("ip"), Some("0"));
    assert_eq!(request.param("verbose"), Some("1"));
    assert_eq!(request.header("authorization"), None);
    let sent = &request.json()[0];
    let properties = &sent["properties"];
    assert_eq!(sent["event"], "Tracked");
    assert_eq!(properties["token"], "sandbox");
    assert_eq!(properties["distinct_id"], "u1");
    assert_eq!(properties["a"], "b");
    assert_eq!(properties["$insert_id"], data["events"][0]["insert_id"]);
    assert_eq!(properties["time"], data["events"][0]["time"]);
    assert_eq!(count_of(&server, "Tracked"), 1);
}

#[test]
fn without_a_token_an_event_is_imported_with_the_service_account() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before(&recorder.url());
    let data = server.data("mixpanel_track_event", json!({"event": "No token"}));
    assert_eq!(
        (&data["accepted"], &data["via"]),
        (&json!(1), &json!("import"))
    );
    has(
        &data["summary"],
        &["stored in project 12345", "1 without distinct_id"],
    );

    let requests = recorder.take();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, "/import");
    assert_eq!(requests[0].param("strict"), Some("1"));
    assert_eq!(requests[0].param("project_id"), Some("12345"));
    assert_eq!(requests[0].header("content-encoding"), Some("gzip"));
    assert!(requests[0].header("authorization").is_some());
    assert_eq!(requests[0].json()[0]["properties"]["distinct_id"], "");
    assert_eq!(count_of(&server, "No token"), 1);
}

#[test]
fn the_servers_token_is_neither_for_callers_of_their_own_nor_for_another_project() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before_with(&recorder.url(), &[TOKEN]);
    let own = [("x-auth-token", "sandbox:sandbox:12345")];
    let answer = server.call_with(&own, "mixpanel_track_event", json!({"event": "Own"}));
    assert_eq!(answer.data["via"], "import", "{}", answer.text);
    let other = json!({"event": "Other", "project_id": "67890"});
    assert_eq!(server.data("mixpanel_track_event", other)["via"], "import");
    let paths: Vec<String> = recorder
        .take()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(paths, ["/import", "/import"]);
}

#[test]
fn an_event_too_old_to_be_tracked_is_imported_and_not_lost() {
    let server = TestServer::sandbox();
    let old = now_s() - 6 * 24 * 3600;
    let events = json!([{"event": "Old"}, {"event": "Old", "properties": {"time": old}}]);
    let data = server.data("mixpanel_track_batch_events", json!({"events": events}));
    assert_eq!(
        (&data["accepted"], &data["via"]),
        (&json!(2), &json!("import"))
    );
    assert_eq!(data["events"][1]["time"], old);
    assert_eq!(count_of(&server, "Old"), 2);
}

#[test]
fn a_batch_is_counted_event_by_event_and_an_inner_distinct_id_is_kept() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before_with(&recorder.url(), &[TOKEN]);
    let events = json!([
        {"event": "Batch", "distinct_id": "outer", "properties": {"distinct_id": "inner"}},
        {"event": "Batch", "distinct_id": "outer", "properties": {"$insert_id": "mine-1", "time": now_s()}},
    ]);
    let data = server.data("mixpanel_track_batch_events", json!({"events": events}));
    assert_eq!(data["accepted"], 2);
    assert_eq!(data["events"][1]["insert_id"], "mine-1");
    let sent = recorder.take()[0].json();
    assert_eq!(sent[0]["properties"]["distinct_id"], "inner");
    assert_eq!(sent[1]["properties"]["distinct_id"], "outer");
    assert_eq!(count_of(&server, "Batch"), 2);
}

#[test]
fn a_batch_with_a_bad_event_is_not_sent_and_all_its_faults_are_told() {
    let mixpanel = Upstream::answering(|_, _| Answer::empty(500));
    let server = TestServer::before_with(&mixpanel.url(), &[TOKEN]);
    let events = json!([
        {"event": "Good"},
        {"event": "Bad", "distinct_id": "undefined", "properties": {"time": now_s() + 7200, "$insert_id": "a b"}},
    ]);
    let facts = server.failure("mixpanel_track_batch_events", json!({"events": events}));
    assert_eq!(facts["kind"], "bad_arguments");
    let faults = facts["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 3, "{facts}");
    for (fault, start) in
        faults
            .iter()
            .zip(["distinct_id", "properties.$insert_id", "properties.time"])
    {
        assert!(
            fault
                .as_str()
                .unwrap()
                .starts_with(&format!("events[1].{start}")),
            "{fault}"
        );
    }

    let facts = server.failure(
        "mixpanel_track_batch_events",
        json!({"events": [{"event": ""}, {"evnt": "x"}]}),
    );
    assert_eq!(facts["faults"].as_array().unwrap().len(), 3, "{facts}");
    for events in [json!([]), vec![json!({"event": "e"}); 51].into()] {
        let facts = server.failure("mixpanel_track_batch_events", json!({"events": events}));
        has(&facts["error"], &["1 to 50"]);
    }
    assert_eq!(mixpanel.requests().len(), 0);
}

#[test]
fn a_zero_under_200_is_a_failure() {
    for body in ["0", r#"{"status": 0, "error": "some data points failed"}"#] {
        let mixpanel = Upstream::answering(move |_, _| Answer::text(200, body));
        let server = TestServer::before_with(&mixpanel.url(), &[TOKEN]);
        for (tool, arguments) in [
            ("mixpanel_track_event", json!({"event": "e"})),
            (
                "mixpanel_set_user_profile",
                json!({"distinct_id": "u", "properties": {"a": 1}}),
            ),
        ] {
            let facts = server.failure(tool, arguments);
            assert_eq!(facts["kind"], "refused_under_200", "{tool} {body}");
        }
    }
}

#[test]
fn a_one_with_an_error_beside_it_is_no_success() {
    let mixpanel = Upstream::answering(|_, _| {
        Answer::json(
            200,
            &json!({"status": 1, "error": "some data points failed"}),
        )
    });
    let server = TestServer::before_with(&mixpanel.url(), &[TOKEN]);
    let facts = server.failure(
        "mixpanel_track_batch_events",
        json!({"events": [{"event": "a"}, {"event": "b"}]}),
    );
    assert_eq!(facts["kind"], "partly_refused");
    has(
        &facts["error"],
        &["some data points failed", "may have arrived"],
    );
    assert_eq!(facts["sent"].as_array().unwrap().len(), 2);
}

#[test]
fn events_that_may_have_arrived_can_be_sent_again_under_the_same_ids() {
    let mixpanel =
        Upstream::answering(|_, _| Answer::text(200, "1234").stopping_after(1, Ending::Closed));
    let server = TestServer::before_with(&mixpanel.url(), &[TOKEN]);
    let facts = server.failure("mixpanel_track_event", json!({"event": "e"}));
    has(&facts["error"], &["may have arrived", "$insert_id"]);
    // Not repeated by itself: `/track` is no import.
    let requests = mixpanel.requests();
    assert_eq!(requests.len(), 1);
    let properties = &requests[0].json()[0]["properties"];
    assert_eq!(
        facts["sent"],
        json!([{"insert_id": properties["$insert_id"], "time": properties["time"]}])
    );
}

#[test]
fn a_project_token_is_in_no_result() {
    let token = "a0b1c2d3e4f5a6b7";
    let mixpanel = Upstream::answering(move |request, _| match request.path.as_str() {
        "/track" => Answer::json(200, &json!({"status": 1, "error": ""})),
        _ => Answer::json(
            200,
            &json!({"status": 0, "error": format!("token {token} is bad")}),
        ),
    });
    let server = TestServer::before_with(&mixpanel.url(), &[("MIXPANEL_PROJECT_TOKEN", token)]);
    for (tool, arguments) in [
        ("mixpanel_track_event", json!({"event": "e"})),
        (
            "mixpanel_set_user_profile",
            json!({"distinct_id": "u", "properties": {"a": 1}}),
        ),
    ] {
        let answer = server.call(tool, arguments);
        let all = format!("{}{}", answer.text, answer.data);
        assert!(!all.contains(token), "{all}");
    }
    assert_eq!(mixpanel.requests().len(), 2);
}

/// A sandbox behind a recorder, and a server with the project's token.
struct Profiles {
    recorder: Recorder,
    server: TestServer,
    url: String,
    _sandbox: mixpanel_mcp_server::sandbox::Sandbox,
}

impl Profiles {
    fn new() -> Profiles {
        let sandbox = server::sandbox();
        let recorder = Recorder::before(&sandbox.url());
        let server = TestServer::before_with(&recorder.url(), &[TOKEN]);
        Profiles {
            recorder,
            server,
            url: sandbox.url(),
            _sandbox: sandbox,
        }
    }

    /// Changes the profile of `u1`, and gives what was sent for it.
    #[track_caller]
    fn change(&self, operation: &str, properties: Value) -> Value {
        let mut arguments = json!({"distinct_id": "u1", "operation": operation});
        if operation != "$delete" {
            arguments["properties"] = properties;
        }
        if matches!(operation, "$delete" | "$unset") {
            arguments["confirm"] = "u1".into();
        }
        self.server.data("mixpanel_set_user_profile", arguments);
        let requests = self.recorder.take();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].path, "/engage");
        assert_eq!(
            (requests[0].param("ip"), requests[0].param("verbose")),
            (Some("0"), Some("1"))
        );
        assert_eq!(requests[0].header("authorization"), None);
        assert_eq!(requests[0].header("content-encoding"), None);
        let sent = requests[0].json();
        assert_eq!(
            (&sent[0]["$token"], &sent[0]["$distinct_id"]),
            (&json!("sandbox"), &json!("u1"))
        );
        sent[0][operation].clone()
    }

    /// What Mixpanel knows of `u1`.
    fn known(&self) -> Option<Value> {
        let url = format!("{}/api/query/engage?project_id=12345", self.url);
        let mut answer = ureq::post(url)
            .header("authorization", "Basic c2FuZGJveDpzYW5kYm94")
            .send_form([("distinct_id", "u1")])
            .unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let page: Value = serde_json::from_str(&text).unwrap();
        page["results"]
            .get(0)
            .map(|profile| profile["$properties"].clone())
    }
}

#[test]
fn each_operation_changes_the_profile_as_its_name_says() {
    let profiles = Profiles::new();
    let known = || profiles.known().unwrap();
    profiles.change("$set", json!({"plan": "free", "logins": 1, "tags": ["a"]}));
    profiles.change("$set_once", json!({"plan": "pro", "$name": "Zoë \"Z\""}));
    assert_eq!(
        (&known()["plan"], &known()["$name"]),
        (&json!("free"), &json!("Zoë \"Z\""))
    );
    profiles.change("$add", json!({"logins": 2}));
    assert_eq!(known()["logins"], 3);
    profiles.change("$append", json!({"tags": "b"}));
    profiles.change("$union", json!({"tags": ["b", "c"]}));
    assert_eq!(known()["tags"], json!(["a", "b", "c"]));
    profiles.change("$remove", json!({"tags": "a"}));
    assert_eq!(known()["tags"], json!(["b", "c"]));
    assert_eq!(
        profiles.change("$unset", json!({"plan": null})),
        json!(["plan"])
    );
    assert_eq!(known().get("plan"), None);
    profiles.change("$delete", json!({}));
    assert_eq!(profiles.known(), None);
}

#[test]
fn set_is_the_default_operation_and_the_token_is_looked_up_where_none_is_set() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before(&recorder.url());
    let data = server.data(
        "mixpanel_set_user_profile",
        json!({"distinct_id": "u9", "properties": {"plan": "pro"}}),
    );
    assert_eq!(
        (&data["operation"], &data["properties"]),
        (&json!("$set"), &json!(["plan"]))
    );
    has(
        &data["summary"],
        &["$set of 1 property", r#""u9""#, "project 12345"],
    );
    let requests = recorder.take();
    let paths: Vec<&str> = requests
        .iter()
        .map(|request| request.path.as_str())
        .collect();
    assert_eq!(paths, ["/api/app/projects/12345", "/engage"]);
    assert_eq!(requests[1].json()[0]["$set"], json!({"plan": "pro"}));
}

#[test]
fn a_change_that_mixpanel_would_drop_without_a_word_is_not_sent() {
    let mixpanel = Upstream::answering(|_, _| Answer::empty(500));
    let server = TestServer::before_with(&mixpanel.url(), &[TOKEN]);
    for arguments in [
        json!({"distinct_id": "anonymous", "properties": {"a": 1}}),
        json!({"distinct_id": "u"}),
        json!({"distinct_id": "u", "operation": "$add", "properties": {"a": "1"}}),
        json!({"distinct_id": "u", "operation": "$union", "properties": {"a": 1}}),
        json!({"distinct_id": "u", "operation": "$delete", "properties": {"a": 1}}),
        json!({"distinct_id": "u", "operation": "set", "properties": {"a": 1}}),
    ] {
        let facts = server.failure("mixpanel_set_user_profile", arguments);
        assert_eq!(facts["kind"], "bad_arguments");
        assert_eq!(facts["faults"].as_array().unwrap().len(), 1, "{facts}");
    }
    assert_eq!(mixpanel.requests().len(), 0);
}
