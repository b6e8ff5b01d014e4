//! The room's front door: one [`Mixpanel`] a process, one set of [`Clients`] a call.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::api::{BaseUrls, RegionUrls, Timeouts};
use super::app::MixpanelAppApiClient;
use super::cache::Cache;
use super::credentials::{Caller, Environment, ProjectId, Secret, ServiceAccount, Signer};
use super::error::Error;
use super::export::MixpanelExportClient;
use super::http::{Hall, Http};
use super::ingestion::MixpanelIngestionClient;
use super::lines::Lines;
use super::notes::Notes;
use super::query::MixpanelQueryClient;
use super::quota::{Quota, Quotas};
use super::region::Region;
use super::rehearsal::Unsent;
use super::stop::Stop;
use super::zones::{ZoneKey, Zones};

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
    /// The environment's OAuth token, for the privacy operations.
    pub oauth_token: Option<Secret>,
    /// Roots in PEM that are trusted beside the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// How long a request may take.
    pub timeouts: Timeouts,
    /// Other places for the APIs of single regions.
    pub region_urls: RegionUrls,
    /// Queries, and exports, that a project may ask an hour; 0 is no limit, none is Mixpanel's own 60.
    pub queries_per_hour: Option<usize>,
    /// Queries of a project that may run at once; 0 is no limit, none is Mixpanel's own 5.
    pub concurrent_queries: Option<usize>,
    /// How long answers are kept that may still grow; zero keeps none at all, none is a minute.
    pub cache_time: Option<Duration>,
    /// The most bytes of kept answers; none is 16 MiB.
    pub cache_bytes: Option<usize>,
}

/// Mixpanel's own limits.
const QUERIES_PER_HOUR: usize = 60;
const CONCURRENT_QUERIES: usize = 5;
const CACHE_TIME: Duration = Duration::from_secs(60);
const CACHE_BYTES: usize = 16 * 1024 * 1024;
/// How long a call waits to learn a project's time zone.
const ZONE_PATIENCE: Duration = Duration::from_secs(10);

/// Mixpanel, as this process reaches it. Cheap to clone; holds no caller's credentials but the environment's.
#[derive(Clone)]
pub struct Mixpanel(Arc<Shared>);

struct Shared {
    hall: Arc<Hall>,
    zones: Zones,
    environment: Environment,
}

impl Mixpanel {
    /// Prepares connections; opens none.
    ///
    /// # Errors
    ///
    /// A sentence that names the setting that is wrong.
    pub fn new(config: Config) -> Result<Mixpanel, String> {
        let hall = Hall {
            lines: Lines::new(&config)?,
            quotas: Arc::new(Quotas::new(
                config.queries_per_hour.unwrap_or(QUERIES_PER_HOUR),
                config.concurrent_queries.unwrap_or(CONCURRENT_QUERIES),
            )),
            cache: Cache::new(
                config.cache_time.unwrap_or(CACHE_TIME),
                config.cache_bytes.unwrap_or(CACHE_BYTES),
            ),
        };
        let environment = Environment {
            region: config.region,
            account: config.account.map(Signer::new),
            project: config.project_id,
            token: config.project_token,
            oauth_token: config.oauth_token,
        };
        Ok(Mixpanel(Arc::new(Shared {
            hall: Arc::new(hall),
            zones: Zones::default(),
            environment,
        })))
    }

