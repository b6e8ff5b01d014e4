//! Joins the parts: settings → sandbox or Mixpanel → tools → protocol → transport.

use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{process, thread};

use log::{info, warn};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::mcp::service::Service;
use crate::mixpanel::{BaseUrls, Config, Mixpanel, ProjectId, Secret, ServiceAccount};
use crate::sandbox::{self, Sandbox};
use crate::settings::Settings;
use crate::tools::{MixpanelApplication, Offer};
use crate::transport::{HttpServer, Stdio, StdioSettings};

/// The exit code of a process that a signal ended is this plus the signal's number, as shells have it.
const SIGNALLED: i32 = 128;

/// As the log's first line begins.
const NAME: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// After a signal, the same one may come again: `timeout` and others send it to a process and then to its whole group.
const ONE_SIGNAL_TIME: Duration = Duration::from_millis(100);
/// The longest that running calls may go on after a signal on standard input and output, where a client kills what has not ended two seconds after it closed its end.
const STDIO_PATIENCE: Duration = Duration::from_secs(1);

/// A running server, with its sandbox if it has one.
pub struct Server {
    http: HttpServer,
    _sandbox: Option<Sandbox>,
}

/// Serves until told to stop.
///
/// # Errors
///
/// One line that says why the server cannot start.
pub fn run(settings: Settings) -> Result<(), String> {
    // Before anything else, so that no signal is missed; as process 1 of a container there is no other handler.
    let mut signals =
        Signals::new([SIGTERM, SIGINT]).map_err(|error| format!("signals: {error}"))?;
    if settings.stdio {
        return serve_stdio(settings, signals);
    }
    let stop_time = settings.stop_time;
    let server = Server::start(settings)?;
    signals.forever().next();
    info!(
        "stopping; running calls have {} s, a second signal ends at once",
        stop_time.as_secs()
    );
    end_at_next(signals);
    server.stop(stop_time);
    info!("stopped");
    Ok(())
}

/// Lets the next signal end the process without waiting for anything, as its number says.
fn end_at_next(mut signals: Signals) {
    let first = Instant::now();
    let waiting = thread::Builder::new().spawn(move || {
        let mut others = signals.forever();
        if let Some(signal) = others.find(|_| first.elapsed() > ONE_SIGNAL_TIME) {
            process::exit(SIGNALLED + signal);
        }
    });
    if let Err(error) = waiting {
        warn!("further signals change nothing: {error}");
    }
}

/// Serves one client on standard input and output until it leaves, or a signal comes.
fn serve_stdio(settings: Settings, mut signals: Signals) -> Result<(), String> {
    let limits = StdioSettings {
        calls_max: settings.http.calls_max,
        waiting_max: settings.http.waiting_max,
        streams_max: settings.http.streams_max,
    };
    // The sandbox in it ends with it.
    let parts = Parts::of(
        settings.mixpanel,
        settings.sandbox,
        settings.offer,
        settings.question_time,
    )?;
    let waiting = signals.handle();
    let stdio = Stdio::start(&limits, parts.service.clone(), move || waiting.close());
    let stdio = stdio.map_err(|error| format!("--stdio: {error}"))?;
    info!("{NAME} on standard input and output, {}", parts.told);
    signals.forever().next();
    stdio.stop(settings.stop_time.min(STDIO_PATIENCE));
    info!("stopped");
    Ok(())
}

/// What is behind every transport.
struct Parts {
    service: Arc<Service>,
    sandbox: Option<Sandbox>,
    /// What the log's first line says of them.
    told: String,
}

impl Parts {
    fn of(
        mut config: Config,
        is_sandbox: bool,
        offer: Offer,
        question_time: Duration,
    ) -> Result<Parts, String> {
        let sandbox = is_sandbox.then(Sandbox::start).transpose();
        let sandbox = sandbox.map_err(|error| format!("--sandbox: {error}"))?;
        if let Some(sandbox) = &sandbox {
            point_to(sandbox, &mut config);
        }
        let told = told(&config, is_sandbox, &offer);
        let application = MixpanelApplication::new(Mixpanel::new(config)?, is_sandbox, offer);
        Ok(Parts {
            service: Service::new(application, question_time),
            sandbox,
            told,
        })
    }
}

