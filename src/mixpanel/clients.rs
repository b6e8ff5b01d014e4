//! The room's front door: one [`Mixpanel`] a process, one set of [`Clients`] a call.

use std::path::PathBuf;
use std::sync::Arc;

use super::api::{BaseUrls, Timeouts};
use super::app::MixpanelAppApiClient;
use super::credentials::{Caller, Environment, ProjectId, Secret, ServiceAccount};
use super::error::Error;
use super::export::MixpanelExportClient;
use super::http::Http;
use super::ingestion::MixpanelIngestionClient;
use super::lines::Lines;
use super::query::MixpanelQueryClient;
use super::region::Region;
use super::stop::Stop;

/// What the settings say about Mixpanel.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where a caller's projects are, if the request does not say.
    pub region: Region,
    /// Other places for the APIs than the region's hosts.
    pub urls: BaseUrls,
    /// The environment's service account.
    pub account: Option<ServiceAccount>,
    /// The project that is meant when none is named.
    pub project_id: Option<ProjectId>,
    /// The token of that project.
    pub project_token: Option<Secret>,
    /// Roots in PEM that are trusted beside the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// How long a request may take.
    pub timeouts: Timeouts,
}

/// Mixpanel, as this process reaches it. Cheap to clone; holds no caller's credentials but the environment's.
#[derive(Clone)]
pub struct Mixpanel(Arc<Shared>);

struct Shared {
    lines: Arc<Lines>,
    environment: Environment,
}

impl Mixpanel {
    /// Prepares connections; opens none.
    ///
    /// # Errors
    ///
    /// A sentence that names the setting that is wrong.
    pub fn new(config: Config) -> Result<Mixpanel, String> {
        let lines = Lines::new(&config)?;
        let environment = Environment {
            region: config.region,
            account: config.account,
            project: config.project_id,
            token: config.project_token,
        };
        Ok(Mixpanel(Arc::new(Shared {
            lines: Arc::new(lines),
            environment,
        })))
    }

    /// Reads who asks. The first of these that is there, whole: `Authorization: Basic`, `Authorization: Bearer Basic`,
    /// `x-auth-token: username:secret[:project_id]`, `x-auth-data` (base64 of JSON); else the environment's, if
    /// `environment_allowed`. The region is `x-mixpanel-region`'s, else the setting's. Header names are asked for in
    /// lower case.
    ///
    /// # Errors
    ///
    /// [`Error::NoCredentials`], [`Error::MalformedCredentials`] and [`Error::InvalidRegion`]; none repeats a value.
    pub fn caller(
        &self,
        header: &dyn Fn(&str) -> Option<String>,
        environment_allowed: bool,
    ) -> Result<Caller, Error> {
        let environment = &self.0.environment;
        Caller::read(
            header,
            environment_allowed.then_some(environment),
            environment.region,
        )
    }

    /// The clients of one call, whose requests end when `stop` comes.
    pub fn for_caller(&self, caller: Caller, stop: Stop) -> Clients {
        let caller = Arc::new(caller);
        let http = Http::new(Arc::clone(&self.0.lines), Arc::clone(&caller), stop);
        Clients {
            ingestion: MixpanelIngestionClient::new(http.clone()),
            export: MixpanelExportClient::new(http.clone()),
            query: MixpanelQueryClient::new(http.clone()),
            app: MixpanelAppApiClient::new(http),
            caller,
            default_project: self.0.environment.project.clone(),
        }
    }
}

/// The four clients, for one caller and one call.
pub struct Clients {
    /// Sends events and profiles.
    pub ingestion: MixpanelIngestionClient,
    /// Reads raw events.
    pub export: MixpanelExportClient,
    /// Asks for reports.
    pub query: MixpanelQueryClient,
    /// Looks up projects.
    pub app: MixpanelAppApiClient,
    caller: Arc<Caller>,
    default_project: Option<ProjectId>,
}

impl Clients {
    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The project that is meant: the argument, else the header's, else the setting's.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidProject`] when the argument is not a number, [`Error::NoProject`] when nothing names one.
    pub fn project(&self, argument: Option<&str>) -> Result<ProjectId, Error> {
        match argument {
            Some(text) => ProjectId::parse(text).ok_or(Error::InvalidProject),
            None => {
                let project = self
                    .caller
                    .project
                    .as_ref()
                    .or(self.default_project.as_ref());
                project.cloned().ok_or(Error::NoProject)
            }
        }
    }

    /// The setting's token, if it is this project's (or none is named) and the caller uses the environment's
    /// credentials.
    pub fn token_in_settings(&self, project: Option<&ProjectId>) -> Option<&Secret> {
        let is_meant = project.is_none() || project == self.default_project.as_ref();
        self.caller.token.as_ref().filter(|_| is_meant)
    }

    /// The token that events of a project are sent with: the setting's, if the caller uses the environment's
    /// credentials and means the environment's project (or names none); else looked up with the caller's own
    /// service account, which costs a request.
    ///
    /// # Errors
    ///
    /// [`Error::NoProjectToken`] without a service account, [`Error::NoProject`], and those of a request.
    pub fn project_token(&self, project: Option<&ProjectId>) -> Result<Secret, Error> {
        if let Some(token) = self.token_in_settings(project) {
            return Ok(token.clone());
        }
        if self.caller.account.is_none() {
            return Err(Error::NoProjectToken);
        }
        let details = match project {
            Some(project) => self.app.project(project)?,
            None => self.app.project(&self.project(None)?)?,
        };
        details.token.ok_or(Error::NoProjectToken)
    }
}
