//! The tools that manage imports from data warehouses.

use serde_json::{Value, json};

use crate::support::TestServer;

const LIST: &str = "mixpanel_list_warehouse_imports";
const GET: &str = "mixpanel_get_warehouse_import";
const CREATE: &str = "mixpanel_create_warehouse_import";
const UPDATE: &str = "mixpanel_update_warehouse_import";
const DELETE: &str = "mixpanel_delete_warehouse_import";
const RUN: &str = "mixpanel_run_warehouse_import";
const HISTORY: &str = "mixpanel_get_warehouse_import_history";

/// Sample calls, for `calls.rs`.
pub(crate) fn samples_warehouse() -> Vec<(&'static str, Value)> {
    let id = "of:mixpanel_create_warehouse_import/import_id";
    let one = json!({"import_id": id});
    let cluster = json!({"export_cluster_config": {"num_workers": 2}});
    let mut samples: Vec<(&str, Value)> = imports()
        .into_iter()
        .map(|import| (CREATE, import))
        .collect();
    samples.extend([
        (LIST, json!({"project_id": "12345"})),
        (GET, one.clone()),
        (RUN, one.clone()),
        (HISTORY, one),
        (
            UPDATE,
            json!({"import_id": id, "paused": true, "run_every": "weekly"}),
        ),
        (
            UPDATE,
            json!({"import_id": id, "databricks_params": cluster, "confirm": id}),
        ),
        (
            DELETE,
            json!({"import_id": id, "delete_data": true, "confirm": id}),
        ),
    ]);
    samples
}

/// One import of each kind, with all that it takes.
fn imports() -> Vec<Value> {
    let columns = json!({
        "json_properties_column_name": "more", "insert_time_column_name": "loaded_at",
        "property_mappings": {"total": "Total"}, "sync_mode": "time_based",
    });
    let of = |own: Value, shared: &Value| {
        let mut import = json!({"warehouse_source_id": "7", "table_params": {"table": "t"}});
        for members in [shared, &own] {
            let members = members.as_object().unwrap().clone();
            import.as_object_mut().unwrap().extend(members);
        }
        import
    };
    vec![
        of(
            json!({
                "import_type": "event_stream", "event_column_name": "event", "time_column_name": "at",
                "user_column_name": "user", "company_column_name": "company", "device_column_name": "device",
            }),
            &columns,
        ),
        of(
            json!({"import_type": "event_stream", "event_name": "Order", "time_column_name": "at", "run_every": "daily"}),
            &columns,
        ),
        of(
            json!({
                "import_type": "people", "user_column_name": "user",
                "databricks_params": {"export_cluster_config": {"num_workers": 1}},
            }),
            &columns,
        ),
        of(
            json!({
                "import_type": "lookup_table", "mixpanel_property": "sku", "mixpanel_property_of": "user",
                "custom_property_id": "5", "property_key_column_name": "sku", "sync_mode": "full_sync",
            }),
            &json!({}),
        ),
        of(
            json!({
                "import_type": "groups", "group_key": "company", "group_id_column": "id",
                "databricks_params": {"export_cluster_config": {"num_workers": 1}},
            }),
            &columns,
        ),
    ]
}

fn server() -> TestServer {
    TestServer::start(&["--sandbox", "--toolsets", "warehouse"], &[])
}

/// A new import of events by hand; its id.
fn made(server: &TestServer) -> Value {
    let import = json!({
        "import_type": "event_stream", "warehouse_source_id": "7", "table_params": {"table": "orders"},
        "sync_mode": "full_sync", "event_name": "Order", "time_column_name": "at",
    });
    server.data(CREATE, import)["import_id"].clone()
}

fn listed(server: &TestServer) -> Vec<Value> {
    let data = server.data(LIST, json!({}));
    assert_eq!(data["truncated"], false);
    data["imports"].as_array().unwrap().clone()
}

#[test]
fn each_kind_of_import_is_made_and_listed() {
    let server = server();
    let mut kinds = Vec::new();
    for import in imports() {
        let kind = import["import_type"].clone();
        let made = server.data(CREATE, import);
        assert_eq!(made["import"]["import_type"], kind);
        kinds.push(kind);
    }
    let types: Vec<Value> = listed(&server)
        .iter()
        .map(|import| import["import_type"].clone())
        .collect();
    assert_eq!(types, kinds);
}

