//! Imports that there are: listed, told, changed, run, deleted.

use serde_json::{Map, Value, json};

use crate::mcp::args::{Arg as _, Id, args, choice};
use crate::mcp::consent::Loss;
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::tools::ask::{Ask, bad_arguments, counted, quoted};

/// Maps of a Databricks cluster whose values may be secrets: their names are told.
const HIDDEN_MAPS: &[&str] = &["spark_env_vars", "spark_conf"];
/// What stands for a value that is not told.
const HIDDEN: &str = "[not told]";

pub(super) const LIST_WAREHOUSE_IMPORTS: Tool<Ask> = Tool {
    name: "mixpanel_list_warehouse_imports",
    title: "Warehouse imports",
    about: "Lists the imports of a project from data warehouses: kind, table, schedule, whether paused.",
    effect: Effect::Reads,
    params: ListWarehouseImports::FIELDS,
    output: &[
        Field::always("imports", LIST),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| list(ask, ListWarehouseImports::read(arguments)),
};

pub(super) const GET_WAREHOUSE_IMPORT: Tool<Ask> = Tool {
    name: "mixpanel_get_warehouse_import",
    title: "Warehouse import",
    about: "Tells about one import from a data warehouse, with its columns.",
    effect: Effect::Reads,
    params: OneWarehouseImport::FIELDS,
    output: IMPORT,
    run: |ask, arguments| get(ask, OneWarehouseImport::read(arguments)),
};

pub(super) const UPDATE_WAREHOUSE_IMPORT: Tool<Ask> = Tool {
    name: "mixpanel_update_warehouse_import",
    title: "Change a warehouse import",
    about: "Pauses or resumes an import from a data warehouse, or changes how often it runs. What is left out stays.",
    effect: Effect::Destroys(replacement),
    params: UpdateWarehouseImport::FIELDS,
    output: IMPORT,
    run: |ask, arguments| update(ask, UpdateWarehouseImport::read(arguments)),
};

pub(super) const DELETE_WAREHOUSE_IMPORT: Tool<Ask> = Tool {
    name: "mixpanel_delete_warehouse_import",
    title: "Delete a warehouse import",
    about: "Deletes an import from a data warehouse, and with delete_data the events that came in by it. Events that stay are not changed.",
    effect: Effect::Destroys(deletion),
    params: DeleteWarehouseImport::FIELDS,
    output: &[Field::always("import_id", Shape::Id)],
    run: |ask, arguments| delete(ask, DeleteWarehouseImport::read(arguments)),
};

pub(super) const RUN_WAREHOUSE_IMPORT: Tool<Ask> = Tool {
    name: "mixpanel_run_warehouse_import",
    title: "Run a warehouse import",
    about: "Runs an import from a data warehouse now, which costs the warehouse's time. Not while it is paused or running.",
    effect: Effect::Adds,
    params: OneWarehouseImport::FIELDS,
    output: &[Field::always("run_id", Shape::Words)],
    run: |ask, arguments| run(ask, OneWarehouseImport::read(arguments)),
};

pub(super) const GET_WAREHOUSE_IMPORT_HISTORY: Tool<Ask> = Tool {
    name: "mixpanel_get_warehouse_import_history",
    title: "Runs of a warehouse import",
    about: "Lists the last 30 runs of an import from a data warehouse, the newest first: state, beginning and end (in seconds since 1970), rows.",
    effect: Effect::Reads,
    params: OneWarehouseImport::FIELDS,
    output: &[
        Field::always("runs", LIST),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| history(ask, OneWarehouseImport::read(arguments)),
};

/// Mixpanel's own members, which depend on the kind of import and of warehouse.
const LIST: Shape = Shape::list(&Shape::MapOf(&Shape::Any));
pub(super) const IMPORT: &[Field] = &[
    Field::always("import_id", Shape::Id),
    Field::always("import", Shape::MapOf(&Shape::Any)).about("run_every is in nanoseconds."),
];

choice! {
    pub(super) enum Schedule {
        Manual = "manual",
        Hourly = "hourly",
        Daily = "daily",
        Weekly = "weekly",
    }
}

impl Schedule {
    pub(super) fn nanoseconds(self) -> u64 {
        const HOUR: u64 = 3_600_000_000_000;
        match self {
            Schedule::Manual => 0,
            Schedule::Hourly => HOUR,
            Schedule::Daily => 24 * HOUR,
            Schedule::Weekly => 7 * 24 * HOUR,
        }
    }
}

args! {
    struct ListWarehouseImports {
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct OneWarehouseImport {
        /// As mixpanel_list_warehouse_imports lists it.
        import_id: Id,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct UpdateWarehouseImport {
        /// As mixpanel_list_warehouse_imports lists it.
        import_id: Id,
        /// true pauses it, false resumes it. Default: as it is.
        paused: Option<bool>,
        /// How often it runs. Default: as it is.
        run_every: Option<Schedule>,
        /// Databricks: replaces the whole configuration of the cluster. Default: as it is.
        databricks_params: Option<Map<String, Value>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct DeleteWarehouseImport {
        /// As mixpanel_list_warehouse_imports lists it.
        import_id: Id,
        /// Whether the events that came in by it are deleted too. Default false.
        delete_data: Option<bool>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn list(ask: &Ask, args: ListWarehouseImports) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let imports = ask.mixpanel()?.app.warehouse_imports(&project)?;
    let found = imports.len();
    let (imports, whole) = ask.fitting_values(imports.into_iter().map(told));
    Ok(Answer {
        summary: format!(
            "project {project}: {}{}",
            counted(found, "warehouse import"),
            cut(whole, imports.len())
        ),
        data: Data::of([("imports", imports.into()), ("truncated", (!whole).into())]),
    })
}

fn get(ask: &Ask, args: OneWarehouseImport) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let id = args.import_id.number();
    let import = ask.mixpanel()?.app.warehouse_import(&project, id)?;
    let summary = format!("project {project}: {}", in_words(id, &import));
    Ok(answered(summary, id, import))
}

/// Only a cluster's configuration is replaced whole.
fn replacement(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = UpdateWarehouseImport::read(arguments);
    if args.databricks_params.is_none() {
        return Ok(None);
    }
    let project = ask.project(args.project_id.as_ref())?;
    let id = args.import_id.number();
    let import = ask.mixpanel()?.app.warehouse_import(&project, id)?;
    let replaces = !import["databricks_params"].is_null();
    Ok(replaces.then(|| Loss {
        name: id.to_string(),
        what: format!(
            "replace the whole cluster configuration of the {} in project {project}",
            in_words(id, &import)
        ),
    }))
}

fn update(ask: &Ask, args: UpdateWarehouseImport) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    if args.paused.is_none() && args.run_every.is_none() && args.databricks_params.is_none() {
        return Err(bad_arguments(vec![
            "paused, run_every, databricks_params: give at least one".into(),
        ]));
    }
    let app = &ask.mixpanel()?.app;
    let id = args.import_id.number();
    let schedule = args.run_every.map(Schedule::nanoseconds);
    let (paused, schedule) = match (args.paused, schedule) {
        (Some(paused), Some(schedule)) => (paused, schedule),
        // Mixpanel wants both: what is not to change is sent as it is.
        (paused, schedule) => {
            let now = app.warehouse_import(&project, id)?;
            let told = (now["paused"].as_bool(), now["run_every"].as_u64());
            match (paused.or(told.0), schedule.or(told.1)) {
                (Some(paused), Some(schedule)) => (paused, schedule),
                _ => {
                    return Err(Failure::new(
                        "unexpected_answer",
                        "Mixpanel does not tell whether the import is paused and how often it runs; give both paused and run_every",
                    ));
                }
            }
        }
    };
    let databricks = args.databricks_params.map(Value::Object);
    let import =
        app.update_warehouse_import(&project, id, paused, schedule, databricks.as_ref())?;
    let summary = format!("project {project}: changed {}", in_words(id, &import));
    Ok(answered(summary, id, import))
}

fn deletion(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = DeleteWarehouseImport::read(arguments);
    let project = ask.project(args.project_id.as_ref())?;
    let id = args.import_id.number();
    let import = ask.mixpanel()?.app.warehouse_import(&project, id)?;
    let data = match args.delete_data {
        Some(true) => " and all data that came in by it",
        _ => "; the data that came in by it stay",
    };
    Ok(Some(Loss {
        name: id.to_string(),
        what: format!(
            "delete the {} in project {project} for good{data}",
            in_words(id, &import)
        ),
    }))
}

fn delete(ask: &Ask, args: DeleteWarehouseImport) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let id = args.import_id.number();
    let with_data = args.delete_data == Some(true);
    let app = &ask.mixpanel()?.app;
    app.delete_warehouse_import(&project, id, with_data)?;
    let data = if with_data { " and its data" } else { "" };
    Ok(Answer {
        summary: format!("project {project}: warehouse import {id}{data} deleted"),
        data: Data::of([("import_id", id.to_string().into())]),
    })
}

fn run(ask: &Ask, args: OneWarehouseImport) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let id = args.import_id.number();
    let run_id = ask.mixpanel()?.app.run_warehouse_import(&project, id)?;
    Ok(Answer {
        summary: format!(
            "project {project}: warehouse import {id} runs; mixpanel_get_warehouse_import_history tells how it ends"
        ),
        data: Data::of([("run_id", run_id.into())]),
    })
}

fn history(ask: &Ask, args: OneWarehouseImport) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let id = args.import_id.number();
    let runs = ask.mixpanel()?.app.warehouse_import_history(&project, id)?;
    let found = runs.len();
    let last = runs
        .first()
        .and_then(|run| run["status"].as_str())
        .map(|status| format!(", the last {status}"));
    let runs = runs.into_iter().filter(Value::is_object);
    let (runs, whole) = ask.fitting_values(runs);
    Ok(Answer {
        summary: format!(
            "project {project}, warehouse import {id}: {}{}{}",
            counted(found, "run"),
            last.unwrap_or_default(),
            cut(whole, runs.len())
        ),
        data: Data::of([("runs", runs.into()), ("truncated", (!whole).into())]),
    })
}

pub(super) fn answered(summary: String, id: u64, import: Value) -> Answer {
    Answer {
        summary,
        data: Data::of([
            ("import_id", id.to_string().into()),
            ("import", told(import).into()),
        ]),
    }
}

/// An import as it goes out: a cluster's environment may hold passwords.
fn told(mut import: Value) -> Value {
    let cluster = import.pointer_mut("/databricks_params/export_cluster_config");
    if let Some(Value::Object(cluster)) = cluster {
        for name in HIDDEN_MAPS {
            if let Some(Value::Object(values)) = cluster.get_mut(*name) {
                values.values_mut().for_each(|value| *value = HIDDEN.into());
            }
        }
    }
    match import {
        Value::Object(_) => import,
        other => json!({ "import": other }),
    }
}

/// `event_stream import 7 of {"table":"orders"}, paused`
pub(super) fn in_words(id: u64, import: &Value) -> String {
    let kind = import["import_type"].as_str().unwrap_or("warehouse");
    let table = &import["table_params"];
    let table = match table.get("table").and_then(Value::as_str) {
        Some(name) => format!(" of the table {}", quoted(name)),
        None => String::new(),
    };
    let paused = match import["paused"].as_bool() {
        Some(true) => ", paused",
        _ => "",
    };
    format!("{kind} import {id}{table}{paused}")
}

fn cut(whole: bool, left: usize) -> String {
    match whole {
        true => String::new(),
        false => format!(
            "; truncated, {left} of them are here: the rest is more than this client takes in one answer"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_of_a_cluster_is_not_told() {
        let import = json!({"databricks_params": {"export_cluster_config": {
            "num_workers": 1, "spark_env_vars": {"PASSWORD": "hidden-canary"},
        }}});
        assert_eq!(
            told(import),
            json!({"databricks_params": {"export_cluster_config": {
                "num_workers": 1, "spark_env_vars": {"PASSWORD": HIDDEN},
            }}})
        );
    }
}
