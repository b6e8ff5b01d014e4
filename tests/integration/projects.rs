//! The tools that tell which projects there are.

use serde_json::json;

use crate::support::{Answer, TestServer, Upstream};

const LIST: &str = "mixpanel_get_projects";
const INFO: &str = "mixpanel_get_project_info";

/// Base64 of `viewer:viewer`, an account that may not see a project's settings.
const VIEWER: (&str, &str) = ("authorization", "Basic dmlld2VyOnZpZXdlcg==");

#[test]
fn the_projects_of_the_account_are_listed_with_what_a_model_needs_to_choose_one() {
    let data = TestServer::shared().data(LIST, json!({}));

    let projects = data["projects"].as_array().unwrap();
    assert_eq!(data["summary"], "the service account sees 2 projects");
    assert_eq!(projects.len(), 2);
    assert_eq!(
        projects[0],
        json!({
            "project_id": "12345",
            "name": "Sandbox Shop",
            "timezone": "UTC",
            "organization_id": "500",
            "organization": "Sandbox Organization",
            "role": "admin",
            "domain": "mixpanel.com",
        })
    );
    assert_eq!(projects[1]["project_id"], "67890");
}

#[test]
fn a_project_is_told_with_its_zone_and_workspaces_and_without_its_secrets() {
    let answer = TestServer::shared().call(INFO, json!({"project_id": "12345", "fresh": true}));

    assert!(!answer.is_error, "{}", answer.text);
    assert_eq!(answer.data["project"]["timezone"], "UTC");
    assert_eq!(
        answer.data["workspaces"].as_array().unwrap().len(),
        1,
        "{}",
        answer.data
    );
    assert_eq!(
        answer.data["summary"],
        "project 12345: Sandbox Shop, time zone UTC"
    );
    for secret in ["api_secret", "api_key", "sandbox-api", "token"] {
        assert!(!answer.text.contains(secret), "{secret}: {}", answer.text);
    }
}

#[test]
fn a_project_id_may_be_given_as_a_number() {
    let server = TestServer::shared();
    assert_eq!(
        server.data(INFO, json!({"project_id": 12345, "fresh": true})),
        server.data(INFO, json!({"project_id": "12345", "fresh": true}))
    );
}

#[test]
fn whoever_may_not_see_a_projects_settings_is_still_told_what_the_project_is() {
    let server = TestServer::shared();
    let answer = server.call_with(
        &[VIEWER],
        INFO,
        json!({"project_id": "12345", "fresh": true}),
    );

    assert!(!answer.is_error, "{}", answer.text);
    assert_eq!(answer.data["project"]["name"], "Sandbox Shop");
    assert_eq!(answer.data["project"]["role"], "consumer");
    let summary = answer.data["summary"].as_str().unwrap();
    assert!(summary.ends_with("its settings are not open to this service account"));
}

#[test]
fn a_project_that_the_account_does_not_see_is_a_failure_that_names_those_that_it_does() {
    let facts = TestServer::shared().failure(INFO, json!({"project_id": "4"}));

    assert_eq!(facts["kind"], "unknown_project");
    assert_eq!(facts["projects"], json!(["12345", "67890"]));
}

#[test]
fn an_account_without_projects_is_told_what_to_do() {
    let upstream = Upstream::answering(|_, _| {
        Answer::json(200, &json!({"status": "ok", "results": {"projects": {}}}))
    });
    let data = TestServer::before(&upstream.url()).data(LIST, json!({}));

    assert_eq!(data["projects"], json!([]));
    assert_eq!(
        data["summary"],
        "the service account sees no project; invite it to one in Mixpanel's project settings"
    );
}

#[test]
fn wrong_credentials_are_a_failure_in_mixpanels_words_and_ours_without_the_secret() {
    // Base64 of `sandbox:wr0ng-s3cret`.
    let wrong = ("authorization", "Basic c2FuZGJveDp3cjBuZy1zM2NyZXQ=");
    let answer = TestServer::shared().call_with(&[wrong], LIST, json!({}));

    assert!(answer.is_error);
    assert_eq!(answer.data["status"], 401);
    assert!(
        answer.text.contains("check the service account"),
        "{}",
        answer.text
    );
    assert!(!answer.data.to_string().contains("wr0ng-s3cret"));
}
