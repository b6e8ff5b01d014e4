//! Who asks: every form in which a request brings credentials, which one wins, and that none is ever shared.

use std::thread;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::support::{Answer, Recorder, TestServer, Upstream, server};

fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

/// A server without credentials of its own, before a recorder.
fn server_without_account(recorder: &Recorder) -> TestServer {
    let none = [
        ("MIXPANEL_SERVICE_ACCOUNT_USERNAME", ""),
        ("MIXPANEL_SERVICE_ACCOUNT_SECRET", ""),
        ("MIXPANEL_PROJECT_ID", ""),
    ];
    TestServer::before_with(&recorder.url(), &none)
}

#[test]
fn a_request_may_bring_its_account_in_any_of_four_forms() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = server_without_account(&recorder);
    let basic = base64("sandbox:sandbox");
    let data = |project: Value| {
        base64(&json!({"serviceaccount_username": "sandbox", "serviceaccount_secret": "sandbox", "project_id": project}).to_string())
    };
    for (name, value) in [
        ("authorization", format!("Basic {basic}")),
        ("authorization", format!("Bearer Basic {basic}")),
        ("x-auth-token", "sandbox:sandbox".to_owned()),
        ("x-auth-token", "sandbox:sandbox:12345".to_owned()),
        ("x-auth-data", data(json!("12345"))),
        ("x-auth-data", data(json!(12345))),
    ] {
        let arguments = json!({"project_id": "12345"});
        let answer = server.call_with(&[(name, &value)], "mixpanel_list_events", arguments);

        assert!(!answer.is_error, "{name}: {}", answer.text);
        let sent = recorder.take();
        assert_eq!(sent.len(), 1);
        assert_eq!(
            sent[0].header("authorization"),
            Some(format!("Basic {basic}").as_str())
        );
        for field in ["x-auth-token", "x-auth-data", "x-mixpanel-region"] {
            assert_eq!(sent[0].header(field), None);
        }
    }
}

#[test]
fn the_project_is_the_arguments_else_the_headers_else_the_environments() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before(&recorder.url());
    let project_of = |headers: &[(&str, &str)], arguments: Value| {
        let answer = server.call_with(headers, "mixpanel_list_events", arguments);
        assert!(!answer.is_error, "{}", answer.text);
        recorder.take()[0].param("project_id").unwrap().to_owned()
    };
    let header = [("x-auth-token", "sandbox:sandbox:67890")];
    assert_eq!(project_of(&[], json!({})), "12345");
    assert_eq!(project_of(&header, json!({})), "67890");
    assert_eq!(project_of(&header, json!({"project_id": "12345"})), "12345");
    assert_eq!(project_of(&header, json!({"project_id": 12345})), "12345");
}

#[test]
fn without_a_project_the_three_ways_to_name_one_are_told() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = server_without_account(&recorder);
    let headers = [("x-auth-token", "sandbox:sandbox")];

    let answer = server.call_with(&headers, "mixpanel_list_events", json!({}));

    assert!(answer.is_error);
    for way in ["project_id", "x-auth-token", "MIXPANEL_PROJECT_ID"] {
        assert!(answer.text.contains(way), "{way}: {}", answer.text);
    }
    assert_eq!(recorder.take().len(), 0);
}

#[test]
fn without_credentials_the_ways_to_bring_some_are_told_and_nothing_is_asked() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = server_without_account(&recorder);

    let facts = server.failure("mixpanel_get_projects", json!({}));

    assert_eq!(facts["kind"], "no_credentials");
    let text = facts["error"].as_str().unwrap();
    for way in [
        "x-auth-token",
        "Authorization",
        "MIXPANEL_SERVICE_ACCOUNT_USERNAME",
    ] {
        assert!(text.contains(way), "{way}: {text}");
    }
    assert_eq!(recorder.take().len(), 0);
}

