//! Both sides of every figure, before the same upstream: the server, and the bare limit.

use std::env;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::process::Command;

use super::bare::{ANSWERING, LISTENS, READ, READING, Sizes};
use super::client::{Client, post};
use super::options::Scale;
use super::process::Process;
use super::upstream::{Upstream, top_events};

/// What clients of Streamable HTTP take for an answer.
const ACCEPT: &str = "application/json, text/event-stream";
/// Mixpanel's own limit is switched off, so that the server is measured and not the quota.
const VARIABLES: [(&str, &str); 5] = [
    ("MIXPANEL_SERVICE_ACCOUNT_USERNAME", "bench"),
    ("MIXPANEL_SERVICE_ACCOUNT_SECRET", "bench"),
    ("MIXPANEL_PROJECT_ID", "12345"),
    ("MIXPANEL_QUERIES_PER_HOUR", "0"),
    ("MIXPANEL_CONCURRENT_QUERIES", "0"),
];

/// One of the two.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Server,
    Bare,
}

/// Something of both.
#[derive(Default)]
pub(crate) struct Pair<T> {
    pub(crate) server: T,
    pub(crate) bare: T,
}

impl<T> Pair<T> {
    pub(crate) fn of(&self, side: Side) -> &T {
        match side {
            Side::Server => &self.server,
            Side::Bare => &self.bare,
        }
    }

    pub(crate) fn map<U>(&self, map: impl Fn(&T) -> U) -> Pair<U> {
        Pair {
            server: map(&self.server),
            bare: map(&self.bare),
        }
    }
}

impl<T> Pair<Vec<T>> {
    pub(crate) fn push(&mut self, side: Side, value: T) {
        match side {
            Side::Server => self.server.push(value),
            Side::Bare => self.bare.push(value),
        }
    }
}

/// The requests that are measured.
pub(crate) struct Requests {
    pub(crate) ping: Vec<u8>,
    pub(crate) list: Vec<u8>,
    /// One question to the upstream.
    pub(crate) call: Vec<u8>,
}

/// What the parts of the benchmark start their processes from.
pub(crate) struct Stand {
    pub(crate) scale: Scale,
    pub(crate) requests: Requests,
    pub(crate) upstream: Upstream,
    sizes: Sizes,
}

impl Stand {
    /// Asks the server once for each answer, so that the bare limit can give as large ones.
    pub(crate) fn new(scale: Scale) -> io::Result<Stand> {
        let upstream = Upstream::start(top_events())?;
        let requests = Requests {
            ping: post("ping", "{}", ACCEPT),
            list: post("tools/list", "{}", ACCEPT),
            call: call(r#"{"limit":30,"fresh":true}"#),
        };
        let server = server(upstream.address, &[], &[])?;
        let mut client = Client::connect(server.address()?)?;
        let sizes = Sizes {
            ping: client.ask(&requests.ping)?.len(),
            list: client.ask(&requests.list)?.len(),
            call: client.ask(&requests.call)?.len(),
        };
        Ok(Stand {
            scale,
            requests,
            upstream,
            sizes,
        })
    }

    /// Starts one side; flags are for the server, the limit has none.
    pub(crate) fn start(&self, side: Side, flags: &[&str]) -> io::Result<Process> {
        match side {
            Side::Server => server(self.upstream.address, flags, &[]),
            Side::Bare => bare(
                ANSWERING,
                self.upstream.address,
                &self.sizes.arguments(),
                LISTENS,
            ),
        }
    }

    /// Starts both sides.
    pub(crate) fn start_both(&self, flags: &[&str]) -> io::Result<Pair<Process>> {
        Ok(Pair {
            server: self.start(Side::Server, flags)?,
            bare: self.start(Side::Bare, flags)?,
        })
    }
}

/// Both sides in turns, so many rounds, each beginning with the other one.
pub(crate) fn turns(rounds: usize) -> impl Iterator<Item = Side> {
    (0..rounds).flat_map(turn)
}

/// Both sides, as it is their turn in a round.
pub(crate) fn turn(round: usize) -> [Side; 2] {
    if round.is_multiple_of(2) {
        [Side::Server, Side::Bare]
    } else {
        [Side::Bare, Side::Server]
    }
}

/// A call of the tool that asks the upstream one question.
pub(crate) fn call(arguments: &str) -> Vec<u8> {
    let params = format!(r#"{{"name":"mixpanel_get_todays_top_events","arguments":{arguments}}}"#);
    post("tools/call", &params, ACCEPT)
}

/// The build of the program that is measured: the one that `MIXPANEL_MCP_BINARY` names, else the one built with this.
pub(crate) fn program() -> OsString {
    env::var_os("MIXPANEL_MCP_BINARY")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_mixpanel-mcp-server").into())
}

/// The server before an upstream, with nothing from the environment.
pub(crate) fn server(
    upstream: SocketAddr,
    flags: &[&str],
    variables: &[(&str, &str)],
) -> io::Result<Process> {
    let mut command = Command::new(program());
    command
        .args(["--port", "0"])
        .args(flags)
        .env_clear()
        .env("MIXPANEL_INGESTION_URL", format!("http://{upstream}"))
        .env("MIXPANEL_APP_URL", format!("http://{upstream}/api/app"))
        .env("MIXPANEL_QUERY_URL", format!("http://{upstream}/api/query"))
        .env("MIXPANEL_EXPORT_URL", format!("http://{upstream}/api/2.0"))
        .envs(VARIABLES)
        .envs(variables.iter().copied());
    Process::start(&mut command, LISTENS)
}

/// The bare reader of an upstream's export, which has read it when it is given.
pub(crate) fn reader(upstream: SocketAddr) -> io::Result<Process> {
    bare(READING, upstream, &[], READ)
}

fn bare(what: &str, upstream: SocketAddr, more: &[String], mark: &str) -> io::Result<Process> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(what).arg(upstream.to_string()).args(more);
    Process::start(&mut command, mark)
}
