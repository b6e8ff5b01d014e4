//! The app API: projects and what belongs to them.
//!
//! Its answers carry secrets of a project (`api_secret`, `api_key`); only what is typed here is read, and the token
//! stays a [`Secret`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::Api;
use super::credentials::{ProjectId, Secret};
use super::error::Error;
use super::http::Http;
use super::request::{Pairs, Request};

/// Looks up projects.
pub struct MixpanelAppApiClient {
    http: Http,
}

/// What the service account can see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Me {
    /// By project id.
    #[serde(default)]
    pub projects: BTreeMap<String, MeProject>,
    /// By organization id.
    #[serde(default)]
    pub organizations: BTreeMap<String, MeOrganization>,
    /// By workspace id.
    #[serde(default)]
    pub workspaces: BTreeMap<String, Workspace>,
}

/// A project in [`Me`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeProject {
    /// Its name.
    pub name: Option<String>,
    /// The organization that it belongs to.
    #[serde(alias = "organizationId")]
    pub organization_id: Option<u64>,
    /// The zone that its days are counted in, as in `US/Pacific`.
    pub timezone: Option<String>,
    /// The host of the project's region, as in `mixpanel.com` or `eu.mixpanel.com`.
    pub domain: Option<String>,
    /// Its region, where Mixpanel says so.
    pub cluster: Option<String>,
    /// What the service account is in it, as in `admin` or `consumer`.
    pub role: Option<Value>,
}

/// An organization in [`Me`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeOrganization {
    /// Its name.
    pub name: Option<String>,
    /// What the service account is in it.
    pub role: Option<Value>,
}

/// A workspace: a view on a part of a project's data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    /// Its id; in [`Me`] it may stand only in the key.
    pub id: Option<u64>,
    /// Its name.
    pub name: Option<String>,
    /// The project that it belongs to.
    #[serde(alias = "projectId")]
    pub project_id: Option<u64>,
    /// Whether it is the view on all data.
    pub is_global: Option<bool>,
    /// Whether it is the one that is shown first.
    pub is_default: Option<bool>,
}

/// A project. The secrets in Mixpanel's answer are not read, but for the token, which is never written out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProjectDetails {
    /// Its id.
    pub id: Option<u64>,
    /// Its name.
    pub name: Option<String>,
    /// The organization that it belongs to.
    #[serde(alias = "organizationId")]
    pub organization_id: Option<u64>,
    /// The zone that its days are counted in.
    pub timezone: Option<String>,
    /// The host of the project's region.
    pub domain: Option<String>,
    /// When it was made.
    #[serde(alias = "createdAt")]
    pub created: Option<String>,
    /// What events are sent with.
    #[serde(skip_serializing)]
    pub(super) token: Option<Secret>,
}

#[derive(Deserialize)]
struct Envelope<T> {
    results: T,
}

impl MixpanelAppApiClient {
    pub(super) fn new(http: Http) -> MixpanelAppApiClient {
        MixpanelAppApiClient { http }
    }

    /// The projects, organizations and workspaces that the service account can see.
    ///
    /// # Errors
    ///
    /// Those of a request.
    pub fn me(&self) -> Result<Me, Error> {
        let request = Request::read(Api::App, "/me", Pairs::new());
        self.results(&request, "results with a map of projects")
    }

    /// One project.
    ///
    /// # Errors
    ///
    /// Those of a request.
    pub fn project(&self, project: &ProjectId) -> Result<ProjectDetails, Error> {
        let request = Request::read(Api::App, format!("/projects/{project}"), Pairs::new());
        self.results(&request, "results with a project")
    }

    /// The workspaces of a project.
    ///
    /// # Errors
    ///
    /// Those of a request.
    pub fn workspaces(&self, project: &ProjectId) -> Result<Vec<Workspace>, Error> {
        let request = Request::read(
            Api::App,
            format!("/projects/{project}/workspaces"),
            Pairs::new(),
        );
        self.results(&request, "results with a list of workspaces")
    }

    fn results<T: serde::de::DeserializeOwned>(
        &self,
        request: &Request<'_>,
        expected: &'static str,
    ) -> Result<T, Error> {
        self.http
            .json::<Envelope<T>>(request, expected)
            .map(|envelope| envelope.results)
    }
}
