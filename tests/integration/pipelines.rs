//! The tools that manage data pipelines.

use serde_json::{Value, json};

use crate::support::TestServer;

const LIST: &str = "mixpanel_list_pipelines";
const STATUS: &str = "mixpanel_get_pipeline_status";
const CREATE: &str = "mixpanel_create_pipeline";
const UPDATE: &str = "mixpanel_update_pipeline";
const CANCEL: &str = "mixpanel_cancel_pipeline";

const GCS: &str = "events-daily-gcs-raw";

/// Sample calls, for `calls.rs`.
pub(crate) fn samples_pipelines() -> Vec<(&'static str, Value)> {
    let condition = r#"properties["plan"] == "pro""#;
    vec![
        (
            CREATE,
            json!({
                "pipeline_type": "gcs-raw", "from_date": "7d", "to_date": "today", "frequency": "hourly",
                "data_source": "events", "event_names": ["Search", "Sign Up"], "where": condition,
                "trial": true, "destination": {"gcs_bucket": "b", "gcs_region": "us-east1"},
            }),
        ),
        (
            CREATE,
            json!({
                "pipeline_type": "aws", "from_date": "yesterday", "schema_type": "monoschema",
                "destination": {"s3_bucket": "b", "s3_region": "us-east-1", "s3_role": "r", "use_glue": true},
            }),
        ),
        (LIST, json!({"project_id": "12345"})),
        (
            UPDATE,
            json!({
                "pipeline_name": "events-daily-aws-monoschema", "event_names": ["Search"], "where": condition,
                "destination": {"glue_role": "r"}, "paused": true,
            }),
        ),
        (
            UPDATE,
            json!({"pipeline_name": "events-daily-aws-monoschema", "paused": false}),
        ),
        (
            STATUS,
            json!({
                "pipeline_name": "events-daily-aws-monoschema", "view": "tasks", "states": ["running", "timed_out"],
            }),
        ),
        (
            STATUS,
            json!({"pipeline_name": "events-daily-aws-monoschema", "view": "syncs"}),
        ),
        (
            STATUS,
            json!({"pipeline_name": "events-daily-aws-monoschema"}),
        ),
        (
            CANCEL,
            json!({
                "pipeline_name": "events-daily-aws-monoschema", "confirm": "events-daily-aws-monoschema",
            }),
        ),
    ]
}

fn server() -> TestServer {
    TestServer::start(&["--sandbox", "--toolsets", "pipelines"], &[])
}

/// A new pipeline of three days up to today, called [`GCS`].
fn make(server: &TestServer) {
    let made = server.data(
        CREATE,
        json!({
            "pipeline_type": "gcs-raw", "from_date": "3d",
            "destination": {"gcs_bucket": "b", "gcs_region": "us-east1"},
        }),
    );
    assert_eq!(made["pipeline_names"], json!([GCS]));
}

fn listed(server: &TestServer) -> Vec<Value> {
    let data = server.data(LIST, json!({}));
    assert_eq!(data["truncated"], false);
    data["pipelines"].as_array().unwrap().clone()
}

#[test]
fn a_pipeline_is_made_paused_resumed_and_ended_once_its_name_is_confirmed() {
    let server = server();
    assert_eq!(listed(&server), Vec::<Value>::new());
    make(&server);
    let state = || listed(&server)[0]["Dispatcher"].clone();
    assert_eq!(state(), "live");
    for (paused, expected) in [(true, "paused"), (false, "live")] {
        let done = server.data(UPDATE, json!({"pipeline_name": GCS, "paused": paused}));
        assert_eq!(done["changed"], json!(["paused"]));
        assert_eq!(state(), expected);
    }

    let refused = server.failure(CANCEL, json!({"pipeline_name": GCS}));
    assert_eq!(
        (&refused["kind"], &refused["confirm"]),
        (&json!("not_confirmed"), &json!(GCS))
    );
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .contains("its history is lost")
    );
    assert_eq!(listed(&server).len(), 1);
    server.data(CANCEL, json!({"pipeline_name": GCS, "confirm": GCS}));
    assert_eq!(listed(&server), Vec::<Value>::new());
}

