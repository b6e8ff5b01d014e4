//! A request as the gate has read it, and hands it over to the server's side.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::mcp::headers::Headers;

use super::allowance::Claim;
use super::head::Head;
use super::way::Writer;

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
    /// What the answer is written on.
    pub writer: Writer,
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
    pub(super) fn new(address: SocketAddr, head: Head, body: Body, writer: Writer) -> Arrival {
        let visit = VISITS.fetch_add(1, Ordering::Relaxed);
        Arrival {
            peer: Peer { address, visit },
            method: head.method,
            target: head.target,
            headers: head.headers,
            body,
            writer,
        }
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
