//! Who is behind a request. The gate writes it into a field of the request; only the gate can, because the field holds a
//! random token of this process and clients' copies of it are dropped.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::OnceLock;

const TOKEN_BYTES: usize = 16;

pub(super) const PEER_FIELD: &str = "Gate-Peer";

static TOKEN: OnceLock<String> = OnceLock::new();

/// What the gate says of the client behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address, as the gate's listener sees it.
    pub address: SocketAddr,
    /// The request's number among all that this process has let in.
    pub(super) visit: u64,
}

impl Peer {
    /// `None` for a request that no client has sent: the gate's own proof that a new lane works, or a stranger on the socket
    /// behind the gate. Answer those with 403 and do nothing else.
    pub fn of(request: &tiny_http::Request) -> Option<Peer> {
        let mut fields = request
            .headers()
            .iter()
            .filter(|field| field.field.equiv(PEER_FIELD));
        let (field, None) = (fields.next()?, fields.next()) else {
            return None;
        };
        let mut words = field.value.as_str().split(' ');
        let (token, visit, address) = (words.next()?, words.next()?, words.next()?);
        if !is_token(token) {
            return None;
        }
        Some(Peer {
            address: address.parse().ok()?,
            visit: visit.parse().ok()?,
        })
    }

    /// Adds the field that [`Peer::of`] reads.
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        let token = TOKEN.get().map_or("", String::as_str);
        let Peer { address, visit } = *self;
        // Writing to memory does not fail.
        let _ = write!(head, "{PEER_FIELD}: {token} {visit} {address}\r\n");
    }
}

/// Makes the token of this process, once.
pub(super) fn make_token() -> io::Result<()> {
    if TOKEN.get().is_none() {
        let token = random_hex()?;
        // Another gate of this process may have been faster; its token is as good.
        let _ = TOKEN.set(token);
    }
    Ok(())
}

pub(super) fn random_hex() -> io::Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Compares without giving away by its time how much of a guess was right.
fn is_token(guess: &str) -> bool {
    TOKEN.get().is_some_and(|token| {
        token.len() == guess.len()
            && token
                .bytes()
                .zip(guess.bytes())
                .fold(0, |sum, (a, b)| sum | (a ^ b))
                == 0
    })
}
