//! Warehouse imports: tables of a data warehouse that Mixpanel reads in.
//! <https://developer.mixpanel.com/reference/warehouse-connectors-api>
//!
//! An import is passed on as it comes: its columns depend on what is imported, its table on the warehouse.

use serde_json::{Map, Value, json};

use super::api::Api;
use super::app::MixpanelAppApiClient;
use super::credentials::ProjectId;
use super::error::Error;
use super::request::{Body, Pairs, Request};

/// What the rows of a table become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarehouseImportKind {
    /// Events.
    EventStream,
    /// Profiles of users.
    People,
    /// Profiles of groups.
    Groups,
    /// Rows of a lookup table.
    LookupTable,
}

impl WarehouseImportKind {
    /// Mixpanel's word for it in `import_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            WarehouseImportKind::EventStream => "event_stream",
            WarehouseImportKind::People => "people",
            WarehouseImportKind::Groups => "groups",
            WarehouseImportKind::LookupTable => "lookup_table",
        }
    }

    const fn in_path(self) -> &'static str {
        match self {
            WarehouseImportKind::EventStream => "event-stream",
            WarehouseImportKind::People => "people",
            WarehouseImportKind::Groups => "groups",
            WarehouseImportKind::LookupTable => "lookup-table",
        }
    }
}

/// Warehouse imports. All errors are those of a request.
impl MixpanelAppApiClient {
    /// All imports of a project.
    pub fn warehouse_imports(&self, project: &ProjectId) -> Result<Vec<Value>, Error> {
        let request = Request::managed(imports_path(project), Pairs::new());
        self.results(&request, "results with a list of imports")
    }

    /// One import, with its columns.
    pub fn warehouse_import(&self, project: &ProjectId, import: u64) -> Result<Value, Error> {
        let path = format!("{}/{import}", imports_path(project));
        self.results(&Request::managed(path, Pairs::new()), IMPORT)
    }

    /// Makes an import. `settings` are all members but `import_type`; all need `warehouse_source_id`, `table_params`
    /// and `sync_mode`, and each kind its own columns.
    pub fn create_warehouse_import(
        &self,
        project: &ProjectId,
        kind: WarehouseImportKind,
        settings: &Map<String, Value>,
    ) -> Result<Value, Error> {
        let mut body = settings.clone();
        body.insert("import_type".into(), kind.as_str().into());
        let path = format!("{}/{}", imports_path(project), kind.in_path());
        let request = Request::write(Api::App, path, Body::post(&Value::Object(body)));
        self.results(&request, IMPORT)
    }

    /// Pauses or resumes an import, and says how often it runs, in nanoseconds: 0 (only when asked), an hour, a day
    /// or a week. `databricks_params` replaces the whole configuration of a Databricks cluster.
    pub fn update_warehouse_import(
        &self,
        project: &ProjectId,
        import: u64,
        paused: bool,
        run_every_ns: u64,
        databricks_params: Option<&Value>,
    ) -> Result<Value, Error> {
        let mut body = json!({"paused": paused, "run_every": run_every_ns});
        if let Some(parameters) = databricks_params {
            body["databricks_params"] = parameters.clone();
        }
        let path = format!("{}/{import}", imports_path(project));
        self.results(&Request::write(Api::App, path, Body::patch(&body)), IMPORT)
    }

    /// Deletes an import, and with `delete_data` the events that came in by it.
    pub fn delete_warehouse_import(
        &self,
        project: &ProjectId,
        import: u64,
        delete_data: bool,
    ) -> Result<(), Error> {
        let path = format!("{}/{import}", imports_path(project));
        let body = json!({ "delete_data": delete_data }).to_string();
        let body = Body::DeleteJson(body.into_bytes());
        self.http.done(&Request::write(Api::App, path, body))
    }

    /// Runs an import now, which costs the warehouse's time, and gives the run's id.
    pub fn run_warehouse_import(&self, project: &ProjectId, import: u64) -> Result<String, Error> {
        let path = format!("{}/{import}/manual-sync", imports_path(project));
        let request = Request::write(Api::App, path, Body::put(&json!({})));
        self.result(&request, "run_id", "results with the id of a run")
    }

    /// The last 30 runs of an import.
    pub fn warehouse_import_history(
        &self,
        project: &ProjectId,
        import: u64,
    ) -> Result<Vec<Value>, Error> {
        let path = format!("{}/{import}/history", imports_path(project));
        let request = Request::managed(path, Pairs::new());
        self.result(&request, "runs", "results with a list of runs")
    }
}

const IMPORT: &str = "results with an import";

fn imports_path(project: &ProjectId) -> String {
    format!("/projects/{project}/warehouse-sources/imports")
}
