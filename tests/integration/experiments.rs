//! The experiments toolset: a draft goes through its life one step at a time, and what ends something asks first.

use serde_json::{Value, json};

use crate::support::TestServer;

/// The draft that the sandbox begins with.
const EXPERIMENT_ID: &str = "211a285c-3b11-414a-a3b9-014173ec38fb";

/// Sample calls of every tool: the whole life of the draft.
pub(crate) fn samples_experiments() -> Vec<(&'static str, Value)> {
    let about = |mut more: Value| {
        more["experiment_id"] = EXPERIMENT_ID.into();
        more["workspace_id"] = "1234500".into();
        more
    };
    let description = json!({
        "name": "Calls", "description": "For calls", "hypothesis": "They fit", "settings": {"alpha": 0.05},
        "variants": [{"key": "a", "split": 0.5}, {"key": "b", "split": 0.5}],
        "metrics": [{"event": "Search"}], "global_access_type": "on", "workspace_id": "1234500",
    });
    let mut change = about(description.clone());
    change["start_date"] = "2026-01-01T00:00:00".into();
    change["end_date"] = "2026-02-01T00:00:00".into();
    change["tags"] = json!(["calls"]);
    let confirmed = |mut more: Value| {
        more["confirm"] = "Calls".into();
        about(more)
    };
    vec![
        (
            "mixpanel_list_experiments",
            json!({"limit": 5, "workspace_id": "1234500"}),
        ),
        ("mixpanel_list_experiments", json!({})),
        ("mixpanel_create_experiment", description),
        ("mixpanel_update_experiment", change),
        ("mixpanel_get_experiment", about(json!({}))),
        ("mixpanel_launch_experiment", about(json!({}))),
        (
            "mixpanel_conclude_experiment",
            confirmed(json!({"end_date": "2026-02-01T00:00:00"})),
        ),
        (
            "mixpanel_decide_experiment",
            confirmed(json!({"success": true, "variant": "b", "message": "It fits"})),
        ),
        (
            "mixpanel_archive_experiment",
            about(json!({"archived": true})),
        ),
        (
            "mixpanel_archive_experiment",
            about(json!({"archived": false})),
        ),
        ("mixpanel_delete_experiment", confirmed(json!({}))),
    ]
}

fn experiments_server() -> TestServer {
    TestServer::start(&["--sandbox", "--toolsets", "experiments"], &[])
}

/// A draft of this name: its id.
#[track_caller]
fn draft(server: &TestServer, name: &str) -> Value {
    let draft = json!({"name": name, "variants": [{"key": "small"}, {"key": "big"}]});
    let made = server.data("mixpanel_create_experiment", draft);
    assert_eq!(made["experiment"]["status"], "draft");
    made["experiment"]["experiment_id"].clone()
}

/// The experiment with more arguments.
fn of(id: &Value, more: Value) -> Value {
    let mut arguments = more;
    arguments["experiment_id"] = id.clone();
    arguments
}

#[test]
fn an_experiment_goes_from_draft_to_decided() {
    let server = experiments_server();
    let id = draft(&server, "Big button");
    let step = |tool: &str, more: Value| {
        let data = server.data(&format!("mixpanel_{tool}_experiment"), of(&id, more));
        data["experiment"].clone()
    };
    assert_eq!(step("launch", json!({}))["status"], "active");
    let end = json!({"end_date": "2026-02-01T00:00:00", "confirm": "Big button"});
    let concluded = step("conclude", end);
    assert_eq!(concluded["status"], "concluded");
    assert_eq!(concluded["end_date"], "2026-02-01T00:00:00");
    let won = json!({"success": true, "variant": "big", "confirm": "Big button"});
    assert_eq!(step("decide", won)["status"], "success");
    let whole = step("get", json!({}));
    assert_eq!(whole["status"], "success");
    assert_eq!(whole["results_cache"]["decision"]["variant"], "big");
}

#[test]
fn a_step_that_the_state_does_not_allow_is_refused_before_anybody_is_asked() {
    let server = experiments_server();
    let id = draft(&server, "Big button");
    for (tool, more, needed) in [
        ("mixpanel_conclude_experiment", json!({}), "active"),
        (
            "mixpanel_decide_experiment",
            json!({"success": false}),
            "concluded",
        ),
    ] {
        let facts = server.failure(tool, of(&id, more));
        assert_eq!(facts["kind"], "wrong_state");
        assert_eq!(
            (&facts["status"], &facts["needed"]),
            (&json!("draft"), &json!(needed))
        );
    }
    server.data("mixpanel_launch_experiment", of(&id, json!({})));
    let again = server.failure("mixpanel_launch_experiment", of(&id, json!({})));
    assert_eq!(again["kind"], "refused_under_200");
}

#[test]
fn what_ends_something_tells_what_and_is_not_done_unconfirmed() {
    let server = experiments_server();
    let id = draft(&server, "Big button");
    let asked = |tool: &str, more: Value, lost: &str| {
        let facts = server.failure(tool, of(&id, more));
        assert_eq!(facts["kind"], "not_confirmed", "{facts}");
        assert_eq!(facts["confirm"], "Big button");
        let error = facts["error"].as_str().unwrap();
        assert!(error.contains(lost), "{error}");
    };
    asked(
        "mixpanel_delete_experiment",
        json!({"confirm": "Big"}),
        "delete the experiment \"Big button\" (draft) with its results for good",
    );
    server.data("mixpanel_launch_experiment", of(&id, json!({})));
    asked(
        "mixpanel_conclude_experiment",
        json!({}),
        "end the experiment \"Big button\" (active) now, for good",
    );
    let read = server.data("mixpanel_get_experiment", of(&id, json!({})));
    assert_eq!(read["experiment"]["status"], "active");
    let end = json!({"confirm": "Big button"});
    server.data("mixpanel_conclude_experiment", of(&id, end));
    asked(
        "mixpanel_decide_experiment",
        json!({"success": false, "variant": "big"}),
        "decide the experiment \"Big button\" (concluded) as a failure with the variant \"big\", for good",
    );
}

#[test]
fn an_experiment_is_changed_archived_brought_back_and_deleted() {
    let server = experiments_server();
    let id = draft(&server, "Big button");
    let change = json!({"name": "Bigger button", "tags": ["shop"]});
    let changed = server.data("mixpanel_update_experiment", of(&id, change));
    assert_eq!(changed["experiment"]["name"], "Bigger button");
    assert_eq!(changed["experiment"]["tags"], json!(["shop"]));
    let nothing = server.failure("mixpanel_update_experiment", of(&id, json!({})));
    assert_eq!(nothing["kind"], "bad_arguments");

    let is_listed = || {
        let data = server.data("mixpanel_list_experiments", json!({}));
        let rows = data["experiments"].as_array().unwrap().clone();
        rows.iter().any(|row| row["experiment_id"] == id)
    };
    assert!(is_listed());
    for archived in [true, false] {
        let arguments = of(&id, json!({"archived": archived}));
        let data = server.data("mixpanel_archive_experiment", arguments);
        assert_eq!(data["archived"], archived);
        assert_eq!(is_listed(), !archived);
    }
    let delete = of(&id, json!({"confirm": "Bigger button"}));
    server.data("mixpanel_delete_experiment", delete.clone());
    assert!(!is_listed());
    for (tool, arguments) in [
        ("mixpanel_delete_experiment", delete),
        ("mixpanel_get_experiment", of(&id, json!({}))),
    ] {
        assert_eq!(server.failure(tool, arguments)["kind"], "not_found");
    }
}
