//! What a status and Mixpanel's words mean for the caller. Reading them is left to `http.rs`.

use std::time::SystemTime;

use ureq::http::HeaderMap;

use super::api::Api;
use super::error::{Barrier, Error, Limit};
use super::region::Region;

/// A 429 that asks for a longer wait is about the hour's quota.
const MOMENT_S: u64 = 60;

/// What a status and Mixpanel's words mean.
pub(super) fn refusal(
    status: u16,
    headers: &HeaderMap,
    words: Option<String>,
    api: Api,
    oauth: bool,
    region: Region,
) -> Error {
    let wrong_cluster = words
        .as_deref()
        .is_some_and(|words| words.to_ascii_lowercase().contains("for cluster"));
    match status {
        _ if wrong_cluster => Error::WrongCluster {
            region,
            found: None,
            words,
        },
        300..=399 => Error::Redirected { status },
        401 => Error::Unauthorized { oauth, words },
        402 => Error::PaymentRequired { words },
        403 => Error::Forbidden {
            barrier: barrier(words.as_deref()),
            words,
        },
        404 => Error::NotFound { words },
        413 => Error::TooLarge { words },
        429 => {
            let retry_after_s = retry_after_s(headers);
            Error::RateLimited {
                api,
                limit: limit(words.as_deref(), retry_after_s),
                retry_after_s,
                asked: true,
                words,
            }
        }
        500..=599 => Error::ServerFault { status, words },
        _ => Error::BadRequest { status, words },
    }
}

/// What a 403 is about, as Mixpanel words it.
fn barrier(words: Option<&str>) -> Barrier {
    let words = words.unwrap_or_default().to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if says(&["date range", "into the past"]) {
        Barrier::Dates
    } else if says(&["plan", "upgrade", "subscription"]) {
        Barrier::Plan
    } else if says(&["role", "permission", "access", "member", "owner", "admin"]) {
        Barrier::Role
    } else {
        Barrier::Unknown
    }
}

/// Which limit a 429 is about. Where Mixpanel does not word it, a long wait is one for the hour's quota.
fn limit(words: Option<&str>, retry_after_s: Option<u64>) -> Limit {
    let words = words.unwrap_or_default().to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if says(&["concurren", "at once", "per second", "simultaneous"]) {
        Limit::Moment
    } else if says(&["hour"]) || retry_after_s.is_none_or(|seconds| seconds > MOMENT_S) {
        Limit::Hour
    } else {
        Limit::Moment
    }
}

/// Seconds, or a date of HTTP's; anything else is nothing.
fn retry_after_s(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let left = date.duration_since(SystemTime::now()).unwrap_or_default();
    Some(left.as_secs())
}
