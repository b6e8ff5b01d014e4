//! Feature flags: their management in the app API, and what they decide for a user in the ingestion API.
//! <https://developer.mixpanel.com/reference/feature-flags>
//!
//! A flag is passed on as it comes: the form of its ruleset is Mixpanel's, and what changes one must send it whole.

use serde_json::{Map, Value};

use super::api::Api;
use super::app::MixpanelAppApiClient;
use super::credentials::ProjectId;
use super::error::Error;
use super::ingestion::MixpanelIngestionClient;
use super::request::{Body, Pairs, Request, part};
use super::told::Members;

/// Feature flags of a workspace. All errors are those of a request; [`Error::RefusedUnder200`] is how Mixpanel may
/// refuse a flag. `id` is a UUID.
impl MixpanelAppApiClient {
    /// The flags, also the archived ones if asked for.
    pub fn feature_flags(
        &self,
        project: &ProjectId,
        workspace: u64,
        include_archived: bool,
    ) -> Result<Vec<Value>, Error> {
        let pairs = Pairs::new().with("include_archived", include_archived);
        let request = Request::managed(flags_path(project, workspace), pairs);
        self.results(&request, "results with a list of feature flags")
    }

    /// One flag.
    pub fn feature_flag(
        &self,
        project: &ProjectId,
        workspace: u64,
        id: &str,
    ) -> Result<Value, Error> {
        let path = flag_path(project, workspace, id)?;
        self.results(&Request::managed(path, Pairs::new()), FLAG)
    }

    /// Makes a flag. It needs `name`, `key`, `tags`, `context`, `serving_method` and `ruleset`; unless `status` says
    /// otherwise it is disabled. Unknown members are refused.
    pub fn create_feature_flag(
        &self,
        project: &ProjectId,
        workspace: u64,
        flag: &Value,
    ) -> Result<Value, Error> {
        let path = flags_path(project, workspace);
        self.results(&Request::write(Api::App, path, Body::post(flag)), FLAG)
    }

    /// Replaces a flag whole; what is left out of `flag` is lost. It changes what users get at once.
    pub fn update_feature_flag(
        &self,
        project: &ProjectId,
        workspace: u64,
        id: &str,
        flag: &Value,
    ) -> Result<Value, Error> {
        let path = flag_path(project, workspace, id)?;
        self.results(&Request::write(Api::App, path, Body::put(flag)), FLAG)
    }

    /// Deletes a flag.
    pub fn delete_feature_flag(
        &self,
        project: &ProjectId,
        workspace: u64,
        id: &str,
    ) -> Result<(), Error> {
        let path = flag_path(project, workspace, id)?;
        self.http
            .done(&Request::write(Api::App, path, Body::Delete))
    }
}

/// What flags decide. All errors are those of a request.
impl MixpanelIngestionClient {
    /// The variants that a user gets, by the flags' keys: `variant_key`, `variant_value` and, where it is part of one,
    /// the experiment. Flags that the user has no part in are left out. `context` needs `distinct_id`, and may have
    /// `device_id` and `custom_properties`.
    pub fn evaluate_flags(
        &self,
        project: &ProjectId,
        context: &Value,
    ) -> Result<Map<String, Value>, Error> {
        let pairs = Pairs::of(project).with("context", context);
        let request = Request::read(Api::Ingestion, "/flags", pairs);
        self.http
            .read_value(&request, "flags by their keys", |answer| {
                Members::of(answer)?.take("flags")
            })
    }

    /// The definitions of all enabled flags.
    pub fn flag_definitions(&self, project: &ProjectId) -> Result<Vec<Value>, Error> {
        let request = Request::read(Api::Ingestion, "/flags/definitions", Pairs::of(project));
        self.http.read_value(&request, "a list of flags", |answer| {
            Members::of(answer)?.take("flags")
        })
    }
}

const FLAG: &str = "results with a feature flag";

fn flags_path(project: &ProjectId, workspace: u64) -> String {
    format!("/projects/{project}/workspaces/{workspace}/feature-flags")
}

fn flag_path(project: &ProjectId, workspace: u64, id: &str) -> Result<String, Error> {
    let id = part("the flag's id", id)?;
    Ok(format!("{}/{id}", flags_path(project, workspace)))
}
