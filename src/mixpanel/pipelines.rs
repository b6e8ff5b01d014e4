//! Data pipelines, which export a project's data to storage and warehouses. Mixpanel has deprecated them.
//! <https://developer.mixpanel.com/reference/data-pipelines-api>
//!
//! They stand on the hosts of the raw export, but draw on none of its quota. Answers are passed on as they come: they are documented by example only.

use serde_json::Value;

use super::api::Api;
use super::credentials::{ProjectId, Secret};
use super::error::Error;
use super::export::MixpanelExportClient;
use super::request::{Body, Pairs, Request};

/// Names and values of a form, as Mixpanel documents them for each type of pipeline. `project_id` is put in.
#[derive(Debug, Clone, Default)]
pub struct PipelineForm<'a> {
    /// A name may come more than once: each event to be exported is one `events`.
    pub fields: &'a [(String, String)],
    /// Those whose values must not be shown, as in `client_secret` or `snowflake_password`.
    pub secrets: &'a [(String, Secret)],
}

/// What can be done to a pipeline as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipelineStep {
    /// No job runs until it is resumed.
    Pause,
    /// Jobs run again.
    Resume,
    /// It ends, and its history is lost.
    Cancel,
}

/// Pipelines. All errors are those of a request.
impl MixpanelExportClient {
    /// All pipelines: lists by the project's id, with `name`, `Dispatcher`, `last_dispatched`, `frequency` and
    /// `sync_enabled`.
    pub fn pipelines(&self, project: &ProjectId) -> Result<Value, Error> {
        let request = asked("/nessie/pipeline/jobs", Pairs::of(project));
        self.http.json(&request, "lists of pipelines by project")
    }

    /// Makes a pipeline, and gives `pipeline_names`. The form needs `type`, `from_date` and what the type needs.
    pub fn create_pipeline(
        &self,
        project: &ProjectId,
        form: &PipelineForm<'_>,
    ) -> Result<Value, Error> {
        let request = changed("/nessie/pipeline/create", Pairs::of(project), form);
        self.http.json(&request, "names of pipelines")
    }

    /// Changes what a pipeline exports: the form may have `events`, `where` and what the type has.
    pub fn update_pipeline(
        &self,
        project: &ProjectId,
        name: &str,
        form: &PipelineForm<'_>,
    ) -> Result<(), Error> {
        let pairs = Pairs::of(project).with("name", name);
        self.http
            .done(&changed("/nessie/pipeline/edit", pairs, form))
    }

    /// Pauses, resumes or ends a pipeline.
    pub fn step_pipeline(
        &self,
        project: &ProjectId,
        name: &str,
        step: PipelineStep,
    ) -> Result<(), Error> {
        let path = match step {
            PipelineStep::Pause => "/nessie/pipeline/pause",
            PipelineStep::Resume => "/nessie/pipeline/resume",
            PipelineStep::Cancel => "/nessie/pipeline/cancel",
        };
        let pairs = Pairs::of(project).with("name", name);
        self.http
            .done(&changed(path, pairs, &PipelineForm::default()))
    }

    /// A pipeline's tasks by their state, of the given states or of all: `pending`, `running`, `retried`, `failed`,
    /// `canceled`, `timed_out`. A summary has only their numbers.
    pub fn pipeline_status(
        &self,
        project: &ProjectId,
        name: &str,
        summary: bool,
        states: &[&str],
    ) -> Result<Value, Error> {
        let pairs = Pairs::of(project)
            .with("name", name)
            .with_some("summary", summary.then_some(true));
        let pairs = states
            .iter()
            .fold(pairs, |pairs, state| pairs.with("status", state));
        let request = asked("/nessie/pipeline/status", pairs);
        self.http.json(&request, "tasks by their state")
    }

    /// When the days of a pipeline were synced: `day_syncs`, each with `date`, `sync_times` and `status`.
    pub fn pipeline_timeline(&self, project: &ProjectId, name: &str) -> Result<Value, Error> {
        let pairs = Pairs::of(project).with("name", name);
        let request = asked("/nessie/pipeline/timeline", pairs);
        self.http.json(&request, "syncs by date")
    }
}

fn asked(path: &'static str, pairs: Pairs) -> Request<'static> {
    Request {
        metered: false,
        ..Request::read(Api::Export, path, pairs)
    }
}

fn changed<'a>(path: &'static str, pairs: Pairs, form: &PipelineForm<'a>) -> Request<'a> {
    let pairs = form.fields.iter().fold(pairs, |pairs, (name, value)| {
        pairs.with(name.clone(), value)
    });
    let pairs = form.secrets.iter().fold(pairs, |pairs, (name, secret)| {
        pairs.with(name.clone(), secret.expose())
    });
    Request {
        hidden: form.secrets.iter().map(|(_, secret)| secret).collect(),
        metered: false,
        ..Request::write(Api::Export, path, Body::Form(pairs))
    }
}