    /// Reads who asks. The first of these that is there, whole: `Authorization: Basic`, `Authorization: Bearer Basic`,
    /// `x-auth-token: username:secret[:project_id]`, `x-auth-data` (base64 of JSON); else the environment's, if
    /// `environment_allowed`. `x-mixpanel-oauth-token` may stand beside any of them, or alone. The region is `x-mixpanel-region`'s, else the setting's. Header names are asked for in
    /// lower case.
    ///
    /// # Errors
    ///
    /// [`Error::NoCredentials`], [`Error::MalformedCredentials`] and [`Error::InvalidRegion`]; none repeats a value.
    pub fn caller<'a>(
        &self,
        header: &dyn Fn(&str) -> Option<&'a str>,
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
        self.noting(Arc::new(caller), stop, Notes::default())
    }

    fn noting(&self, caller: Arc<Caller>, stop: Stop, notes: Notes) -> Clients {
        let notes = Arc::new(notes);
        let hall = Arc::clone(&self.0.hall);
        let http = Http::new(hall, Arc::clone(&caller), stop, Arc::clone(&notes));
        Clients {
            ingestion: MixpanelIngestionClient::new(http.clone()),
            export: MixpanelExportClient::new(http.clone()),
            query: MixpanelQueryClient::new(http.clone()),
            app: MixpanelAppApiClient::new(http.clone()),
            http,
            notes,
            mixpanel: self.clone(),
            caller,
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
    http: Http,
    notes: Arc<Notes>,
    mixpanel: Mixpanel,
    caller: Arc<Caller>,
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
                let project = self.caller.project.as_ref().or(self.default_project());
                project.cloned().ok_or(Error::NoProject)
            }
        }
    }

    /// The setting's token, if it is this project's (or none is named) and the caller uses the environment's
    /// credentials.
    pub fn token_in_settings(&self, project: Option<&ProjectId>) -> Option<&Secret> {
        let is_meant = project.is_none() || project == self.default_project();
        let token = self.caller.token.as_ref().filter(|_| is_meant)?;
        if let Some(project) = self.default_project() {
            self.mixpanel.0.hall.cache.belongs(token, project);
        }
        Some(token)
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
        if self.caller.account().is_none() {
            return Err(Error::NoProjectToken);
        }
        let project = match project {
            Some(project) => project.clone(),
            None => self.project(None)?,
        };
        let details = self.app.project(&project)?;
        let token = details.token.ok_or(Error::NoProjectToken)?;
        self.mixpanel.0.hall.cache.belongs(&token, &project);
        Ok(token)
    }

    /// Fails where the caller has no OAuth token, so that nothing is asked or looked up for an operation that needs one.
    ///
    /// # Errors
    ///
    /// [`Error::NoOAuthToken`].
    pub fn require_oauth_token(&self) -> Result<(), Error> {
        match self.caller.oauth_token {
            Some(_) => Ok(()),
            None => Err(Error::NoOAuthToken),
        }
    }

    fn default_project(&self) -> Option<&ProjectId> {
        self.mixpanel.0.environment.project.as_ref()
    }
}

/// What a call wants of all its requests, and what is known after them.
impl Clients {
    /// Clients of the same caller and call whose requests are noted for nobody: for what is looked up beside the question.
    pub fn aside(&self) -> Clients {
        let (caller, stop) = (Arc::clone(&self.caller), self.http.stop().clone());
        self.mixpanel.noting(caller, stop, self.notes.aside())
    }

    /// Has every later request of this call asked anew, past kept answers and those on their way.
    pub fn ask_anew(&self) {
        self.notes.want_fresh();
    }

    /// Makes this call a dry run: each later request that would change something ends with [`Error::DryRun`], and is
    /// kept for [`Clients::unsent`]. Requests that read go out.
    pub fn rehearse(&self) {
        self.notes.rehearsal.want();
    }

    /// What a dry run would have sent: the first 20 requests, and the number of all. None: it is no dry run.
    pub fn unsent(&self) -> Option<(Vec<Unsent>, usize)> {
        let rehearsal = &self.notes.rehearsal;
        rehearsal.is_wanted().then(|| rehearsal.all())
    }

    /// The age of the oldest kept answer that this call was given, if it was given one.
    pub fn oldest_kept(&self) -> Option<Duration> {
        self.notes.oldest()
    }

    /// The id, in the log, of this call's last request that failed with this kind of error.
    pub fn failed_request(&self, kind: &str) -> Option<String> {
        self.notes.failed_request(kind)
    }

    /// What is known of a project's quotas: of the query API, then of the export API. Asks nobody.
    pub fn quotas(&self, project: &ProjectId) -> Vec<Quota> {
        self.mixpanel.0.hall.quotas.of(self.caller.region, project)
    }

    /// Those of the quotas that this call drew on, or would have without kept answers, of which little is left.
    pub fn low_quotas_drawn_on(&self) -> Vec<Quota> {
        let quotas = &self.mixpanel.0.hall.quotas;
        self.notes.of_asked(|api, project| {
            let quota = quotas.of_api(self.caller.region, project, api);
            quota.filter(Quota::is_low)
        })
    }

    /// The zone in which a project's days are counted, with its name, as in `US/Pacific`. Looked up with `/me` for up to
    /// ten seconds and then kept for ten minutes. None: the caller is not told it.
    pub fn timezone(&self, project: &ProjectId) -> Option<TimeZone> {
        self.caller.account()?;
        let shared = &self.mixpanel.0;
        let key = ZoneKey {
            who: shared.hall.cache.fingerprint(self.caller.account()),
            region: self.caller.region,
            project: project.clone(),
        };
        if let Some(known) = shared.zones.find(&key) {
            return known;
        }
        // A failure of this look-up is none of the call.
        let name = match self.aside().app.me_within(Some(ZONE_PATIENCE)) {
            Ok(me) => me
                .projects
                .get(project.as_str())
                .and_then(|project| project.timezone.clone()),
            Err(Error::Cancelled) => return None,
            Err(_) => None,
        };
        shared.zones.keep(key, name.as_deref())
    }
}
