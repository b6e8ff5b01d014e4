//! The app API: who one is, and what the projects are. Of it, only what these operations answer is read, and leniently:
//! Mixpanel does not document them. What belongs to a project has files of its own, such as `annotations.rs`.
//!
//! Its answers carry secrets of a project (`api_secret`, `api_key`); only what is typed here is kept, and the token
//! stays a [`Secret`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::api::Api;
use super::cache::Keep;
use super::credentials::{ProjectId, Secret};
use super::error::Error;
use super::http::Http;
use super::report::text_of;
use super::request::{Pairs, Request};

/// Looks up projects, and manages what belongs to them.
pub struct MixpanelAppApiClient {
    pub(super) http: Http,
}

/// What the service account can see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Me {
    /// By project id.
    pub projects: BTreeMap<String, MeProject>,
    /// By organization id.
    #[serde(default, deserialize_with = "lenient")]
    pub organizations: BTreeMap<String, MeOrganization>,
    /// By workspace id.
    #[serde(default, deserialize_with = "lenient")]
    pub workspaces: BTreeMap<String, Workspace>,
}

/// A project in [`Me`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeProject {
    /// Its name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// The organization that it belongs to.
    #[serde(default, deserialize_with = "id")]
    pub organization_id: Option<String>,
    /// The zone that its days are counted in, as in `US/Pacific`.
    #[serde(default, deserialize_with = "lenient")]
    pub timezone: Option<String>,
    /// The host of the project's region, as in `mixpanel.com` or `eu.mixpanel.com`.
    #[serde(default, deserialize_with = "lenient")]
    pub domain: Option<String>,
    /// What the service account is in it, as Mixpanel says it.
    #[serde(default)]
    pub role: Value,
}

/// An organization in [`Me`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeOrganization {
    /// Its name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// What the service account is in it, as Mixpanel says it.
    #[serde(default)]
    pub role: Value,
}

/// A workspace: a view on a part of a project's data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    /// Its id; in [`Me`] it may stand only in the key.
    #[serde(default, deserialize_with = "id")]
    pub id: Option<String>,
    /// Its name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// The project that it belongs to.
    #[serde(default, deserialize_with = "id")]
    pub project_id: Option<String>,
    /// Whether it is the view on all data.
    #[serde(default, deserialize_with = "lenient")]
    pub is_global: Option<bool>,
    /// Whether it is the one that is shown first.
    #[serde(default, deserialize_with = "lenient")]
    pub is_default: Option<bool>,
}

/// A project. The secrets in Mixpanel's answer are not kept, but for the token, which is never written out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProjectDetails {
    /// Its id.
    #[serde(default, deserialize_with = "id")]
    pub id: Option<String>,
    /// Its name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// The organization that it belongs to.
    #[serde(default, deserialize_with = "id")]
    pub organization_id: Option<String>,
    /// The zone that its days are counted in.
    #[serde(default, deserialize_with = "lenient")]
    pub timezone: Option<String>,
    /// The host of the project's region.
    #[serde(default, deserialize_with = "lenient")]
    pub domain: Option<String>,
    /// What events are sent with.
    #[serde(default, deserialize_with = "lenient", skip_serializing)]
    pub(super) token: Option<Secret>,
}

/// These operations are not documented: a member of another shape counts as left out, and the rest is still read.
pub(super) fn lenient<'de, T: DeserializeOwned + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// An id comes as a number or as a text.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        value => Some(text_of(value)),
    })
}

/// What an answer has as its `results`.
///
/// These answers are small and of many forms. Each is read out of a [`Value`], as their lenient members are, so that the
/// program holds one way of reading a form and not two.
struct Enveloped<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Enveloped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Enveloped<T>, D::Error> {
        let mut answer = Value::deserialize(deserializer)?;
        let results = answer.get_mut("results").map(Value::take);
        let results = results.ok_or_else(|| D::Error::missing_field("results"))?;
        let results = serde_json::from_value(results);
        results.map(Enveloped).map_err(D::Error::custom)
    }
}

/// The same, or the whole answer.
struct MaybeEnveloped<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for MaybeEnveloped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MaybeEnveloped<T>, D::Error> {
        let mut answer = Value::deserialize(deserializer)?;
        let results = answer.get_mut("results").map(Value::take);
        let results = serde_json::from_value(results.unwrap_or(answer));
        results.map(MaybeEnveloped).map_err(D::Error::custom)
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

    pub(super) fn results<T: DeserializeOwned>(
        &self,
        request: &Request<'_>,
        expected: &'static str,
    ) -> Result<T, Error> {
        let Enveloped(results) = self.http.json(request, expected)?;
        Ok(results)
    }

    /// For operations that answer with or without the envelope, depending on which page of Mixpanel's one reads.
    pub(super) fn results_or_bare<T: DeserializeOwned>(
        &self,
        request: &Request<'_>,
        expected: &'static str,
    ) -> Result<T, Error> {
        let MaybeEnveloped(results) = self.http.json(request, expected)?;
        Ok(results)
    }
}
