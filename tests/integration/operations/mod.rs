//! The clients' methods against the sandbox, each request and answer held to Mixpanel's contract on its way.

mod annotations;
pub(crate) mod coverage;
mod experiments;
mod flags;
mod identity;
mod lexicon;
mod lookup_tables;
mod pipelines;
mod privacy;
mod query;
mod refusals;
mod service_accounts;
mod warehouse;

use std::time::Duration;

use mixpanel_mcp_server::mixpanel::{
    BaseUrls, Clients, Config, Error, Mixpanel, ProjectId, Secret, ServiceAccount, Stop,
};
use mixpanel_mcp_server::sandbox::{
    OAUTH_TOKEN, PROJECT_ID, PROJECT_TOKEN, SECRET, Sandbox, USERNAME, VIEWER_SECRET,
    VIEWER_USERNAME,
};
use serde_json::Value;

use super::contract;
use super::support::Recorder;

/// A sandbox behind a recorder, and the clients of its admin.
pub(crate) struct Stand {
    pub(crate) clients: Clients,
    pub(crate) project: ProjectId,
    pub(crate) token: Secret,
    recorder: Recorder,
    _sandbox: Sandbox,
}

/// The workspace of the shop.
pub(crate) const WORKSPACE: u64 = 1_234_500;

impl Stand {
    pub(crate) fn new() -> Stand {
        let sandbox = Sandbox::start().unwrap();
        let recorder = Recorder::before(&sandbox.url());
        let clients = clients(&recorder.url(), USERNAME, SECRET, Some(OAUTH_TOKEN));
        Stand {
            clients,
            project: ProjectId::parse(&PROJECT_ID.to_string()).unwrap(),
            token: Secret::new(PROJECT_TOKEN),
            recorder,
            _sandbox: sandbox,
        }
    }

    /// Clients of someone who may only look, and has no OAuth token.
    pub(crate) fn viewer(&self) -> Clients {
        clients(&self.recorder.url(), VIEWER_USERNAME, VIEWER_SECRET, None)
    }

    /// The requests so far, as method and path with query; each as Mixpanel documents it, and its answer.
    #[track_caller]
    pub(crate) fn asked(&self) -> Vec<String> {
        let exchanges = self.recorder.take_exchanges();
        let mut asked = Vec::new();
        for exchange in &exchanges {
            let request = &exchange.request;
            let request_line = format!("{} {}", request.method, request.target);
            let mut faults = contract::check(request);
            faults.extend(contract::judge(exchange).faults);
            assert!(faults.is_empty(), "{request_line}: {faults:#?}");
            asked.push(request_line);
        }
        asked
    }
}

fn clients(url: &str, username: &str, secret: &str, oauth_token: Option<&str>) -> Clients {
    let mixpanel = Mixpanel::new(Config {
        urls: BaseUrls {
            ingestion: Some(url.to_owned()),
            export: Some(format!("{url}/api/2.0")),
            query: Some(format!("{url}/api/query")),
            app: Some(format!("{url}/api/app")),
        },
        account: Some(ServiceAccount {
            username: username.into(),
            secret: Secret::new(secret),
        }),
        oauth_token: oauth_token.map(Secret::new),
        // What a test asks twice it wants to see twice.
        cache_time: Some(Duration::ZERO),
        ..Config::default()
    })
    .unwrap();
    let caller = mixpanel.caller(&|_| None, true).unwrap();
    mixpanel.for_caller(caller, Stop::new())
}

/// What an error is: its kind and Mixpanel's words.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (&'static str, String) {
    let error = outcome.unwrap_err();
    let words = error.mixpanel_message().unwrap_or_default().to_owned();
    (error.kind(), words)
}

/// The text of a member.
#[track_caller]
pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}
