//! The feature_flags toolset: what is made is listed, decides, is changed and deleted; what users would lose is asked about.

use serde_json::{Value, json};

use crate::support::{Recorder, TestServer, server};

/// The flag that the sandbox begins with.
const FLAG_ID: &str = "47759e37-fbdc-4dcf-ad12-d520472b9e27";

/// Sample calls of every tool.
pub(crate) fn samples_feature_flags() -> Vec<(&'static str, Value)> {
    let mut changes = flag("calls", "enabled");
    changes["flag_id"] = FLAG_ID.into();
    changes["name"] = "Calls".into();
    changes["reset_hash_salt"] = true.into();
    changes["confirm"] = "New checkout".into();
    for (name, value) in [
        ("description", json!("For calls")),
        ("context", json!("company")),
        ("data_group_id", json!("77")),
        (
            "experiment_id",
            json!("8f14e45f-ceea-467f-a6b5-0d2d4f5e8c11"),
        ),
    ] {
        changes[name] = value;
    }
    changes["ruleset"]["rollout"][0]["variant_splits"] = json!({"on": 1});
    let mut new = changes.clone();
    for name in ["flag_id", "reset_hash_salt", "confirm"] {
        new.as_object_mut().unwrap().remove(name);
    }
    new["key"] = "calls_too".into();
    vec![
        (
            "mixpanel_list_feature_flags",
            json!({"include_archived": true, "limit": 5, "workspace_id": "1234500"}),
        ),
        (
            "mixpanel_get_feature_flag",
            json!({"flag_id": FLAG_ID, "workspace_id": 1_234_500}),
        ),
        ("mixpanel_create_feature_flag", with_workspace(new)),
        ("mixpanel_update_feature_flag", with_workspace(changes)),
        (
            "mixpanel_evaluate_feature_flags",
            json!({"distinct_id": "u", "device_id": "d", "custom_properties": {"company": "acme \"&\""}}),
        ),
        ("mixpanel_get_flag_definitions", json!({})),
        (
            "mixpanel_delete_feature_flag",
            json!({"flag_id": FLAG_ID, "workspace_id": "1234500", "confirm": "Calls"}),
        ),
    ]
}

fn with_workspace(mut arguments: Value) -> Value {
    arguments["workspace_id"] = "1234500".into();
    arguments
}

/// All get the variant `on`, but for ann, who tests `off`.
fn flag(key: &str, status: &str) -> Value {
    json!({
        "name": "Dark mode", "key": key, "tags": ["look"], "status": status, "serving_method": "server",
        "ruleset": {
            "variants": [
                {"key": "off", "value": "light", "is_control": true, "split": 0},
                {"key": "on", "value": {"theme": "dark"}, "is_control": false, "split": 1, "is_sticky": true},
            ],
            "rollout": [{"rollout_percentage": 1, "variant_splits": {}, "name": "all"}],
            "test": {"users": {"ann": "off"}},
        },
    })
}

fn flags_server() -> TestServer {
    TestServer::start(&["--sandbox", "--toolsets", "feature_flags"], &[])
}

/// What the flag decides for a user.
#[track_caller]
fn decided(server: &TestServer, key: &str, user: &str) -> Value {
    let arguments = json!({"distinct_id": user});
    server.data("mixpanel_evaluate_feature_flags", arguments)["flags"][key].clone()
}