#[test]
fn an_import_is_changed_in_what_is_given_and_stays_in_the_rest() {
    let server = server();
    let id = made(&server);
    let told = |change: Value| {
        let mut arguments = change;
        arguments["import_id"] = id.clone();
        let import = server.data(UPDATE, arguments)["import"].clone();
        (import["paused"].clone(), import["run_every"].clone())
    };
    let week = json!(604_800_000_000_000_u64);
    assert_eq!(
        told(json!({"run_every": "weekly"})),
        (json!(false), week.clone())
    );
    assert_eq!(told(json!({"paused": true})), (json!(true), week.clone()));
    assert_eq!(told(json!({"paused": false})), (json!(false), week));
    let facts = server.failure(UPDATE, json!({"import_id": id}));
    assert_eq!(facts["kind"], "bad_arguments");
}

#[test]
fn a_cluster_that_is_configured_is_replaced_only_when_confirmed() {
    let server = server();
    let id = made(&server);
    let cluster = |workers: u64, confirm: Option<&Value>| {
        let mut arguments = json!({
            "import_id": id,
            "databricks_params": {"export_cluster_config": {"num_workers": workers}},
        });
        if let Some(name) = confirm {
            arguments["confirm"] = name.clone();
        }
        server.call(UPDATE, arguments)
    };
    // There is nothing to lose yet.
    assert!(!cluster(1, None).is_error);
    let refused = cluster(2, None).data;
    assert_eq!(
        (&refused["kind"], &refused["confirm"]),
        (&json!("not_confirmed"), &id)
    );
    let workers = || {
        let import = server.data(GET, json!({"import_id": id}))["import"].clone();
        import["databricks_params"]["export_cluster_config"]["num_workers"].clone()
    };
    assert_eq!(workers(), 1);
    assert!(!cluster(2, Some(&id)).is_error);
    assert_eq!(workers(), 2);
}

#[test]
fn an_import_runs_when_asked_unless_it_is_paused_and_its_runs_are_told() {
    let server = server();
    let id = made(&server);
    let one = json!({"import_id": id});
    let states = || -> Vec<Value> {
        let runs = server.data(HISTORY, one.clone())["runs"].clone();
        let runs = runs.as_array().unwrap();
        runs.iter().map(|run| run["status"].clone()).collect()
    };
    assert_eq!(states(), Vec::<Value>::new());
    assert!(server.data(RUN, one.clone())["run_id"].is_string());
    assert_eq!(server.failure(RUN, one.clone())["kind"], "bad_request");
    assert_eq!(states(), ["RUNNING"]);
    assert_eq!(states(), ["SUCCEEDED"]);
    server.data(UPDATE, json!({"import_id": id, "paused": true}));
    let refused = server.failure(RUN, one.clone());
    assert!(refused["error"].as_str().unwrap().contains("paused"));
}

#[test]
fn an_import_is_deleted_only_when_confirmed_and_the_question_says_whether_its_data_go_too() {
    let server = server();
    let id = made(&server);
    for (delete_data, expected) in [
        (false, "; the data that came in by it stay"),
        (true, " and all data that came in by it"),
    ] {
        let arguments = json!({"import_id": id, "delete_data": delete_data});
        let refused = server.failure(DELETE, arguments);
        assert_eq!(
            (&refused["kind"], &refused["confirm"]),
            (&json!("not_confirmed"), &id)
        );
        let text = refused["error"].as_str().unwrap();
        assert!(
            text.contains("of the table \"orders\"") && text.contains(expected),
            "{text}"
        );
    }
    assert_eq!(listed(&server).len(), 1);
    server.data(DELETE, json!({"import_id": id, "confirm": id}));
    assert_eq!(listed(&server).len(), 0);
    for tool in [GET, DELETE, RUN, HISTORY] {
        let facts = server.failure(tool, json!({"import_id": id}));
        assert_eq!(facts["kind"], "not_found", "{tool}");
    }
}

#[test]
fn settings_that_do_not_fit_the_kind_are_refused_together() {
    let import = json!({
        "import_type": "lookup_table", "warehouse_source_id": "7", "table_params": {},
        "sync_mode": "time_based", "mixpanel_property": "sku", "group_key": "company",
    });
    assert_eq!(
        server().failure(CREATE, import)["faults"],
        json!([
            "property_key_column_name: missing, lookup_table needs it",
            "group_key: not for lookup_table; leave it out",
            "sync_mode: must be full_sync or one_time for lookup_table",
        ])
    );
}
