//! Which failed requests may be tried again, and how long to wait before that: only what is safe, a few times, and not all at once.

use std::time::Duration;

use super::error::Error;
use super::request::Request;

/// Waits before the second and the third try, on average.
pub(super) const RETRY_WAITS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];
/// A longer `Retry-After` is told to the caller and not slept out.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// How long to wait before the next try; nothing if there must not be one.
pub(super) fn time_to_wait(
    request: &Request<'_>,
    error: &Error,
    wait: Duration,
) -> Option<Duration> {
    let wait = match error {
        // Nothing was sent, so even a write may be tried again.
        Error::CannotConnect { .. } => wait,
        _ if !request.repeatable => return None,
        Error::BrokenOff => wait,
        Error::ServerFault {
            status: 502..=504, ..
        } => wait,
        Error::RateLimited {
            retry_after_s: Some(seconds),
            ..
        } => {
            let asked = Duration::from_secs(*seconds);
            if asked > RETRY_AFTER_MAX {
                return None;
            }
            asked.max(wait)
        }
        _ => return None,
    };
    Some(wait + jitter(wait))
}

/// Up to a quarter more, so that those who failed together do not come again together.
fn jitter(wait: Duration) -> Duration {
    // Without random bytes the wait is only less scattered.
    let random = getrandom::u32().unwrap_or_default();
    wait / 4 * (random % 256) / 256
}
