//! What goes over the lane in place of a request: a claim check, for which the server's side gets the request itself from
//! [`super::Visits`]. It is a request without anything that a client has sent: it names the visit, and a random token of this
//! process, so that what strangers send to the socket behind the gate claims nothing.

use std::io::{self, Write as _};
use std::sync::OnceLock;

const TOKEN_BYTES: usize = 16;

static TOKEN: OnceLock<String> = OnceLock::new();

/// Writes the claim check for a visit in place of what is in `check`.
pub(super) fn write_claim_check(check: &mut Vec<u8>, visit: u64) {
    let token = TOKEN.get().map_or("", String::as_str);
    check.clear();
    // Writing to memory does not fail.
    let _ = write!(check, "GET /{token}/{visit} HTTP/1.1\r\n\r\n");
}

/// The visit that a claim check names. `None` for any other request, which is a stranger's.
pub(super) fn visit_of(check: &tiny_http::Request) -> Option<u64> {
    let (token, visit) = check.url().strip_prefix('/')?.split_once('/')?;
    is_token(token).then(|| visit.parse().ok())?
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The claim check for a visit, as tiny_http gives it.
    pub(in super::super) fn received(visit: u64) -> tiny_http::Request {
        let mut check = b"of before".to_vec();
        write_claim_check(&mut check, visit);
        let check = String::from_utf8(check).unwrap();
        let path = check.strip_prefix("GET ").unwrap();
        let path = path.strip_suffix(" HTTP/1.1\r\n\r\n").unwrap();
        tiny_http::TestRequest::new().with_path(path).into()
    }

    #[test]
    fn only_a_claim_check_of_this_process_claims_a_visit() {
        make_token().unwrap();
        let token = TOKEN.get().unwrap();
        for visit in [1, u64::MAX] {
            assert_eq!(visit_of(&received(visit)), Some(visit));
        }
        let other: String = token.chars().rev().collect();
        for path in [
            "/".to_owned(),
            "//1".to_owned(),
            format!("/{other}/1"),
            format!("/{}/1", &token[1..]),
            format!("/{token}"),
            format!("/{token}/"),
            format!("/{token}/-1"),
            format!("/{token}/1/1"),
            format!("{token}/1"),
        ] {
            let request = tiny_http::TestRequest::new().with_path(&path).into();
            assert_eq!(visit_of(&request), None, "{path}");
        }
    }
}
