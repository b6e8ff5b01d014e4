//! Warehouse imports: made, paused, run. No warehouse is read: a run ends well when its history is asked for again,
//! with a number of rows that is made up.

use serde_json::{Value, json};

use super::fault::Fault;
use super::holdings::{Asked, Holdings, ok, results};
use super::http::Response;
use super::shape::{self, FREE, Member, Shape, list, needs, takes, text};
use super::shelf::Item;
use super::time::SECOND_MS;

/// "30 most recent events".
const RUNS_MAX: usize = 30;
/// By hand, hourly, daily, weekly, in nanoseconds.
const EVERY: Shape = Shape::Integers(&[
    0,
    3_600_000_000_000,
    86_400_000_000_000,
    604_800_000_000_000,
]);
const SYNC_MODE: Shape = Shape::Words(&["time_based", "mirror_mode", "full_sync", "one_time"]);
const TEXT_OR_NULL: Shape = Shape::Nullable(&Shape::Text);
const MAPPINGS: Shape = Shape::Nullable(&Shape::Map(&Shape::Text));
const DATABRICKS: Shape = Shape::Nullable(&FREE);

const EVENT_STREAM: &[Member] = &[
    needs("import_type", Shape::Words(&["event_stream"])),
    needs("warehouse_source_id", Shape::Integer),
    needs("table_params", FREE),
    takes("event_name", Shape::Text),
    takes("event_column_name", Shape::Text),
    needs("time_column_name", Shape::Text),
    takes("user_column_name", Shape::Text),
    takes("company_column_name", Shape::Text),
    takes("device_column_name", TEXT_OR_NULL),
    takes("json_properties_column_name", TEXT_OR_NULL),
    needs("sync_mode", SYNC_MODE),
    takes("run_every", EVERY),
    takes("insert_time_column_name", TEXT_OR_NULL),
    takes("property_mappings", MAPPINGS),
    takes("databricks_params", DATABRICKS),
];
const PEOPLE: &[Member] = &[
    needs("import_type", Shape::Words(&["people"])),
    needs("warehouse_source_id", Shape::Integer),
    needs("table_params", FREE),
    needs("user_column_name", Shape::Text),
    takes("json_properties_column_name", TEXT_OR_NULL),
    needs("sync_mode", SYNC_MODE),
    takes("run_every", EVERY),
    takes("insert_time_column_name", TEXT_OR_NULL),
    takes("property_mappings", MAPPINGS),
    takes("databricks_params", DATABRICKS),
];
const GROUPS: &[Member] = &[
    needs("import_type", Shape::Words(&["groups"])),
    needs("warehouse_source_id", Shape::Integer),
    needs("table_params", FREE),
    needs("group_key", Shape::Text),
    needs("group_id_column", Shape::Text),
    needs("sync_mode", SYNC_MODE),
    takes("run_every", EVERY),
    takes("insert_time_column_name", TEXT_OR_NULL),
    takes("json_properties_column_name", TEXT_OR_NULL),
    takes("property_mappings", MAPPINGS),
    takes("databricks_params", DATABRICKS),
];
const LOOKUP_TABLE: &[Member] = &[
    needs("import_type", Shape::Words(&["lookup_table"])),
    needs("warehouse_source_id", Shape::Integer),
    needs("table_params", FREE),
    needs(
        "mixpanel_property",
        Shape::Object(&[
            needs("value", Shape::Text),
            needs("resourceType", Shape::Words(&["event", "user"])),
            takes("customPropertyId", Shape::Nullable(&Shape::Integer)),
        ]),
    ),
    needs("property_key_column_name", Shape::Text),
    needs("sync_mode", Shape::Words(&["full_sync", "one_time"])),
    takes("run_every", EVERY),
    takes("databricks_params", DATABRICKS),
];
const CHANGE: &[Member] = &[
    needs("paused", Shape::Boolean),
    needs("run_every", EVERY),
    takes("databricks_params", DATABRICKS),
];
const DELETION: &[Member] = &[takes("delete_data", Shape::Boolean)];

/// What a list shows of an import.
const SUMMARY: &[&str] = &[
    "id",
    "import_type",
    "sync_mode",
    "created",
    "creator_id",
    "creator_name",
    "creator_email",
    "warehouse_source_id",
    "table_params",
    "paused",
    "run_every",
    "last_dispatch",
    "is_deleted",
];
/// What is shown beside that of one alone: not all that it was made with.
const DETAIL: &[&str] = &[
    "event_name",
    "event_column_name",
    "time_column_name",
    "user_column_name",
    "insert_time_column_name",
    "property_mappings",
    "group_key",
    "group_id_column",
    "databricks_params",
];

/// `GET /projects/{}/warehouse-sources/imports`
pub(super) fn list_all(holdings: &mut Holdings, _: &Asked<'_>) -> Result<Response, Fault> {
    let imports = holdings.imports.iter();
    let imports: Vec<Item> = imports.map(|(_, import)| shown(import, SUMMARY)).collect();
    Ok(results(200, &json!(imports)))
}

/// `POST /projects/{}/warehouse-sources/imports/event-stream`
pub(super) fn create_events(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let import = shape::body(asked.request, EVENT_STREAM)?;
    if !import.contains_key("event_name") && !import.contains_key("event_column_name") {
        return Err(Fault::bad_request(
            "one of event_name and event_column_name is required",
        ));
    }
    create(holdings, asked, import)
}

