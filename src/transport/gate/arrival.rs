//! A request as the gate has read it, and hands it over to the server's side.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::mcp::headers::Headers;

use super::allowance::Claim;
use super::head::Head;
use super::short_way::{ShortWay, Writer};

static VISITS: AtomicU64 = AtomicU64::new(1);

/// A client's request, whole and within its limits.
pub struct Arrival {
    /// Whose it is.
    pub peer: Peer,
    /// In capitals; one of those that the gate knows.
    pub method: &'static str,
    /// In origin form, or `*`.
    pub target: String,
    /// Without those that are between the client and the gate.
    pub headers: Headers,
    /// Empty where there was none.
    pub body: Body,
    pub(super) way: Option<Arc<ShortWay>>,
}

/// Who is behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address, as the gate's listener sees it.
    pub address: SocketAddr,
    /// The request's number among all that this process has let in.
    pub(super) visit: u64,
}

/// A request's body, decoded. It counts among the bodies that the gate holds until it is dropped.
pub struct Body {
    bytes: Vec<u8>,
    _claim: Claim,
}

impl Arrival {
    /// The answer may go `way`, past the lane.
    pub(super) fn new(
        address: SocketAddr,
        head: Head,
        body: Body,
        way: Option<Arc<ShortWay>>,
    ) -> Arrival {
        let visit = VISITS.fetch_add(1, Ordering::Relaxed);
        Arrival {
            peer: Peer { address, visit },
            method: head.method,
            target: head.target,
            headers: head.headers,
            body,
            way,
        }
    }

    /// What the answer is written on, in place of `check`, for which this was handed over. To be called once.
    pub fn writer(&mut self, check: tiny_http::Request) -> Writer {
        Writer::new(check, self.way.take())
    }
}

impl Body {
    /// `claim` counts `bytes`.
    pub(super) fn new(bytes: Vec<u8>, claim: Claim) -> Body {
        Body {
            bytes,
            _claim: claim,
        }
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::allowance::Allowance;
    use super::super::limits::Limits;
    use super::*;

    /// Any.
    pub(in super::super) fn arrival() -> Arrival {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let head = Head::parse(head, &Limits::default()).unwrap();
        let body = Body::new(Vec::new(), Arc::new(Allowance::new(0)).claim());
        Arrival::new(([127, 0, 0, 1], 1).into(), head, body, None)
    }
}
