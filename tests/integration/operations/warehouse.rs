//! Warehouse imports.

use mixpanel_mcp_server::mixpanel::WarehouseImportKind as Kind;
use serde_json::{Map, Value, json};

use super::{Stand, refusal};

const DAILY_NS: u64 = 86_400_000_000_000;

fn settings(own: Value) -> Map<String, Value> {
    let mut settings = json!({
        "warehouse_source_id": 7, "table_params": {"table": "t"}, "sync_mode": "full_sync",
    });
    let shared = settings.as_object_mut().unwrap();
    shared.extend(own.as_object().unwrap().clone());
    shared.clone()
}

#[test]
fn each_kind_of_import_is_made_and_listed_until_it_is_deleted() {
    let stand = Stand::new();
    let (app, project) = (&stand.clients.app, &stand.project);
    let property = json!({"value": "sku", "resourceType": "event"});
    let all = [
        (
            Kind::EventStream,
            json!({"event_name": "Order", "time_column_name": "at"}),
        ),
        (Kind::People, json!({"user_column_name": "user"})),
        (
            Kind::Groups,
            json!({"group_key": "company", "group_id_column": "id"}),
        ),
        (
            Kind::LookupTable,
            json!({"mixpanel_property": property, "property_key_column_name": "sku"}),
        ),
    ];
    let ids: Vec<u64> = all
        .into_iter()
        .map(|(kind, own)| {
            let import = app.create_warehouse_import(project, kind, &settings(own));
            let import = import.unwrap();
            assert_eq!(import["import_type"], json!(kind.as_str()));
            import["id"].as_u64().unwrap()
        })
        .collect();
    let listed = || -> Vec<u64> {
        let imports = app.warehouse_imports(project).unwrap();
        let id = |import: &Value| import["id"].as_u64().unwrap();
        imports.iter().map(id).collect()
    };
    assert_eq!(listed(), ids);
    for id in &ids {
        app.delete_warehouse_import(project, *id, false).unwrap();
    }
    assert_eq!(listed(), Vec::<u64>::new());
    stand.asked();
}

#[test]
fn an_import_runs_when_asked_unless_it_is_paused() {
    let stand = Stand::new();
    let (app, project) = (&stand.clients.app, &stand.project);
    let own = json!({"event_name": "Order", "time_column_name": "at"});
    let import = app
        .create_warehouse_import(project, Kind::EventStream, &settings(own))
        .unwrap();
    let id = import["id"].as_u64().unwrap();
    let states = || -> Vec<String> {
        let runs = app.warehouse_import_history(project, id).unwrap();
        let state = |run: &Value| run["status"].as_str().unwrap().to_owned();
        runs.iter().map(state).collect()
    };
    assert_eq!(states(), Vec::<String>::new());
    assert_eq!(app.run_warehouse_import(project, id), Ok(format!("{id}-1")));
    assert_eq!(
        refusal(app.run_warehouse_import(project, id)),
        ("bad_request", "The import is running already".into())
    );
    assert_eq!(states(), ["RUNNING"]);
    assert_eq!(states(), ["SUCCEEDED"]);

    let paused = app.update_warehouse_import(project, id, true, DAILY_NS, None);
    let paused = paused.unwrap();
    assert_eq!(
        (&paused["paused"], &paused["run_every"]),
        (&json!(true), &json!(DAILY_NS))
    );
    assert_eq!(app.warehouse_import(project, id), Ok(paused));
    assert_eq!(
        refusal(app.run_warehouse_import(project, id)),
        ("bad_request", "The import is paused".into())
    );
    assert_eq!(refusal(app.warehouse_import(project, 1)).0, "not_found");
    stand.asked();
}