impl Server {
    /// Builds the parts and begins to serve.
    ///
    /// # Errors
    ///
    /// One line that says why the server cannot start.
    pub fn start(settings: Settings) -> Result<Server, String> {
        let exposure = exposure(&settings);
        let parts = Parts::of(
            settings.mixpanel,
            settings.sandbox,
            settings.offer,
            settings.question_time,
        )?;
        let address = settings.http.address;
        let http = HttpServer::start(settings.http, parts.service);
        let http =
            http.map_err(|error| format!("--host, --port: cannot listen on {address}: {error}"))?;
        info!("{NAME} on http://{}, {}", http.address(), parts.told);
        if let Some(exposure) = exposure {
            warn!("{exposure}");
        }
        Ok(Server {
            http,
            _sandbox: parts.sandbox,
        })
    }

    /// Where it listens, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.http.address())
    }

    /// Lets nobody in any more, ends the streams, and lets running calls end for `patience`; then they are cancelled.
    pub fn stop(&self, patience: Duration) {
        self.http.stop(patience);
    }
}

/// Sends every request to the sandbox, with its own account where none is set.
fn point_to(sandbox: &Sandbox, mixpanel: &mut Config) {
    let url = sandbox.url();
    mixpanel.urls = BaseUrls {
        ingestion: Some(url.clone()),
        export: Some(format!("{url}/api/2.0")),
        query: Some(format!("{url}/api/query")),
        app: Some(format!("{url}/api/app")),
    };
    // The sandbox has no quota: who tries things out, or tests them, should not have to wait.
    mixpanel.queries_per_hour.get_or_insert(0);
    mixpanel.concurrent_queries.get_or_insert(0);
    if mixpanel.account.is_none() {
        mixpanel.account = Some(ServiceAccount {
            username: sandbox::USERNAME.into(),
            secret: Secret::new(sandbox::SECRET),
        });
        mixpanel
            .project_token
            .get_or_insert_with(|| Secret::new(sandbox::PROJECT_TOKEN));
        mixpanel
            .oauth_token
            .get_or_insert_with(|| Secret::new(sandbox::OAUTH_TOKEN));
    }
    if mixpanel.project_id.is_none() {
        mixpanel.project_id = ProjectId::parse(&sandbox::PROJECT_ID.to_string());
    }
}

/// What the log's first line says of the settings; never which credentials there are.
fn told(config: &Config, is_sandbox: bool, offer: &Offer) -> String {
    let credentials = if config.account.is_some() {
        "set"
    } else {
        "not set, callers bring their own"
    };
    let read_only = if offer.is_read_only() {
        ", only reading"
    } else {
        ""
    };
    let sandbox = if is_sandbox {
        "sandbox (invented data)"
    } else {
        "no sandbox"
    };
    format!(
        "region {}, credentials {credentials}, toolsets {}{read_only}, {sandbox}",
        config.region,
        offer.toolset_names().join(" ")
    )
}

/// Who can do what, where more than this machine can connect.
fn exposure(settings: &Settings) -> Option<String> {
    let access = &settings.http.access;
    if access.loopback {
        return None;
    }
    let account = match (
        settings.sandbox,
        settings.mixpanel.account.is_some(),
        access.token.is_some(),
    ) {
        (true, _, false) => "everyone who can connect may use the sandbox",
        (true, _, true) => {
            "the sandbox is for callers with the access token, or with credentials of its accounts"
        }
        (false, false, _) => "callers bring Mixpanel credentials of their own",
        (false, true, true) => {
            "the server's Mixpanel account is for callers with the access token; others bring their own"
        }
        (false, true, false) => {
            "the server's Mixpanel account is for nobody, because MIXPANEL_MCP_ACCESS_TOKEN is not set; callers bring their own"
        }
    };
    let hosts = if access.allowed_hosts.is_empty() {
        "any host name is taken, --allowed-hosts narrows it"
    } else {
        "only the allowed host names are taken"
    };
    Some(format!(
        "not only this machine can connect: {account}; {hosts}"
    ))
}