#[test]
fn a_pipelines_status_is_told_as_counts_as_tasks_and_as_syncs() {
    let server = server();
    make(&server);
    let status = |view: &str| server.data(STATUS, json!({"pipeline_name": GCS, "view": view}));
    // From two days ago to yesterday; the newest runs until it was asked about.
    let counts = server.data(STATUS, json!({"pipeline_name": GCS}))["counts"].clone();
    assert_eq!(
        (&counts["running"], &counts["succeeded"]),
        (&json!(1), &json!(1))
    );
    let tasks = status("tasks");
    let states: Vec<&Value> = tasks["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| &task["state"])
        .collect();
    assert_eq!(states, ["succeeded", "succeeded"]);
    assert_eq!(tasks["counts"]["succeeded"], 2);
    let syncs = status("syncs");
    assert_eq!(syncs["syncs"].as_array().unwrap().len(), 2);
    assert!(syncs.get("counts").is_none());

    let some = json!({"pipeline_name": GCS, "states": ["running"]});
    assert_eq!(server.data(STATUS, some)["counts"], json!({"running": 0}));
    let both = json!({"pipeline_name": GCS, "view": "syncs", "states": ["running"]});
    assert_eq!(server.failure(STATUS, both)["kind"], "bad_arguments");
}

#[test]
fn settings_that_do_not_fit_the_type_are_refused_together_without_their_values() {
    let answer = server().call(
        CREATE,
        json!({
            "pipeline_type": "azure-raw", "from_date": "today", "schema_type": "monoschema",
            "data_source": "people",
            "destination": {
                "storage_account": "a", "container_name": "c", "client_id": "i",
                "client_secret": ["hidden-canary", 1], "s3_bucket": "hidden-canary",
            },
        }),
    );
    assert!(answer.is_error);
    let faults: Vec<&str> = answer.data["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault.as_str().unwrap().split(':').next().unwrap())
        .collect();
    assert_eq!(
        faults,
        [
            "destination.tenant_id",
            "destination.client_secret",
            "destination.s3_bucket",
            "schema_type",
            "data_source",
        ]
    );
    let told = format!("{} {}", answer.text, answer.data);
    assert!(!told.contains("hidden-canary"), "{told}");
}

#[test]
fn the_secrets_of_a_destination_are_not_told_again() {
    let answer = server().call(
        CREATE,
        json!({
            "pipeline_type": "azure-raw", "from_date": "today",
            "destination": {
                "storage_account": "a", "container_name": "c", "client_id": "i", "tenant_id": "t",
                "client_secret": "hidden-canary",
            },
        }),
    );
    assert!(!answer.is_error, "{}", answer.text);
    assert_eq!(
        answer.data["pipeline_names"],
        json!(["events-daily-azure-raw"])
    );
    let told = format!("{} {}", answer.text, answer.data);
    assert!(!told.contains("hidden-canary"), "{told}");
}

#[test]
fn a_pipeline_that_there_is_not_is_told_with_those_that_there_are() {
    let server = server();
    make(&server);
    let facts = server.failure(CANCEL, json!({"pipeline_name": "other"}));
    assert_eq!(
        (&facts["kind"], &facts["pipelines"]),
        (&json!("not_found"), &json!([GCS]))
    );
    for (tool, arguments) in [
        (STATUS, json!({"pipeline_name": "other"})),
        (UPDATE, json!({"pipeline_name": "other", "paused": true})),
    ] {
        assert_eq!(
            server.failure(tool, arguments)["kind"],
            "not_found",
            "{tool}"
        );
    }
    let nothing = server.failure(UPDATE, json!({"pipeline_name": GCS}));
    assert_eq!(nothing["kind"], "bad_arguments");
}
