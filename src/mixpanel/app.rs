//! The app API: who one is, and what the projects are. Of it, only what these operations answer is read, and leniently:
//! Mixpanel does not document them. What belongs to a project has files of its own, such as `annotations.rs`.
//!
//! Its answers carry secrets of a project (`api_secret`, `api_key`); only what is typed here is kept, and the token
//! stays a [`Secret`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::api::Api;
use super::cache::Keep;
use super::credentials::{ProjectId, Secret};
use super::error::Error;
use super::http::Http;
use super::request::{Pairs, Request};
use super::told::{Members, Told, unwrapped};

/// Looks up projects, and manages what belongs to them.
pub struct MixpanelAppApiClient {
    pub(super) http: Http,
}

/// What the service account can see.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Me {
    /// By project id.
    pub projects: BTreeMap<String, MeProject>,
    /// By organization id.
    pub organizations: BTreeMap<String, MeOrganization>,
    /// By workspace id.
    pub workspaces: BTreeMap<String, Workspace>,
}

/// A project in [`Me`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeProject {
    /// Its name.
    pub name: Option<String>,
    /// The organization that it belongs to.
    pub organization_id: Option<String>,
    /// The zone that its days are counted in, as in `US/Pacific`.
    pub timezone: Option<String>,
    /// The host of the project's region, as in `mixpanel.com` or `eu.mixpanel.com`.
    pub domain: Option<String>,
    /// What the service account is in it, as Mixpanel says it.
    pub role: Value,
}

/// An organization in [`Me`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeOrganization {
    /// Its name.
    pub name: Option<String>,
    /// What the service account is in it, as Mixpanel says it.
    pub role: Value,
}

/// A workspace: a view on a part of a project's data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Workspace {
    /// Its id; in [`Me`] it may stand only in the key.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// Whether it is the view on all data.
    pub is_global: Option<bool>,
    /// Whether it is the one that is shown first.
    pub is_default: Option<bool>,
}

/// A project. The secrets in Mixpanel's answer are not kept, but for the token, which is never written out.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectDetails {
    /// Its id.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The organization that it belongs to.
    pub organization_id: Option<String>,
    /// The zone that its days are counted in.
    pub timezone: Option<String>,
    /// The host of the project's region.
    pub domain: Option<String>,
    /// What events are sent with.
    #[serde(skip_serializing)]
    pub(super) token: Option<Secret>,
}

impl Told for Me {
    fn told(value: Value) -> Option<Me> {
        let mut members = Members::of(value)?;
        Some(Me {
            projects: members.take("projects")?,
            organizations: members.take("organizations").unwrap_or_default(),
            workspaces: members.take("workspaces").unwrap_or_default(),
        })
    }
}

impl Told for MeProject {
    fn told(value: Value) -> Option<MeProject> {
        let mut members = Members::of(value)?;
        Some(MeProject {
            name: members.take("name"),
            organization_id: members.id("organization_id"),
            timezone: members.take("timezone"),
            domain: members.take("domain"),
            role: members.take("role").unwrap_or_default(),
        })
    }
}

impl Told for MeOrganization {
    fn told(value: Value) -> Option<MeOrganization> {
        let mut members = Members::of(value)?;
        Some(MeOrganization {
            name: members.take("name"),
            role: members.take("role").unwrap_or_default(),
        })
    }
}

impl Told for Workspace {
    fn told(value: Value) -> Option<Workspace> {
        let mut members = Members::of(value)?;
        Some(Workspace {
            id: members.id("id"),
            name: members.take("name"),
            project_id: members.id("project_id"),
            is_global: members.take("is_global"),
            is_default: members.take("is_default"),
        })
    }
}

impl Told for ProjectDetails {
    fn told(value: Value) -> Option<ProjectDetails> {
        let mut members = Members::of(value)?;
        Some(ProjectDetails {
            id: members.id("id"),
            name: members.take("name"),
            organization_id: members.id("organization_id"),
            timezone: members.take("timezone"),
            domain: members.take("domain"),
            token: members.take("token"),
        })
    }
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
        self.me_within(None)
    }

    /// The same, with the most time that it may take.
    pub(super) fn me_within(&self, patience: Option<Duration>) -> Result<Me, Error> {
        let request = Request {
            patience,
            ..Request::read(Api::App, "/me", Pairs::new())
        };
        self.results(&request, "results with a map of projects")
    }

    /// One project.
    ///
    /// # Errors
    ///
    /// Those of a request.
    pub fn project(&self, project: &ProjectId) -> Result<ProjectDetails, Error> {
        let request = Request {
            // The answer has secrets of the project beside what is read.
            keep: Keep::Never,
            ..Request::read(Api::App, format!("/projects/{project}"), Pairs::new())
        };
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
            format!("/projects/{project}/workspaces/public"),
            Pairs::new(),
        );
        self.results(&request, "results with a list of workspaces")
    }

    /// What the answer has as its `results`.
    pub(super) fn results<T: Told>(
        &self,
        request: &Request<'_>,
        expected: &'static str,
    ) -> Result<T, Error> {
        self.http.read_value(request, expected, |answer| {
            Members::of(answer)?.take("results")
        })
    }

    /// What these results have as this member.
    pub(super) fn result<T: Told>(
        &self,
        request: &Request<'_>,
        member: &str,
        expected: &'static str,
    ) -> Result<T, Error> {
        self.http.read_value(request, expected, |answer| {
            let mut results: Members = Members::of(answer)?.take("results")?;
            results.take(member)
        })
    }

    /// For operations that answer with or without the envelope, depending on which page of Mixpanel's one reads.
    pub(super) fn results_or_bare<T: Told>(
        &self,
        request: &Request<'_>,
        expected: &'static str,
    ) -> Result<T, Error> {
        self.http.read_value(request, expected, |answer| {
            T::told(unwrapped(answer, "results"))
        })
    }
}