#[test]
fn a_header_wins_whole_over_the_environment_even_when_it_is_wrong() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before(&recorder.url());

    let answer = server.call_with(
        &[("x-auth-token", "sandbox:wrong")],
        "mixpanel_get_projects",
        json!({}),
    );

    assert!(answer.is_error);
    assert_eq!(
        (&answer.data["kind"], &answer.data["status"]),
        (&json!("unauthorized"), &json!(401))
    );
    let sent = recorder.take();
    assert_eq!(
        sent.len(),
        1,
        "a refused account is not tried again, nor another one"
    );
    assert_eq!(
        sent[0].header("authorization"),
        Some(format!("Basic {}", base64("sandbox:wrong")).as_str())
    );
}

#[test]
fn malformed_credentials_are_told_by_the_name_of_their_header_and_never_repeated() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before(&recorder.url());
    for (name, value) in [
        ("authorization", "Basic !!canary!!".to_owned()),
        (
            "authorization",
            format!("Basic {}", base64("canary-without-a-colon")),
        ),
        ("authorization", "Bearer Basic canary".to_owned()),
        ("x-auth-token", "canary".to_owned()),
        ("x-auth-token", "canary:canary:project".to_owned()),
        ("x-auth-data", "canary!".to_owned()),
        (
            "x-auth-data",
            base64(r#"{"serviceaccount_username": "canary"}"#),
        ),
    ] {
        let answer = server.call_with(&[(name, &value)], "mixpanel_get_projects", json!({}));

        assert!(answer.is_error, "{name}: {value}");
        assert!(
            answer.text.to_lowercase().contains(name),
            "{name}: {}",
            answer.text
        );
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
    assert_eq!(recorder.take().len(), 0);
}

#[test]
fn an_unknown_region_is_an_error_and_never_the_default_one() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before(&recorder.url());

    let answer = server.call_with(
        &[("x-mixpanel-region", "uk")],
        "mixpanel_get_projects",
        json!({}),
    );

    assert!(answer.is_error);
    assert!(
        answer.text.contains("us") && answer.text.contains("eu"),
        "{}",
        answer.text
    );
    assert_eq!(recorder.take().len(), 0);
}

#[test]
fn parallel_requests_never_share_credentials() {
    // Each caller's name comes back as the only project that it sees.
    let upstream = Upstream::answering(|request, _| {
        let account = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Basic "))
            .unwrap();
        let account = String::from_utf8(BASE64_STANDARD.decode(account).unwrap()).unwrap();
        let (name, secret) = account.split_once(':').unwrap();
        assert_eq!(secret, format!("secret of {name}"));
        Answer::json(
            200,
            &json!({"status": "ok", "results": {"projects": {"1": {"name": name}}}}),
        )
    });
    let server = TestServer::before(&upstream.url());
    thread::scope(|scope| {
        for caller in 0..8 {
            let server = &server;
            scope.spawn(move || {
                for turn in 0..20 {
                    let name = format!("caller {caller} in turn {turn}");
                    let header = format!("Basic {}", base64(&format!("{name}:secret of {name}")));
                    let answer = server.call_with(
                        &[("authorization", &header)],
                        "mixpanel_get_projects",
                        json!({}),
                    );
                    assert!(!answer.is_error, "{}", answer.text);
                    assert_eq!(answer.data["projects"][0]["name"], name);
                }
            });
        }
    });
    assert_eq!(upstream.requests().len(), 160);
}

#[test]
fn the_environments_project_token_is_only_for_its_own_project_and_account() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before_with(&recorder.url(), &[("MIXPANEL_PROJECT_TOKEN", "sandbox")]);
    let paths = |headers: &[(&str, &str)], arguments: Value| -> Vec<String> {
        let answer = server.call_with(headers, "mixpanel_track_event", arguments);
        assert!(!answer.is_error, "{}", answer.text);
        recorder
            .take()
            .into_iter()
            .map(|request| request.path)
            .collect()
    };
    let event = json!({"event": "credentials: tracked", "distinct_id": "u"});
    assert_eq!(paths(&[], event.clone()), ["/track"]);
    let named = json!({"event": "credentials: tracked", "distinct_id": "u", "project_id": "67890"});
    assert_eq!(paths(&[], named), ["/import"]);
    assert_eq!(
        paths(&[("x-auth-token", "sandbox:sandbox:12345")], event),
        ["/import"]
    );
}
