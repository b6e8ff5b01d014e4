//! Service accounts of an organization, and which projects they belong to.
//! <https://developer.mixpanel.com/reference/service-accounts-api>
//!
//! The answer to a creation holds the only copy of a secret; it stays a [`Secret`] until it is asked for by name.

use serde::Serialize;
use serde_json::{Value, json};

use super::api::Api;
use super::app::MixpanelAppApiClient;
use super::credentials::{ProjectId, Secret};
use super::error::Error;
use super::request::{Body, Pairs, Request};
use super::told::{Members, Told};

/// A service account as Mixpanel tells of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceAccountDetails {
    /// Its id.
    pub id: u64,
    /// The name that it signs in with.
    pub username: String,
    /// When it was last used.
    pub last_used: Option<String>,
    /// When it ends.
    pub expires: Option<String>,
    /// The id of the user who made it.
    pub creator: Option<String>,
    /// When it was made.
    pub created: Option<String>,
    /// What it is in the project that was asked about; nothing where an organization was.
    pub role: Option<String>,
}

/// A service account that is to be made.
#[derive(Debug, Clone)]
pub struct NewServiceAccount<'a> {
    /// A telling name; Mixpanel adds to it.
    pub username: &'a str,
    /// Its role in the organization: `owner`, `admin`, `analyst` or `consumer`.
    pub role: Option<&'a str>,
    /// When it ends, RFC 3339.
    pub expires: Option<&'a str>,
    /// Its projects.
    pub projects: &'a [ProjectRole<'a>],
}

/// A part in a project.
#[derive(Debug, Clone)]
pub struct ProjectRole<'a> {
    /// The project.
    pub project: &'a ProjectId,
    /// `owner`, `admin`, `analyst` or `consumer`.
    pub role: &'a str,
}

/// A service account that was just made, with the only copy of its secret.
#[derive(Debug, Clone)]
pub struct CreatedServiceAccount {
    /// The account.
    pub account: ServiceAccountDetails,
    /// The secret that it signs in with.
    token: Secret,
}

impl Told for ServiceAccountDetails {
    fn told(value: Value) -> Option<ServiceAccountDetails> {
        let mut members = Members::of(value)?;
        Some(ServiceAccountDetails {
            id: members.take("id")?,
            username: members.take("username").unwrap_or_default(),
            last_used: members.take("last_used"),
            expires: members.take("expires"),
            creator: members.id("creator"),
            created: members.take("created"),
            role: members.take("role"),
        })
    }
}

impl Told for CreatedServiceAccount {
    fn told(value: Value) -> Option<CreatedServiceAccount> {
        let mut members = Members::of(value)?;
        Some(CreatedServiceAccount {
            token: members.take("token")?,
            account: ServiceAccountDetails::told(members.rest())?,
        })
    }
}

impl CreatedServiceAccount {
    /// The secret. Mixpanel does not tell it again: it goes to whoever asked for it by name, and nowhere else.
    pub fn reveal_token(&self) -> &str {
        self.token.expose()
    }
}

/// Service accounts. All errors are those of a request.
impl MixpanelAppApiClient {
    /// All service accounts of an organization.
    pub fn service_accounts(&self, organization: u64) -> Result<Vec<ServiceAccountDetails>, Error> {
        let path = accounts_path(organization);
        self.results(&Request::managed(path, Pairs::new()), ACCOUNTS)
    }

    /// The service accounts that belong to a project, with their roles in it.
    pub fn project_service_accounts(
        &self,
        project: &ProjectId,
    ) -> Result<Vec<ServiceAccountDetails>, Error> {
        let path = format!("/projects/{project}/service-accounts");
        self.results(&Request::managed(path, Pairs::new()), ACCOUNTS)
    }

    /// One service account.
    pub fn service_account(
        &self,
        organization: u64,
        account: u64,
    ) -> Result<ServiceAccountDetails, Error> {
        let path = format!("{}/{account}", accounts_path(organization));
        let request = Request::managed(path, Pairs::new());
        self.results_or_bare(&request, "a service account")
    }

    /// Makes a service account.
    pub fn create_service_account(
        &self,
        organization: u64,
        new: &NewServiceAccount<'_>,
    ) -> Result<CreatedServiceAccount, Error> {
        let mut body = json!({"username": new.username});
        if let Some(role) = new.role {
            body["role"] = role.into();
        }
        if let Some(expires) = new.expires {
            body["expires"] = expires.into();
        }
        if !new.projects.is_empty() {
            body["projects"] = roles(new.projects);
        }
        let path = accounts_path(organization);
        let request = Request::write(Api::App, path, Body::post(&body));
        self.results(&request, "results with a service account and its token")
    }

    /// Takes a service account out of all its projects, and deletes it.
    pub fn delete_service_account(&self, organization: u64, account: u64) -> Result<(), Error> {
        let path = format!("{}/{account}", accounts_path(organization));
        self.http
            .done(&Request::write(Api::App, path, Body::Delete))
    }

    /// Makes each account a member of each project, in the project's role.
    pub fn add_service_accounts(
        &self,
        organization: u64,
        projects: &[ProjectRole<'_>],
        accounts: &[u64],
    ) -> Result<(), Error> {
        let path = format!("{}/add-to-project", accounts_path(organization));
        let body = json!({"projects": roles(projects), "service_account_ids": accounts});
        self.http
            .done(&Request::write(Api::App, path, Body::post(&body)))
    }

    /// Takes each account out of each project.
    pub fn remove_service_accounts(
        &self,
        organization: u64,
        projects: &[ProjectId],
        accounts: &[u64],
    ) -> Result<(), Error> {
        let path = format!("{}/remove-from-project", accounts_path(organization));
        let projects: Vec<Value> = projects
            .iter()
            .map(|project| json!({"id": number(project), "service_account_ids": accounts}))
            .collect();
        let body = json!({ "projects": projects });
        self.http
            .done(&Request::write(Api::App, path, Body::post(&body)))
    }
}

const ACCOUNTS: &str = "results with a list of service accounts";

fn accounts_path(organization: u64) -> String {
    format!("/organizations/{organization}/service-accounts")
}

fn roles(projects: &[ProjectRole<'_>]) -> Value {
    projects
        .iter()
        .map(|part| json!({"id": number(part.project), "role": part.role}))
        .collect()
}

/// Here a project's id is a JSON number; one has at most 19 digits.
fn number(project: &ProjectId) -> Option<u64> {
    project.as_str().parse().ok()
}
