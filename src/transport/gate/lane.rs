//! Lanes: connections from the gate to tiny_http, one claim check at a time on each, used again and again.
//!
//! tiny_http can leave a new connection without a thread if another comes before the first has got its own
//! (`util/task_pool.rs`). So lanes are opened one by one, and each must have answered a request before it is used or the
//! next is opened. What tiny_http's user answers to that request, which is no claim check, does not matter.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::answer::Answer;
use super::exchange::timespec;
use super::limits::Limits;
use super::place::Place;
use super::reserve::Reserve;

const PROOF: &[u8] = b"GET /lane HTTP/1.1\r\nHost: gate\r\n\r\n";
const PROOF_TIME: Duration = Duration::from_secs(5);
/// Lanes kept open though they have had no request for a while; each costs tiny_http a thread.
const IDLE_KEPT: usize = 4;
/// Long enough for tiny_http to have accepted a lane; the reserve is lent for no longer, though the proof may be slow.
const ACCEPT_TIME: Duration = Duration::from_millis(200);

/// All lanes of one gate.
pub(super) struct Lanes {
    place: Place,
    pub(super) reserve: Reserve,
    open_max: usize,
    waiting_max: usize,
    waiting_time: Duration,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    /// The longest idle first; the last is used next.
    idle: Vec<IdleLane>,
    open: usize,
    opening: bool,
    waiting: usize,
}

struct IdleLane {
    stream: Arc<UnixStream>,
    has_carried: bool,
    since: Instant,
}

/// A lane that one request has for itself. Dropped, it is cut; [`Lane::give_back`] keeps it.
pub(super) struct Lane {
    /// Does not block. Who waits at it may hold it for longer than the lane.
    pub(super) stream: Arc<UnixStream>,
    lanes: Arc<Lanes>,
    /// An answer has come over it, so that there might be more behind it. Most answers go past their lane.
    has_carried: bool,
    /// It has its place among those that may be open.
    taken: bool,
}

/// No lane came free in time.
pub(super) struct NoLane;

