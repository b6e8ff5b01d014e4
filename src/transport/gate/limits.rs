//! What the gate allows: one number a resource, and what happens when it is reached.
//! Also fits these numbers to the descriptors that the process may open.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors of a client's connection: its socket, and what wakes its thread.
const DESCRIPTORS_PER_CONNECTION: usize = 2;
/// Descriptors of a request whose answer makes the detour.
const DESCRIPTORS_PER_REQUEST: usize = 2;
/// Descriptors left to the rest of the process: calls to Mixpanel, the log, the sandbox.
const DESCRIPTORS_ELSEWHERE: usize = 256;
const CONNECTIONS_MIN: usize = 8;
const REQUESTS_MIN: usize = 4;

/// How much of everything a peer, or all of them, may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open client connections. One more is answered 503 and closed.
    pub connections: usize,
    /// Open connections from one address (an IPv6 /64 counts as one); loopback is exempt. One more is answered 503 and closed.
    pub connections_per_peer: usize,
    /// Bytes of a request's head. A longer request line is answered 414, a longer head 431.
    pub head_bytes: usize,
    /// Fields of a request's head, and of its trailer. More are answered 431.
    pub head_fields: usize,
    /// From a head's first byte to its last; then 408.
    pub head_time: Duration,
    /// Bytes of a request's body, decoded. A larger one is answered 413, before it is read where its length is declared.
    pub body_bytes: usize,
    /// From a head's end to its body's end; then 408.
    pub body_time: Duration,
    /// A connection without a request; then it is closed.
    pub idle_time: Duration,
    /// A client that takes nothing of a waiting answer; then the connection is cut.
    pub write_stall: Duration,
    /// From a request to the first byte of its answer; then 504, and the call is told. Event streams begin at once, so it
    /// does not end them.
    pub answer_time: Duration,
    /// From the first byte of an answer to the last that the client takes; then the connection is cut. Event streams are exempt.
    pub delivery_time: Duration,
    /// A client that has closed its sending side and waits for an answer, or hears a stream; then it counts as gone.
    pub half_close_time: Duration,
    /// Requests at once behind the gate, with those streams that make the detour. One more waits.
    pub requests: usize,
    /// Requests that wait. One more is answered 503.
    pub waiting: usize,
    /// A request's wait; then 503.
    pub waiting_time: Duration,
    /// Bytes of request bodies held at once over all connections, from their arrival until the server is through with them; a
    /// body that would pass it is answered 503.
    /// A quarter is kept for bodies of up to 64 KiB, so that hoarders do not shut out small requests.
    pub bodies_bytes: usize,
    /// Bytes of answers held at once over all connections because their clients are slow. When it is reached, the call
    /// behind the answer is held back, and a client that takes nothing for a second is cut.
    pub answers_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 1024,
            connections_per_peer: 256,
            head_bytes: 16 * 1024,
            head_fields: 64,
            head_time: Duration::from_secs(10),
            body_bytes: 4 * 1024 * 1024,
            body_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(60),
            write_stall: Duration::from_secs(10),
            answer_time: Duration::from_secs(15 * 60),
            delivery_time: Duration::from_secs(120),
            half_close_time: Duration::from_secs(1),
            requests: 512,
            waiting: 256,
            waiting_time: Duration::from_secs(10),
            bodies_bytes: 64 * 1024 * 1024,
            answers_bytes: 64 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// What of `bodies_bytes` is for bodies of any size.
    pub fn large_bodies_bytes(&self) -> usize {
        self.bodies_bytes - self.bodies_bytes / 4
    }

    /// Lowers `connections` and `requests` in proportion until they fit `descriptors`, so that who was let in is not left without
    /// an answer for want of one.
    pub(super) fn fitted(mut self, descriptors: usize) -> Limits {
        let elsewhere = DESCRIPTORS_ELSEWHERE.min(descriptors / 2);
        let available = descriptors - elsewhere;
        let wanted = self.descriptors();
        if wanted > available {
            self.connections = (self.connections * available / wanted).max(CONNECTIONS_MIN);
            self.requests = (self.requests * available / wanted).max(REQUESTS_MIN);
        }
        self
    }

    fn descriptors(&self) -> usize {
        self.connections
            .saturating_mul(DESCRIPTORS_PER_CONNECTION)
            .saturating_add(self.requests.saturating_mul(DESCRIPTORS_PER_REQUEST))
            .max(1)
    }

    /// Raises the process's soft limit of descriptors as far as these limits need and the hard one allows, and fits
    /// them to what there is.
    pub(super) fn fitted_to_process(self) -> Limits {
        let needed = (self.descriptors() + DESCRIPTORS_ELSEWHERE) as u64;
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        // `None` is no limit.
        let Some(current) = current else { return self };
        if current >= needed {
            return self;
        }
        let raised = maximum
            .map_or(needed, |maximum| maximum.min(needed))
            .max(current);
        let raised = match setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(raised),
                maximum,
            },
        ) {
            Ok(()) => raised,
            Err(_) => current,
        };
        let fitted = self.fitted(usize::try_from(raised).unwrap_or(usize::MAX));
        if raised < needed {
            log::warn!(
                "the limit of {raised} open files allows {} connections and {} requests at once",
                fitted.connections,
                fitted.requests
            );
        }
        fitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(descriptors: usize, connections: usize, requests: usize) {
        let limits = Limits {
            connections: 1000,
            requests: 100,
            ..Limits::default()
        };
        let fitted = limits.fitted(descriptors);
        assert_eq!(
            (fitted.connections, fitted.requests),
            (connections, requests)
        );
    }

    #[test]
    fn plenty_of_descriptors_change_nothing() {
        check(10_000, 1000, 100);
    }

    #[test]
    fn few_descriptors_lower_both_in_proportion() {
        check(1024, 349, 34);
    }

    #[test]
    fn very_few_descriptors_leave_the_least_that_works() {
        check(16, CONNECTIONS_MIN, REQUESTS_MIN);
    }
}