#[track_caller]
fn keys(server: &TestServer, arguments: Value) -> Vec<String> {
    let data = server.data("mixpanel_list_feature_flags", arguments);
    let flags = data["flags"].as_array().unwrap();
    flags
        .iter()
        .map(|flag| flag["key"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_flag_is_made_enabled_and_deleted_and_decides_in_between() {
    let server = flags_server();
    let made = server.data("mixpanel_create_feature_flag", flag("dark", "disabled"));
    let id = &made["flag"]["flag_id"];
    assert_eq!(made["flag"]["status"], "disabled");
    assert_eq!(keys(&server, json!({})).len(), 2);
    assert_eq!(decided(&server, "dark", "bob"), Value::Null);

    let enable = json!({"flag_id": id, "status": "enabled", "confirm": "Dark mode"});
    let enabled = server.data("mixpanel_update_feature_flag", enable);
    assert_eq!(
        enabled["summary"],
        "changed in workspace 1234500: the feature flag \"Dark mode\" (dark, enabled)"
    );
    assert_eq!(
        decided(&server, "dark", "bob"),
        json!({"variant_key": "on", "variant_value": {"theme": "dark"}, "is_qa_tester": false})
    );
    assert_eq!(decided(&server, "dark", "ann")["variant_key"], "off");
    let definitions = server.data("mixpanel_get_flag_definitions", json!({}));
    let definitions = definitions["definitions"].as_array().unwrap();
    assert!(definitions.iter().any(|flag| flag["key"] == "dark"));

    let delete = json!({"flag_id": id, "confirm": "Dark mode"});
    server.data("mixpanel_delete_feature_flag", delete);
    assert_eq!(decided(&server, "dark", "bob"), Value::Null);
    assert_eq!(keys(&server, json!({})), ["new_checkout_flow"]);
    let archived = keys(&server, json!({"include_archived": true}));
    assert!(archived.contains(&"dark".to_owned()), "{archived:?}");
    let gone = server.failure("mixpanel_get_feature_flag", json!({"flag_id": id}));
    assert_eq!(gone["kind"], "not_found");
}

#[test]
fn a_change_keeps_all_that_it_does_not_name() {
    let server = flags_server();
    let made = server.data("mixpanel_create_feature_flag", flag("dark", "enabled"));
    let id = made["flag"]["flag_id"].clone();
    let read = || server.data("mixpanel_get_feature_flag", json!({"flag_id": id}))["flag"].clone();
    let before = read();
    let change = json!({"flag_id": id, "description": "At night", "confirm": "Dark mode"});
    server.data("mixpanel_update_feature_flag", change);
    let mut after = read();
    assert_eq!(after["description"], "At night");
    after["description"] = Value::Null;
    for name in [
        "name",
        "key",
        "tags",
        "status",
        "context",
        "serving_method",
        "ruleset",
        "created",
    ] {
        assert_eq!(after[name], before[name], "{name}");
    }
}

#[test]
fn what_users_would_lose_is_asked_about_with_the_flags_name_and_nothing_is_sent_before() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let variables = [("MIXPANEL_TOOLSETS", "feature_flags")];
    let server = TestServer::before_with(&recorder.url(), &variables);
    for (tool, change, lost) in [
        (
            "mixpanel_update_feature_flag",
            json!({"flag_id": FLAG_ID, "status": "disabled"}),
            "replace status of the feature flag \"New checkout\" (new_checkout_flow, enabled) (it becomes disabled)",
        ),
        (
            "mixpanel_delete_feature_flag",
            json!({"flag_id": FLAG_ID, "confirm": "new_checkout_flow"}),
            "delete the feature flag \"New checkout\" (new_checkout_flow, enabled) for good",
        ),
    ] {
        let facts = server.failure(tool, change);
        assert_eq!(facts["kind"], "not_confirmed");
        assert_eq!(facts["confirm"], "New checkout");
        let error = facts["error"].as_str().unwrap();
        assert!(error.contains(lost), "{error}");
    }
    let methods: Vec<String> = recorder.take().into_iter().map(|one| one.method).collect();
    assert!(methods.iter().all(|method| method == "GET"), "{methods:?}");
}

#[test]
fn a_flag_that_cannot_work_is_told_before_anybody_is_asked() {
    let server = flags_server();
    let mut percents = flag("dark", "enabled");
    percents["ruleset"]["rollout"][0]["rollout_percentage"] = 50.into();
    let facts = server.failure("mixpanel_create_feature_flag", percents.clone());
    let fault = "ruleset.rollout[0].rollout_percentage: must be a fraction from 0 to 1, got 50";
    assert_eq!(facts["faults"], json!([fault]));
    let change = json!({"flag_id": FLAG_ID, "ruleset": percents["ruleset"]});
    let facts = server.failure("mixpanel_update_feature_flag", change);
    assert_eq!(facts["faults"], json!([fault]));
    let nothing = json!({"flag_id": FLAG_ID});
    let facts = server.failure("mixpanel_update_feature_flag", nothing);
    assert_eq!(facts["kind"], "bad_arguments");
    let taken = flag("new_checkout_flow", "disabled");
    let facts = server.failure("mixpanel_create_feature_flag", taken);
    assert_eq!(facts["kind"], "refused_under_200");
    let large = json!({"distinct_id": "u", "custom_properties": {"a": "x".repeat(2_000)}});
    let facts = server.failure("mixpanel_evaluate_feature_flags", large);
    assert_eq!(facts["kind"], "bad_arguments");
}

#[test]
fn a_flag_that_is_not_there_is_told_and_nobody_is_asked_about_it() {
    let server = flags_server();
    for tool in ["mixpanel_get_feature_flag", "mixpanel_delete_feature_flag"] {
        let facts = server.failure(tool, json!({"flag_id": "no-such-flag"}));
        assert_eq!(facts["kind"], "not_found", "{tool}");
    }
    let other = json!({"workspace_id": "99"});
    let facts = server.failure("mixpanel_list_feature_flags", other);
    assert_eq!(facts["kind"], "forbidden");
}

#[test]
fn a_list_is_as_long_as_asked_for_and_says_that_there_is_more() {
    let server = flags_server();
    server.data("mixpanel_create_feature_flag", flag("dark", "disabled"));
    let data = server.data("mixpanel_list_feature_flags", json!({"limit": 1}));
    assert_eq!(data["flags"].as_array().unwrap().len(), 1);
    assert_eq!(data["truncated"], true);
    assert_eq!(
        data["summary"],
        "project 12345, workspace 1234500: 2 feature flags; truncated, the first 1 are here"
    );
}
