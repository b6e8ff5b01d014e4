//! Experiments of a workspace, and the steps of their life: draft, active, concluded, decided.
//! <https://developer.mixpanel.com/reference/experiments>
//!
//! An experiment is passed on as it comes: Mixpanel leaves the form of its settings, variants and metrics open.

use serde_json::{Value, json};

use super::api::Api;
use super::app::MixpanelAppApiClient;
use super::error::Error;
use super::request::{Body, Pairs, Request, part};

/// How an experiment ended.
#[derive(Debug, Clone)]
pub struct ExperimentDecision<'a> {
    /// Whether it did what was hoped for.
    pub success: bool,
    /// The key of the variant that won.
    pub variant: Option<&'a str>,
    /// Why.
    pub message: Option<&'a str>,
}

/// Experiments. All errors are those of a request; [`Error::RefusedUnder200`] is how Mixpanel may refuse a step that
/// the experiment's state does not allow. `id` is a UUID.
impl MixpanelAppApiClient {
    /// All experiments of a workspace.
    pub fn experiments(&self, workspace: u64) -> Result<Vec<Value>, Error> {
        let request = Request::managed(experiments_path(workspace), Pairs::new());
        self.results(&request, "results with a list of experiments")
    }

    /// One experiment.
    pub fn experiment(&self, workspace: u64, id: &str) -> Result<Value, Error> {
        let path = experiment_path(workspace, id, "")?;
        self.results(&Request::managed(path, Pairs::new()), EXPERIMENT)
    }

    /// Makes a draft. `experiment` needs `name`, and may have `description`, `hypothesis`, `settings`, `variants`,
    /// `metrics` and `global_access_type`.
    pub fn create_experiment(&self, workspace: u64, experiment: &Value) -> Result<Value, Error> {
        let path = experiments_path(workspace);
        self.experiment_after(path, Body::post(experiment))
    }

    /// Changes the members that `changes` has.
    pub fn update_experiment(
        &self,
        workspace: u64,
        id: &str,
        changes: &Value,
    ) -> Result<Value, Error> {
        let path = experiment_path(workspace, id, "")?;
        self.experiment_after(path, Body::patch(changes))
    }

    /// Deletes an experiment.
    pub fn delete_experiment(&self, workspace: u64, id: &str) -> Result<(), Error> {
        let path = experiment_path(workspace, id, "")?;
        self.http
            .done(&Request::write(Api::App, path, Body::Delete))
    }

    /// Puts an experiment out of sight.
    pub fn archive_experiment(&self, workspace: u64, id: &str) -> Result<(), Error> {
        let path = experiment_path(workspace, id, "/archive")?;
        let request = Request::write(Api::App, path, Body::post(&json!({})));
        self.http.done(&request)
    }

    /// Brings an archived experiment back.
    pub fn unarchive_experiment(&self, workspace: u64, id: &str) -> Result<Value, Error> {
        let path = experiment_path(workspace, id, "/archive")?;
        self.experiment_after(path, Body::Delete)
    }

    /// Starts a draft: users get its variants from now on.
    pub fn launch_experiment(&self, workspace: u64, id: &str) -> Result<Value, Error> {
        let path = experiment_path(workspace, id, "/launch")?;
        self.experiment_after(path, Body::put(&json!({})))
    }

    /// Ends an active experiment, at once or at `end_date` (ISO 8601).
    pub fn conclude_experiment(
        &self,
        workspace: u64,
        id: &str,
        end_date: Option<&str>,
    ) -> Result<Value, Error> {
        let path = experiment_path(workspace, id, "/force_conclude")?;
        let body = match end_date {
            Some(end_date) => json!({ "end_date": end_date }),
            None => json!({}),
        };
        self.experiment_after(path, Body::put(&body))
    }

    /// Decides a concluded experiment.
    pub fn decide_experiment(
        &self,
        workspace: u64,
        id: &str,
        decision: &ExperimentDecision<'_>,
    ) -> Result<Value, Error> {
        let path = experiment_path(workspace, id, "/decide")?;
        let mut body = json!({"success": decision.success});
        if let Some(variant) = decision.variant {
            body["variant"] = variant.into();
        }
        if let Some(message) = decision.message {
            body["message"] = message.into();
        }
        self.experiment_after(path, Body::patch(&body))
    }

    fn experiment_after(&self, path: String, body: Body) -> Result<Value, Error> {
        self.results(&Request::write(Api::App, path, body), EXPERIMENT)
    }
}

const EXPERIMENT: &str = "results with an experiment";

fn experiments_path(workspace: u64) -> String {
    format!("/workspaces/{workspace}/experiments")
}

fn experiment_path(workspace: u64, id: &str, step: &str) -> Result<String, Error> {
    let id = part("the experiment's id", id)?;
    Ok(format!("/workspaces/{workspace}/experiments/{id}{step}"))
}
