//! The short way of a whole answer: from the thread that made it straight to the client, past the lane and the gate's thread,
//! which need not wake up for it. What the client does not take at once, streams, and answers whose head has to be changed go
//! the long way, over the lane.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::gatehouse::{Gatehouse, Guest};
use super::lane::Lane;

/// What an answer is written on: as a whole with [`Writer::finish`], or bit by bit. Dropped, it lets the lane's next request come.
pub struct Writer {
    lane: Box<dyn Write + Send>,
    way: Option<Arc<ShortWay>>,
}

/// The short way for the answer to one request.
pub(super) struct ShortWay {
    house: Arc<Gatehouse>,
    guest: Arc<Guest>,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Of the request, once it was sent whole. Who ends the exchange gives it back.
    lane: Option<Lane>,
}

enum Phase {
    Open,
    Gone(Gone),
}

/// Which way an answer has gone, or will have to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The short one, all of it.
    Short(Instant),
    /// The short one, but for so many bytes, which come over the lane.
    Partly(usize),
    /// The long one.
    Long,
}

impl ShortWay {
    pub(super) fn new(house: Arc<Gatehouse>, guest: Arc<Guest>) -> ShortWay {
        let state = State {
            phase: Phase::Open,
            lane: None,
        };
        ShortWay {
            house,
            guest,
            state: Mutex::new(state),
        }
    }

    /// Leaves the lane to whoever ends the exchange, and gives its socket, over which an answer may come all the same. The
    /// lane comes back if the answer is with the client already.
    pub(super) fn lend(&self, lane: Lane) -> Result<Arc<UnixStream>, Lane> {
        let mut state = self.lock();
        if let Phase::Gone(Gone::Short(_)) = state.phase {
            return Err(lane);
        }
        let stream = Arc::clone(&lane.stream);
        state.lane = Some(lane);
        Ok(stream)
    }

    /// When the answer went this way, if it did.
    pub(super) fn gone_at(&self) -> Option<Instant> {
        match self.lock().phase {
            Phase::Gone(Gone::Short(at)) => Some(at),
            _ => None,
        }
    }

    /// Leaves an answer that has not come yet the long way only, and gives the lane for it.
    pub(super) fn close(&self) -> (Gone, Option<Lane>) {
        let mut state = self.lock();
        let gone = match state.phase {
            Phase::Gone(gone) => gone,
            Phase::Open => Gone::Long,
        };
        state.phase = Phase::Gone(gone);
        (gone, state.lane.take())
    }

    /// Sends what of a whole answer the client takes at once; gives how much that was: nothing while the gate closes, which
    /// the answer has to say in its head.
    fn send(&self, answer: &[u8]) -> usize {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Open) || self.house.is_closing() {
            return 0;
        }
        let sent = loop {
            match send(
                &self.guest.stream,
                answer,
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            ) {
                Ok(count) => break count,
                Err(Errno::INTR) => {}
                // The gate's thread will see what is wrong.
                Err(_) => break 0,
            }
        };
        match answer.len() - sent {
            _ if sent == 0 => {}
            0 => {
                state.phase = Phase::Gone(Gone::Short(Instant::now()));
                if !self.guest.set_idle(true, &self.house) {
                    self.guest.cut();
                }
            }
            left => state.phase = Phase::Gone(Gone::Partly(left)),
        }
        sent
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic and leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    pub(super) fn new(request: tiny_http::Request, way: Option<Arc<ShortWay>>) -> Writer {
        Writer {
            lane: request.into_writer(),
            way,
        }
    }

    /// For a request that no client has sent.
    pub fn over_lane(request: tiny_http::Request) -> Writer {
        Writer::new(request, None)
    }

    /// Writes an answer of which nothing has been written: head and body, with its length in the head.
    ///
    /// # Errors
    ///
    /// The client has gone, or what is behind the gate is closed.
    pub fn finish(mut self, answer: &[u8]) -> io::Result<()> {
        let Some(way) = self.way.take() else {
            return self.long(answer);
        };
        let sent = way.send(answer);
        if sent < answer.len() {
            return self.long(answer.get(sent..).unwrap_or_default());
        }
        // The lane's next request has to wait for its writer no longer than this.
        drop(self);
        let lane = way.lock().lane.take();
        if let Some(lane) = lane {
            lane.give_back();
        }
        Ok(())
    }

    fn long(mut self, bytes: &[u8]) -> io::Result<()> {
        self.lane.write_all(bytes)?;
        self.lane.flush()
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lane.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lane.flush()
    }
}