impl Lanes {
    pub(super) fn new(place: Place, limits: &Limits) -> Lanes {
        Lanes {
            place,
            reserve: Reserve::default(),
            open_max: limits.lanes,
            waiting_max: limits.waiting,
            waiting_time: limits.waiting_time,
            state: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Sends a claim check, and gives the lane over which its answer comes: one that was proved and is clean, opened if none is
    /// idle, and waited for if no more may be opened.
    pub(super) fn send(self: &Arc<Lanes>, check: &[u8]) -> Result<Lane, NoLane> {
        loop {
            let lane = self.take()?;
            // It is far smaller than what a socket holds that is empty.
            if matches!((&*lane.stream).write(check), Ok(count) if count == check.len()) {
                return Ok(lane);
            }
            log::debug!("a lane broke while it was idle");
        }
    }

    fn take(self: &Arc<Lanes>) -> Result<Lane, NoLane> {
        let mut deadline = None;
        let mut state = self.lock();
        loop {
            if let Some(idle) = state.idle.pop() {
                drop(state);
                // From here on its place is given back whatever happens.
                let lane = self.lane(idle.stream, idle.has_carried);
                if lane.is_clean() {
                    return Ok(lane);
                }
                log::debug!("a lane had more than its answer");
                drop(lane);
                state = self.lock();
                continue;
            }
            if !state.opening && state.open < self.open_max {
                return self.open(state);
            }
            let now = Instant::now();
            let left = deadline
                .get_or_insert(now + self.waiting_time)
                .saturating_duration_since(now);
            if state.waiting >= self.waiting_max || left.is_zero() {
                return Err(NoLane);
            }
            state.waiting += 1;
            state = match self.freed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
            state.waiting -= 1;
        }
    }

    /// Open lanes, idle or not.
    pub(super) fn open_count(&self) -> usize {
        self.lock().open
    }

    /// Wakes tiny_http's `accept` once, so that it sees that its server was dropped.
    pub(super) fn nudge(&self) {
        let _ = self.place.connect();
    }

    /// Cuts the lanes that have had no request for `time`, but for the last few.
    pub(super) fn close_idle(&self, time: Duration) {
        self.close_longest_idle(time, IDLE_KEPT);
    }

    /// Cuts the lanes that have no request.
    pub(super) fn close_all_idle(&self) {
        self.close_longest_idle(Duration::ZERO, 0);
    }

    fn close_longest_idle(&self, time: Duration, kept: usize) {
        let mut state = self.lock();
        let others = state.idle.len().saturating_sub(kept);
        let long_idle = |lane: &&IdleLane| lane.since.elapsed() >= time;
        let count = state.idle.iter().take(others).take_while(long_idle).count();
        state.open -= count;
        let closed: Vec<IdleLane> = state.idle.drain(..count).collect();
        drop(state);
        closed.iter().for_each(|lane| cut(&lane.stream));
        self.freed.notify_all();
    }

    fn open(self: &Arc<Lanes>, mut state: MutexGuard<'_, State>) -> Result<Lane, NoLane> {
        state.opening = true;
        state.open += 1;
        drop(state);
        let proved = connect_and_prove(&self.place, &self.reserve);
        let mut state = self.lock();
        state.opening = false;
        if proved.is_err() {
            state.open -= 1;
        }
        drop(state);
        self.freed.notify_one();
        match proved {
            Ok(stream) => Ok(self.lane(Arc::new(stream), false)),
            Err(error) => {
                log::warn!("no new lane to the listener: {error}");
                Err(NoLane)
            }
        }
    }

    fn lane(self: &Arc<Lanes>, stream: Arc<UnixStream>, has_carried: bool) -> Lane {
        Lane {
            stream,
            lanes: Arc::clone(self),
            has_carried,
            taken: true,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic and leave the counts wrong.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// For the next request. Only for a lane whose answer was read to its end and not a byte further.
    pub(super) fn give_back(mut self) {
        let idle = IdleLane {
            stream: Arc::clone(&self.stream),
            has_carried: self.has_carried,
            since: Instant::now(),
        };
        let mut state = self.lanes.lock();
        state.idle.push(idle);
        let is_awaited = state.waiting > 0;
        drop(state);
        self.taken = false;
        // To wake nobody costs as much as to wake somebody.
        if is_awaited {
            self.lanes.freed.notify_one();
        }
    }

    /// Its answer comes over it.
    pub(super) fn carry(&mut self) {
        self.has_carried = true;
    }

    /// Holds no bytes that nobody has asked for: those would be taken for the next answer.
    fn is_clean(&self) -> bool {
        if !self.has_carried {
            return true;
        }
        let peeked = recv(
            &*self.stream,
            &mut [0; 1],
            RecvFlags::DONTWAIT | RecvFlags::PEEK,
        );
        matches!(peeked, Err(Errno::AGAIN))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if self.taken {
            cut(&self.stream);
            self.lanes.lock().open -= 1;
            self.lanes.freed.notify_one();
        }
    }
}

/// Ends a lane also for those who still wait at it.
fn cut(stream: &UnixStream) {
    let _ = stream.shutdown(Shutdown::Both);
}

fn connect_and_prove(place: &Place, reserve: &Reserve) -> io::Result<UnixStream> {
    let mut stream = reserve.lend(|| {
        let mut stream = place.connect()?;
        stream.set_write_timeout(Some(PROOF_TIME))?;
        stream.write_all(PROOF)?;
        let mut sockets = [PollFd::new(&stream, PollFlags::IN)];
        poll(&mut sockets, timespec(Some(ACCEPT_TIME)).as_ref())?;
        Ok(stream)
    })?;
    stream.set_read_timeout(Some(PROOF_TIME))?;
    let deadline = Instant::now() + PROOF_TIME;
    let mut bytes = Vec::new();
    let mut answer = Answer::new(false);
    while !answer.is_complete() {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece)?;
        if count == 0 || Instant::now() > deadline {
            return Err(io::Error::other("the proof was not answered"));
        }
        bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
        let read = answer
            .read(&bytes)
            .map_err(|_| io::Error::other("the proof's answer is malformed"))?;
        bytes.drain(..read);
    }
    if !bytes.is_empty() {
        return Err(io::Error::other("more than one answer to a proof"));
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}
