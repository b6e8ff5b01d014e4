//! The requests that are worked on behind the gate: who wants to know that a client has gone meanwhile, and which way its
//! answer may go.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::peer::Peer;
use super::short_way::{ShortWay, Writer};

type Tell = Box<dyn FnOnce() + Send>;

/// The running requests of one gate. Clones are the same list.
#[derive(Clone, Default)]
pub struct Departures {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    visits: HashMap<u64, Present>,
    next_watch: u64,
}

/// A client that has not left.
struct Present {
    watches: Vec<(u64, Tell)>,
    way: Option<Arc<ShortWay>>,
}

/// Ends its watch when dropped.
#[must_use = "the watch ends when this is dropped"]
pub struct Watch {
    departures: Departures,
    visit: u64,
    watch: u64,
}

/// One request on its way behind the gate; over when dropped.
pub(super) struct Visit {
    departures: Departures,
    visit: u64,
    way: Option<Arc<ShortWay>>,
}

impl Departures {
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
            departures: self.clone(),
            visit: peer.visit,
            watch,
        }
    }

    /// What the answer to `peer`'s request is written on.
    pub fn writer(&self, peer: &Peer, request: tiny_http::Request) -> Writer {
        let way = self
            .lock()
            .visits
            .get(&peer.visit)
            .and_then(|present| present.way.clone());
        Writer::new(request, way)
    }

    pub(super) fn enter(&self, visit: u64, way: Option<Arc<ShortWay>>) -> Visit {
        let present = Present {
            watches: Vec::new(),
            way: way.clone(),
        };
        self.lock().visits.insert(visit, present);
        Visit {
            departures: self.clone(),
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
        let present = self.departures.lock().visits.remove(&self.visit);
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
        self.departures.lock().visits.remove(&self.visit);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(present) = self.departures.lock().visits.get_mut(&self.visit) {
            present.watches.retain(|(watch, _)| *watch != self.watch);
        }
    }
}

impl fmt::Debug for Departures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Departures").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[track_caller]
    fn check(expected: usize, act: impl FnOnce(&Departures, &Peer, Box<dyn Fn() -> Watch + '_>)) {
        let departures = Departures::default();
        let told = Arc::new(AtomicUsize::new(0));
        let peer = Peer {
            address: ([127, 0, 0, 1], 1).into(),
            visit: 7,
        };
        let watch = || {
            let told = Arc::clone(&told);
            departures.watch(&peer, move || {
                told.fetch_add(1, Ordering::Relaxed);
            })
        };
        act(&departures, &peer, Box::new(watch));
        assert_eq!(told.load(Ordering::Relaxed), expected);
    }

    #[test]
    fn each_watch_is_told_once() {
        check(2, |departures, peer, watch| {
            let visit = departures.enter(peer.visit, None);
            let _watches = (watch(), watch());
            visit.depart();
            visit.depart();
        });
    }

    #[test]
    fn a_watch_that_begins_after_the_departure_is_told_at_once() {
        check(1, |departures, peer, watch| {
            departures.enter(peer.visit, None).depart();
            let _watch = watch();
        });
    }

    #[test]
    fn a_dropped_watch_and_a_complete_answer_are_not_told() {
        check(0, |departures, peer, watch| {
            let visit = departures.enter(peer.visit, None);
            drop(watch());
            let _watch = watch();
            drop(visit);
        });
    }
}
