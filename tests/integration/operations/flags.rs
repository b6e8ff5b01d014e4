//! Feature flags, and what they decide.

use serde_json::{Value, json};

use super::{Stand, WORKSPACE, refusal, text};

fn flag(key: &str, status: &str) -> Value {
    json!({
        "name": "Dark mode", "key": key, "tags": [], "status": status, "context": "distinct_id",
        "serving_method": "server",
        "ruleset": {
            "variants": [
                {"key": "off", "value": "light", "is_control": true, "split": 0},
                {"key": "on", "value": "dark", "is_control": false, "split": 1},
            ],
            "rollout": [{"rollout_percentage": 1, "variant_splits": {}}],
            "test": {"users": {"tester": "off"}},
        },
    })
}

#[test]
fn a_flag_decides_once_it_is_enabled_and_no_longer_when_it_is_deleted() {
    let stand = Stand::new();
    let (app, project) = (&stand.clients.app, &stand.project);
    let decided = |user: &str| {
        let context = json!({"distinct_id": user});
        let flags = stand.clients.ingestion.evaluate_flags(project, &context);
        flags.unwrap().get("dark_mode").cloned()
    };
    let made = app
        .create_feature_flag(project, WORKSPACE, &flag("dark_mode", "disabled"))
        .unwrap();
    let id = text(&made, "id");
    assert_eq!(decided("ann"), None);

    let enabled = app
        .update_feature_flag(project, WORKSPACE, &id, &flag("dark_mode", "enabled"))
        .unwrap();
    assert_eq!(enabled["created"], made["created"]);
    assert_eq!(
        app.feature_flag(project, WORKSPACE, &id),
        Ok(enabled.clone())
    );
    let variant = |key: &str, value: &str, is_tester: bool| json!({"variant_key": key, "variant_value": value, "is_qa_tester": is_tester});
    assert_eq!(decided("ann"), Some(variant("on", "dark", false)));
    assert_eq!(decided("tester"), Some(variant("off", "light", true)));
    let definitions = stand.clients.ingestion.flag_definitions(project).unwrap();
    let keys: Vec<String> = definitions.iter().map(|flag| text(flag, "key")).collect();
    assert!(keys.contains(&"dark_mode".to_owned()), "{keys:?}");

    app.delete_feature_flag(project, WORKSPACE, &id).unwrap();
    assert_eq!(decided("ann"), None);
    assert_eq!(
        refusal(app.feature_flag(project, WORKSPACE, &id)).0,
        "not_found"
    );
    let listed = |with_archived: bool| {
        let flags = app.feature_flags(project, WORKSPACE, with_archived);
        flags.unwrap().iter().any(|flag| flag["id"] == made["id"])
    };
    assert_eq!((listed(false), listed(true)), (false, true));
    stand.asked();
}

#[test]
fn a_flag_that_does_not_fit_is_refused() {
    let stand = Stand::new();
    let (app, project) = (&stand.clients.app, &stand.project);
    let make = |flag: &Value| app.create_feature_flag(project, WORKSPACE, flag);
    let taken = make(&flag("new_checkout_flow", "disabled"));
    assert_eq!(refusal(taken).0, "refused_under_200");
    let mut unknown_variant = flag("dark_mode", "enabled");
    unknown_variant["ruleset"]["rollout"][0]["variant_splits"] = json!({"blue": 1});
    let (kind, words) = refusal(make(&unknown_variant));
    assert_eq!(kind, "refused_under_200");
    assert!(words.contains("'blue'"), "{words}");
    stand.asked();

    // This one the contract does not allow either.
    let mut unknown_member = flag("dark_mode", "enabled");
    unknown_member["colour"] = json!("blue");
    let expected = ("bad_request", "body.colour is not a known field".into());
    assert_eq!(refusal(make(&unknown_member)), expected);
}

#[test]
fn a_definition_shows_what_deciding_needs_and_nothing_else_of_the_flag() {
    let stand = Stand::new();
    let mut whole = flag("dark_mode", "enabled");
    whole["hash_salt"] = "0123456789abcdef0123456789abcdef".into();
    whole["ruleset"]["test"] = Value::Null;
    whole["ruleset"]["variants"][0]["description"] = "As it was".into();
    whole["ruleset"]["rollout"][0]["name"] = "Everybody".into();
    whole["ruleset"]["rollout"][0]["cohort_hash"] = Value::Null;
    let (app, project) = (&stand.clients.app, &stand.project);
    let made = app.create_feature_flag(project, WORKSPACE, &whole).unwrap();

    let definitions = stand.clients.ingestion.flag_definitions(project).unwrap();

    let shown = definitions
        .iter()
        .find(|definition| definition["key"] == "dark_mode")
        .unwrap();
    let expected = json!({
        "id": made["id"], "name": "Dark mode", "key": "dark_mode", "status": "enabled", "project_id": 12345,
        "workspace_id": WORKSPACE, "context": "distinct_id",
        "ruleset": {
            "variants": [
                {"key": "off", "value": "light", "is_control": true, "split": 0},
                {"key": "on", "value": "dark", "is_control": false, "split": 1},
            ],
            "rollout": [{"rollout_percentage": 1, "variant_splits": {}}],
        },
    });
    assert_eq!(*shown, expected);
    stand.asked();
}
