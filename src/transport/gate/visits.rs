//! The requests that are behind the gate: handed over to whoever has the claim check, and then who wants to know that the client
//! has gone meanwhile.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::arrival::{Arrival, Peer};
use super::claim_check::visit_of;
use super::short_way::ShortWay;

type Tell = Box<dyn FnOnce() + Send>;

/// The running requests of one gate. Clones are the same list.
#[derive(Clone, Default)]
pub struct Visits {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    visits: HashMap<u64, Present>,
    next_watch: u64,
}

/// A client that has not left.
struct Present {
    /// Until it is handed over.
    arrival: Option<Arrival>,
    watches: Vec<(u64, Tell)>,
}

/// Ends its watch when dropped.
#[must_use = "the watch ends when this is dropped"]
pub struct Watch {
    visits: Visits,
    visit: u64,
    watch: u64,
}

/// One request on its way behind the gate; over when dropped.
pub(super) struct Visit {
    visits: Visits,
    visit: u64,
    way: Option<Arc<ShortWay>>,
}

impl Visits {
    /// Runs `tell` once if the client of `peer`'s request leaves, or is cut for a limit, before its answer is complete; at once if
    /// it has left already. `tell` runs on the gate's thread and must not block.
    pub fn watch(&self, peer: &Peer, tell: impl FnOnce() + Send + 'static) -> Watch {
        let mut state = self.lock();
        state.next_watch += 1;
        let watch = state.next_watch;
        match state.visits.get_mut(&peer.visit) {
            Some(present) => present.watches.push((watch, Box::new(tell))),
            None => {
                drop(state);
                tell();
            }
        }
        Watch {
            visits: self.clone(),
            visit: peer.visit,
            watch,
        }
    }

    /// The request for this claim check, once. `None` if no client has sent what tiny_http gives as a request (it is the gate's
    /// own proof that a new lane works, or of a stranger on the socket behind the gate), or if the client has left already.
    /// Answer those with 403 and do nothing else.
    pub fn arrival(&self, check: &tiny_http::Request) -> Option<Arrival> {
        let visit = visit_of(check)?;
        self.lock().visits.get_mut(&visit)?.arrival.take()
    }

    pub(super) fn enter(&self, arrival: Arrival) -> Visit {
        let visit = arrival.peer.visit;
        let way = arrival.way.clone();
        let present = Present {
            arrival: Some(arrival),
            watches: Vec::new(),
        };
        self.lock().visits.insert(visit, present);
        Visit {
            visits: self.clone(),
            visit,
            way,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    /// The client has gone.
    pub(super) fn depart(&self) {
        let present = self.visits.lock().visits.remove(&self.visit);
        for (_, tell) in present.into_iter().flat_map(|present| present.watches) {
            tell();
        }
    }

    /// The short way for its answer, if it may go that way.
    pub(super) fn way(&self) -> Option<&ShortWay> {
        self.way.as_deref()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.visits.lock().visits.remove(&self.visit);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(present) = self.visits.lock().visits.get_mut(&self.visit) {
            present.watches.retain(|(watch, _)| *watch != self.watch);
        }
    }
}

impl fmt::Debug for Visits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visits").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::arrival;
    use super::super::claim_check::make_token;
    use super::super::claim_check::tests::received;
    use super::*;

    #[track_caller]
    fn check(expected: usize, act: impl FnOnce(Visit, Box<dyn Fn() -> Watch + '_>)) {
        let visits = Visits::default();
        let told = Arc::new(AtomicUsize::new(0));
        let arrival = arrival::tests::arrival();
        let peer = arrival.peer;
        let watch = || {
            let told = Arc::clone(&told);
            visits.watch(&peer, move || {
                told.fetch_add(1, Ordering::Relaxed);
            })
        };
        act(visits.enter(arrival), Box::new(watch));
        assert_eq!(told.load(Ordering::Relaxed), expected);
    }

    #[test]
    fn each_watch_is_told_once() {
        check(2, |visit, watch| {
            let _watches = (watch(), watch());
            visit.depart();
            visit.depart();
        });
    }

    #[test]
    fn a_watch_that_begins_after_the_departure_is_told_at_once() {
        check(1, |visit, watch| {
            visit.depart();
            let _watch = watch();
        });
    }

    #[test]
    fn a_dropped_watch_and_a_complete_answer_are_not_told() {
        check(0, |visit, watch| {
            drop(watch());
            let _watch = watch();
            drop(visit);
        });
    }

    #[test]
    fn a_request_is_handed_over_once_and_not_after_its_client_has_left() {
        make_token().unwrap();
        let visits = Visits::default();
        let handed_over = |arrival: Arrival, before: fn(Visit) -> Option<Visit>| {
            let check = received(arrival.peer.visit);
            let _visit = before(visits.enter(arrival));
            [visits.arrival(&check), visits.arrival(&check)].map(|arrival| arrival.is_some())
        };
        let arrival = arrival::tests::arrival;
        assert_eq!(handed_over(arrival(), Some), [true, false]);
        let left = |visit: Visit| {
            visit.depart();
            Some(visit)
        };
        assert_eq!(handed_over(arrival(), left), [false, false]);
        assert_eq!(handed_over(arrival(), |_| None), [false, false]);
    }
}