/// `POST /projects/{}/warehouse-sources/imports/people`
pub(super) fn create_people(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    create(holdings, asked, shape::body(asked.request, PEOPLE)?)
}

/// `POST /projects/{}/warehouse-sources/imports/groups`
pub(super) fn create_groups(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    create(holdings, asked, shape::body(asked.request, GROUPS)?)
}

/// `POST /projects/{}/warehouse-sources/imports/lookup-table`
pub(super) fn create_table(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    create(holdings, asked, shape::body(asked.request, LOOKUP_TABLE)?)
}

fn create(holdings: &mut Holdings, asked: &Asked<'_>, mut import: Item) -> Result<Response, Fault> {
    if text(&import, "sync_mode") == "time_based"
        && text(&import, "insert_time_column_name").is_empty()
    {
        return Err(Fault::bad_request(
            "insert_time_column_name is required for sync_mode time_based",
        ));
    }
    let id = holdings.next_id();
    import.entry("run_every").or_insert_with(|| json!(0));
    import.extend(asked.author());
    for (member, value) in [
        ("id", json!(id)),
        ("created", json!(asked.now())),
        ("paused", json!(false)),
        ("last_dispatch", Value::Null),
        ("is_deleted", json!(false)),
        (RUNS, json!([])),
    ] {
        import.insert(member.into(), value);
    }
    if import.get("run_every") != Some(&json!(0)) || text(&import, "sync_mode") == "one_time" {
        dispatch(&mut import, asked);
    }
    keep(holdings, id, import)
}

/// `GET /projects/{}/warehouse-sources/imports/{}`
pub(super) fn get(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let (_, import) = existing(holdings, asked)?;
    Ok(results(200, &detail(&import)))
}

/// `PATCH /projects/{}/warehouse-sources/imports/{}`
pub(super) fn change(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let change = shape::body(asked.request, CHANGE)?;
    let (id, mut import) = existing(holdings, asked)?;
    import.extend(change);
    keep(holdings, id, import)
}

/// `DELETE /projects/{}/warehouse-sources/imports/{}`
pub(super) fn delete(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    shape::body(asked.request, DELETION)?;
    let (id, _) = existing(holdings, asked)?;
    holdings.imports.take(&id);
    Ok(ok())
}

/// `PUT /projects/{}/warehouse-sources/imports/{}/manual-sync`
pub(super) fn run(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let (id, mut import) = existing(holdings, asked)?;
    if import.get("paused") == Some(&json!(true)) {
        return Err(Fault::bad_request("The import is paused"));
    }
    let is_running = |run: &Value| run.get("status") == Some(&json!("RUNNING"));
    if list(&import, RUNS).iter().any(is_running) {
        return Err(Fault::bad_request("The import is running already"));
    }
    dispatch(&mut import, asked);
    let run_id = format!("{id}-{}", list(&import, RUNS).len());
    keep(holdings, id, import)?;
    Ok(results(200, &json!({ "run_id": run_id })))
}

/// `GET /projects/{}/warehouse-sources/imports/{}/history`: a run is told as running once.
pub(super) fn history(holdings: &mut Holdings, asked: &Asked<'_>) -> Result<Response, Fault> {
    let (id, mut import) = existing(holdings, asked)?;
    let told = json!({"runs": list(&import, RUNS)});
    let rows = import
        .get("warehouse_source_id")
        .and_then(Value::as_u64)
        .unwrap_or_default()
        % 1_000
        + 100;
    let ended: Value = list(&import, RUNS)
        .iter()
        .map(|run| match run.get("status").and_then(Value::as_str) {
            Some("RUNNING") => json!({
                "status": "SUCCEEDED",
                "start_time": run.get("start_time"),
                "end_time": asked.request.received_ms / SECOND_MS,
                "num_events_imported": rows,
            }),
            _ => run.clone(),
        })
        .collect();
    import.insert(RUNS.into(), ended);
    keep(holdings, id, import)?;
    Ok(results(200, &told))
}

/// Where an import's runs are kept, newest first; it is shown by its history alone.
const RUNS: &str = "runs";

fn dispatch(import: &mut Item, asked: &Asked<'_>) {
    let now_s = asked.request.received_ms / SECOND_MS;
    let run = json!({
        "status": "RUNNING", "start_time": now_s, "end_time": null, "num_events_imported": null,
    });
    let older = list(import, RUNS).iter().take(RUNS_MAX - 1).cloned();
    let runs: Value = std::iter::once(run).chain(older).collect();
    import.insert(RUNS.into(), runs);
    import.insert("last_dispatch".into(), json!(now_s));
}

fn shown(import: &Item, members: &[&str]) -> Item {
    let shown = |name: &&str| Some(((*name).to_owned(), import.get(*name)?.clone()));
    members.iter().filter_map(shown).collect()
}

fn detail(import: &Item) -> Value {
    json!(shown(import, &[SUMMARY, DETAIL].concat()))
}

fn keep(holdings: &mut Holdings, id: u64, import: Item) -> Result<Response, Fault> {
    let detail = detail(&import);
    holdings.imports.put(id, import)?;
    Ok(results(200, &detail))
}

fn existing(holdings: &Holdings, asked: &Asked<'_>) -> Result<(u64, Item), Fault> {
    let id = asked.id(0)?;
    let import = holdings.imports.get(&id).cloned();
    let import =
        import.ok_or_else(|| Fault::new(404, format!("Warehouse import {id} does not exist")))?;
    Ok((id, import))
}
