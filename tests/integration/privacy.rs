//! The tools that retrieve and delete persons' data.

use mixpanel_mcp_server::sandbox::OAUTH_TOKEN;
use serde_json::{Value, json};

use crate::support::{Recorder, TestServer, server};

const RETRIEVE: &str = "mixpanel_create_data_retrieval";
const RETRIEVAL: &str = "mixpanel_get_data_retrieval";
const DELETE: &str = "mixpanel_create_data_deletion";
const DELETION: &str = "mixpanel_get_data_deletion";
const CANCEL: &str = "mixpanel_cancel_data_deletion";

/// Sample calls, for `calls.rs`.
pub(crate) fn samples_privacy() -> Vec<(&'static str, Value)> {
    let deletion = json!({"tracking_id": "of:mixpanel_create_data_deletion/tracking_id"});
    vec![
        (
            RETRIEVE,
            json!({"distinct_ids": ["calls-5", "calls-6"], "compliance_type": "CCPA", "disclosure_type": "Sources"}),
        ),
        (
            RETRIEVAL,
            json!({"tracking_id": "of:mixpanel_create_data_retrieval/tracking_id"}),
        ),
        (
            DELETE,
            json!({"distinct_ids": ["calls-5"], "compliance_type": "GDPR", "confirm": "calls-5"}),
        ),
        (DELETION, deletion.clone()),
        (CANCEL, deletion),
    ]
}

fn server() -> TestServer {
    TestServer::start(&["--sandbox", "--toolsets", "privacy,profiles,ingest"], &[])
}

/// What identifies a job.
fn job(begun: &Value) -> Value {
    json!({"tracking_id": begun["tracking_id"]})
}

#[test]
fn a_retrieval_is_followed_until_its_data_can_be_downloaded() {
    let server = server();
    let begun = server.data(RETRIEVE, json!({"distinct_ids": ["u0001"]}));
    assert_eq!(begun["users"], 1);
    let told: Vec<(Value, bool)> = (0..3)
        .map(|_| server.data(RETRIEVAL, job(&begun)))
        .map(|data| (data["status"].clone(), data["download_url"].is_string()))
        .collect();
    assert_eq!(
        told,
        [
            (json!("PENDING"), false),
            (json!("STARTED"), false),
            (json!("SUCCESS"), true)
        ]
    );
    assert_eq!(
        server.data(RETRIEVAL, job(&begun))["distinct_ids"],
        json!(["u0001"])
    );
}

#[test]
fn a_deletion_is_done_only_when_confirmed_and_then_takes_the_profile_away() {
    let server = server();
    let user = json!({"distinct_id": "privacy-1", "properties": {"plan": "pro"}});
    server.data("mixpanel_set_user_profile", user);
    let found = || {
        let asked = json!({"distinct_id": "privacy-1", "fresh": true});
        server.data("mixpanel_get_user_profile", asked)["found"].clone()
    };
    let refused = server.failure(DELETE, json!({"distinct_ids": ["privacy-1"]}));
    assert_eq!(
        (&refused["kind"], &refused["confirm"]),
        (&json!("not_confirmed"), &json!("privacy-1"))
    );
    let text = refused["error"].as_str().unwrap();
    assert!(
        text.contains("delete all events and profiles of the user \"privacy-1\" in project 12345"),
        "{text}"
    );

    let confirmed = json!({"distinct_ids": ["privacy-1"], "confirm": "privacy-1"});
    let begun = server.data(DELETE, confirmed);
    let states: Vec<Value> = (0..3)
        .map(|_| server.data(DELETION, job(&begun))["status"].clone())
        .collect();
    assert_eq!(states, ["PENDING", "STARTED", "SUCCESS"]);
    assert_eq!(found(), false);
    let told = server.data(DELETION, job(&begun));
    assert_eq!(
        (&told["compliance_type"], &told["distinct_ids"]),
        (&json!("GDPR"), &json!(["privacy-1"]))
    );
}

