//! Memory counted over all connections against one limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that all claims together may hold.
pub(super) struct Allowance {
    limit: usize,
    held: AtomicUsize,
}

/// What one request, or answer, holds of an allowance; given back when dropped.
pub(super) struct Claim {
    allowance: Arc<Allowance>,
    bytes: usize,
}

impl Allowance {
    pub(super) fn new(limit: usize) -> Allowance {
        Allowance {
            limit,
            held: AtomicUsize::new(0),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(super) fn claim(self: &Arc<Allowance>) -> Claim {
        Claim {
            allowance: Arc::clone(self),
            bytes: 0,
        }
    }
}

impl Claim {
    /// Raises the claim to `bytes` if all claims together then stay within `limit`; else changes nothing.
    pub(super) fn raise(&mut self, bytes: usize, limit: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let raised =
            self.allowance
                .held
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                    held.checked_add(more).filter(|held| *held <= limit)
                });
        if raised.is_ok() {
            self.bytes += more;
        }
        raised.is_ok()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.allowance.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_past_the_limit_changes_nothing_and_a_dropped_one_is_given_back() {
        let allowance = Arc::new(Allowance::new(100));
        let mut first = allowance.claim();
        let mut second = allowance.claim();

        assert!(first.raise(60, allowance.limit()));
        assert!(!second.raise(41, allowance.limit()));
        assert_eq!(allowance.held(), 60);
        drop(first);
        assert!(second.raise(100, allowance.limit()));
        drop(second);
        assert_eq!(allowance.held(), 0);
    }
}
