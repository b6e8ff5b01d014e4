//! What the log says of each try of a request, and the id by which it is found there.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::error::Error;
use super::lines::Base;
use super::request::Request;

/// What the log says of one try: never a query, a header or a body. It is put into words only where it is told.
pub(super) struct Noted {
    /// Tells the tries of this process apart.
    number: u64,
    method: &'static str,
    base: Arc<Base>,
    path: Cow<'static, str>,
    pub(super) status: u16,
    since: Instant,
}

impl Noted {
    pub(super) fn new(request: &Request<'_>, base: &Arc<Base>, number: u64) -> Noted {
        Noted {
            number,
            method: request.body.method(),
            base: Arc::clone(base),
            path: request.path.clone(),
            status: 0,
            since: Instant::now(),
        }
    }

    /// By which this try is found in the log.
    pub(super) fn id(&self) -> String {
        format!("{:04x}-{}", process(), self.number)
    }

    /// The host with its port.
    pub(super) fn host(&self) -> &str {
        &self.base.host
    }

    pub(super) fn succeeded(&self, bytes: u64) {
        log::debug!("{self}: {}, {bytes} bytes, {} ms", self.status, self.ms());
    }

    pub(super) fn failed(&self, error: &Error) {
        // That a caller has gone is no fault to look into.
        let level = match error {
            Error::Cancelled => log::Level::Debug,
            _ => log::Level::Warn,
        };
        let (status, kind, ms) = (self.status, error.kind(), self.ms());
        log::log!(level, "{self}: {status}, {kind}, {ms} ms");
    }

    fn ms(&self) -> u128 {
        self.since.elapsed().as_millis()
    }
}

impl fmt::Display for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Base { host, path, .. } = &*self.base;
        let (id, method, rest) = (self.id(), self.method, &self.path);
        write!(f, "{id} {method} {host}{path}{rest}")
    }
}

/// Tells this run of the server from the ones before it, whose log may be the same file.
fn process() -> u16 {
    static PROCESS: OnceLock<u16> = OnceLock::new();
    // Without random bytes ids are unique within one run.
    *PROCESS.get_or_init(|| getrandom::u32().map_or(0, |random| random as u16))
}