#[test]
fn several_users_are_confirmed_by_their_number_and_named_in_the_question() {
    let users: Vec<String> = (0..12).map(|nth| format!("privacy-{nth}")).collect();
    let refused = server().failure(DELETE, json!({ "distinct_ids": users }));
    assert_eq!(refused["confirm"], "12 users");
    let text = refused["error"].as_str().unwrap();
    assert!(
        text.contains("\"privacy-9\" and 2 more") && !text.contains("privacy-10"),
        "{text}"
    );
}

#[test]
fn a_deletion_can_be_cancelled_until_it_has_started() {
    let server = server();
    let begin = || {
        let confirmed = json!({"distinct_ids": ["u0001"], "confirm": "u0001"});
        server.data(DELETE, confirmed)
    };
    let cancelled = begin();
    server.data(CANCEL, job(&cancelled));
    assert_eq!(server.data(DELETION, job(&cancelled))["status"], "REVOKED");

    let started = begin();
    server.data(DELETION, job(&started));
    server.data(DELETION, job(&started));
    let refused = server.failure(CANCEL, job(&started));
    assert_eq!(
        (&refused["kind"], &refused["status"]),
        (&json!("too_late"), &json!(405))
    );
    assert_eq!(server.data(DELETION, job(&started))["status"], "SUCCESS");
}

#[test]
fn a_job_that_there_is_not_is_told_as_not_found() {
    let facts = server().failure(
        RETRIEVAL,
        json!({"tracking_id": "00000000-0000-4000-a000-000000000000"}),
    );
    assert_eq!(facts["kind"], "not_found");
}

#[test]
fn what_is_told_is_chosen_for_ccpa_only() {
    let facts = server().failure(
        RETRIEVE,
        json!({"distinct_ids": ["u"], "disclosure_type": "Data"}),
    );
    assert_eq!(facts["kind"], "bad_arguments");
    let fault = facts["faults"][0].as_str().unwrap();
    assert!(fault.starts_with("disclosure_type: "), "{fault}");
}

#[test]
fn without_an_oauth_token_nothing_is_asked_and_the_failure_says_what_is_missing() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before_with(&recorder.url(), &[("MIXPANEL_TOOLSETS", "privacy")]);
    // Not even a confirmation is asked for.
    for (tool, arguments) in [
        (RETRIEVE, json!({"distinct_ids": ["u"]})),
        (DELETE, json!({"distinct_ids": ["u"]})),
        (CANCEL, json!({"tracking_id": "t"})),
    ] {
        let facts = server.failure(tool, arguments);
        assert_eq!(facts["kind"], "no_oauth_token", "{tool}");
        let text = facts["error"].as_str().unwrap();
        assert!(
            text.contains("x-mixpanel-oauth-token") && text.contains("MIXPANEL_OAUTH_TOKEN"),
            "{text}"
        );
    }
    assert!(recorder.take().is_empty());

    let own = [("x-mixpanel-oauth-token", OAUTH_TOKEN)];
    let answer = server.call_with(&own, RETRIEVE, json!({"distinct_ids": ["u"]}));
    assert!(!answer.is_error, "{}", answer.text);
    let told = format!("{} {}", answer.text, answer.data);
    assert!(!told.contains(OAUTH_TOKEN), "{told}");
}

#[test]
fn a_token_that_mixpanel_refuses_is_told_as_such_and_not_as_the_service_accounts() {
    let server = TestServer::start(&["--sandbox", "--toolsets", "privacy"], &[]);
    let other = [("x-mixpanel-oauth-token", "another-token")];
    let answer = server.call_with(
        &other,
        "mixpanel_get_data_deletion",
        json!({"tracking_id": "8f14e45f-ceea-467f-a6b5-0d2d4f5e8c11"}),
    );
    assert!(answer.is_error);
    let text = answer.text;
    assert!(
        text.contains("does not accept the OAuth token (401)"),
        "{text}"
    );
    assert!(
        !text.contains("service account") && !text.contains("another-token"),
        "{text}"
    );
}
