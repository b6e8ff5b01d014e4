//! What the body of an answer is: JSON of the expected shape, a refusal in spite of its status, a web page.

use memchr::memmem;
use serde::Deserialize;

use super::credentials::Secret;
use super::error::Error;
use super::words::{is_html, words};

/// How much of a refusal is read for Mixpanel's words. No refusal with a good status is longer either.
pub(super) const REFUSAL_BYTES_MAX: u64 = 64 * 1024;

/// A refusal may also come with a good status, as `{"status": "error"}` or `{"status": 0}`.
pub(super) fn parse<'a, T: Deserialize<'a>>(
    body: &'a [u8],
    expected: &'static str,
    secrets: impl Fn() -> Vec<Secret>,
) -> Result<T, Error> {
    must_not_refuse(body, &secrets)?;
    serde_json::from_slice(body).map_err(|error| misfit(&error, expected))
}

fn must_not_refuse(body: &[u8], secrets: &dyn Fn() -> Vec<Secret>) -> Result<(), Error> {
    if is_html(body) {
        return Err(Error::NotJson { html: true });
    }
    if body.len() as u64 <= REFUSAL_BYTES_MAX && is_refusal(body) {
        return Err(Error::RefusedUnder200 {
            words: words(body, &secrets()),
        });
    }
    Ok(())
}

fn misfit(error: &serde_json::Error, expected: &'static str) -> Error {
    match error.classify() {
        serde_json::error::Category::Data => Error::WrongShape { expected },
        _ => Error::NotJson { html: false },
    }
}

fn is_refusal(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Envelope {
        status: Option<serde_json::Value>,
    }

    let body = body.trim_ascii();
    if body == b"0" {
        return true;
    }
    // A list would be read as the struct's members in order. And most answers have no such member: they are read once only.
    if !body.starts_with(b"{") || memmem::find(body, b"\"status\"").is_none() {
        return false;
    }
    let status = serde_json::from_slice::<Envelope>(body)
        .ok()
        .and_then(|envelope| envelope.status);
    match status {
        Some(serde_json::Value::String(text)) => {
            matches!(text.as_str(), "error" | "fail" | "failure")
        }
        Some(serde_json::Value::Number(number)) => number.as_i64() == Some(0),
        _ => false,
    }
}

/// Whether the body is an object with this member.
pub(super) fn has_member(body: &[u8], member: &str) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|value| value.get(member).is_some())
}
