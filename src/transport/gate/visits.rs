//! The requests that are behind the gate: handed over to whoever has the claim check, and then who wants to know that the client
//! has gone meanwhile.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tiny_http::Response;

use super::arrival::{Arrival, Peer};
use super::claim_check::visit_of;
use super::way::Way;

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
    way: Arc<Way>,
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

    /// The request for this claim check, once. `None` if its client has left already, or if it is no claim check: a stranger's on
    /// the socket behind the gate, who is told so.
    pub fn arrival(&self, check: tiny_http::Request) -> Option<Arrival> {
        let Some(visit) = visit_of(&check) else {
            let _ = check.respond(Response::empty(403));
            return None;
        };
        // Nothing comes back over the lane, not even what tiny_http says of a request that was dropped.
        drop(check.into_writer());
        self.lock().visits.get_mut(&visit)?.arrival.take()
    }

    pub(super) fn enter(&self, arrival: Arrival, way: Arc<Way>) -> Visit {
        let visit = arrival.peer.visit;
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

    /// The way of its answer.
    pub(super) fn way(&self) -> &Way {
        &self.way
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
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::allowance::Allowance;
    use super::super::arrival::Body;
    use super::super::claim_check::make_token;
    use super::super::claim_check::tests::received;
    use super::super::gatehouse::Gatehouse;
    use super::super::head::Head;
    use super::super::lane::Lane;
    use super::super::limits::Limits;
    use super::super::place::Place;
    use super::super::way::Writer;
    use super::*;

    /// Any request, and the way of its answer.
    fn arrival() -> (Arrival, Arc<Way>) {
        let limits = Limits::default();
        let (place, _listener) = Place::listen().unwrap();
        let house = Gatehouse::new(limits.clone(), Lane::open(place).unwrap());
        let house = Arc::new(house);
        let doors = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(doors.local_addr().unwrap()).unwrap();
        let address = client.local_addr().unwrap();
        let Ok(entry) = house.enter(client, address) else {
            panic!("there is room")
        };
        let Ok(admission) = house.admissions.admit() else {
            panic!("here, too")
        };
        let guest = Arc::clone(&entry.guest);
        let way = Arc::new(Way::new(Arc::clone(&house), guest, admission, true));
        let head = Head::parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &limits).unwrap();
        let body = Body::new(Vec::new(), Arc::new(Allowance::new(0)).claim());
        let writer = Writer::new(Arc::clone(&way));
        (Arrival::new(address, head, body, writer), way)
    }

    #[track_caller]
    fn check(expected: usize, act: impl FnOnce(Visit, Box<dyn Fn() -> Watch + '_>)) {
        let visits = Visits::default();
        let told = Arc::new(AtomicUsize::new(0));
        let (arrival, way) = arrival();
        let peer = arrival.peer;
        let watch = || {
            let told = Arc::clone(&told);
            visits.watch(&peer, move || {
                told.fetch_add(1, Ordering::Relaxed);
            })
        };
        act(visits.enter(arrival, way), Box::new(watch));
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
        let handed_over = |before: fn(Visit) -> Option<Visit>| {
            let (arrival, way) = arrival();
            let number = arrival.peer.visit;
            let _visit = before(visits.enter(arrival, way));
            [(); 2].map(|()| visits.arrival(received(number)).is_some())
        };
        let leaves = |visit: Visit| {
            visit.depart();
            Some(visit)
        };
        assert_eq!(handed_over(Some), [true, false]);
        assert_eq!(handed_over(leaves), [false, false]);
        assert_eq!(handed_over(|_| None), [false, false]);
    }
}
