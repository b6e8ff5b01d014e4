//! What the log says of each try of a request, and the id by which it is found there.

use std::sync::OnceLock;
use std::time::Instant;

use super::error::Error;
use super::lines::host_of;
use super::request::Request;

/// What the log says of one try: never a query, a header or a body.
pub(super) struct Noted {
    id: String,
    method: &'static str,
    pub(super) host: String,
    path: String,
    pub(super) status: u16,
    since: Instant,
}

impl Noted {
    /// `number` tells the tries of this process apart.
    pub(super) fn new(request: &Request<'_>, url: &str, number: u64) -> Noted {
        let host = host_of(url).to_owned();
        let after_host = url.split_once(&host).map_or("", |(_, rest)| rest);
        let path = after_host.split('?').next().unwrap_or_default().to_owned();
        Noted {
            id: format!("{:04x}-{number}", process()),
            method: request.body.method(),
            host,
            path,
            status: 0,
            since: Instant::now(),
        }
    }

    /// By which this try is found in the log.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn succeeded(&self, bytes: u64) {
        let Noted {
            id,
            method,
            host,
            path,
            status,
            since,
        } = self;
        log::debug!(
            "{id} {method} {host}{path}: {status}, {bytes} bytes, {} ms",
            since.elapsed().as_millis()
        );
    }

    pub(super) fn failed(&self, error: &Error) {
        let Noted {
            id,
            method,
            host,
            path,
            status,
            since,
        } = self;
        // That a caller has gone is no fault to look into.
        let level = match error {
            Error::Cancelled => log::Level::Debug,
            _ => log::Level::Warn,
        };
        log::log!(
            level,
            "{id} {method} {host}{path}: {status}, {}, {} ms",
            error.kind(),
            since.elapsed().as_millis()
        );
    }
}

/// Tells this run of the server from the ones before it, whose log may be the same file.
fn process() -> u16 {
    static PROCESS: OnceLock<u16> = OnceLock::new();
    // Without random bytes ids are unique within one run.
    *PROCESS.get_or_init(|| getrandom::u32().map_or(0, |random| random as u16))
}
