//! The short way of an answer: from the thread that made it straight to the client, past the lane and the gate's thread,
//! which need not wake up for it. What the client does not take of a whole answer at once, and answers whose head has to be
//! changed, go the long way, over the lane. A stream goes on in [`Stream`].

use std::io::{self, IoSlice, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use super::gatehouse::{Gatehouse, Guest};
use super::lane::Lane;
use super::stream::Stream;

/// What an answer is written on: as a whole with [`Writer::finish`], or bit by bit from [`Writer::begin`] on. Dropped, it lets
/// the lane's next request come.
pub struct Writer {
    lane: Box<dyn Write + Send>,
    way: Option<Arc<ShortWay>>,
}

/// The short way for the answer to one request.
pub(super) struct ShortWay {
    pub(super) house: Arc<Gatehouse>,
    pub(super) guest: Arc<Guest>,
    state: Mutex<State>,
    /// The stream has.
    ended: Condvar,
}

struct State {
    phase: Phase,
    /// Of the request, once it was sent whole. Who ends the exchange, or begins a stream, gives it back.
    lane: Option<Lane>,
}

/// Which way an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not known yet.
    Open,
    /// The short one, event by event.
    Stream,
    /// The short one; all of it has gone, at this time.
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
            ended: Condvar::new(),
        }
    }

    /// Leaves the lane to whoever ends the exchange or begins a stream. It comes back if that has happened already.
    pub(super) fn lend(&self, lane: Lane) -> Result<(), Lane> {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Short(_) | Phase::Stream) {
            return Err(lane);
        }
        state.lane = Some(lane);
        Ok(())
    }

    pub(super) fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Leaves an answer that has not come yet the long way only, and gives the lane for it.
    pub(super) fn close(&self) -> (Phase, Option<Lane>) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Long;
        }
        (state.phase, state.lane.take())
    }

    /// Waits for the end of a stream, no longer than `time`; gives whether it came.
    pub(super) fn ends_within(&self, time: Duration) -> bool {
        let waited = self
            .ended
            .wait_timeout_while(self.lock(), time, |state| state.phase == Phase::Stream);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.phase != Phase::Stream
    }

    /// Takes this way for a stream. `false`: it has to go the long way, because the gate's thread wants it so, or because
    /// the gate closes, which the answer has to say in its head.
    fn begin_stream(&self) -> bool {
        let mut state = self.lock();
        let is_free = state.phase == Phase::Open && !self.house.is_closing();
        if is_free {
            state.phase = Phase::Stream;
        }
        is_free
    }

    /// The client has all of the stream.
    pub(super) fn end_stream(&self) {
        self.gone(&mut self.lock());
        self.ended.notify_all();
    }

    fn gone(&self, state: &mut State) {
        state.phase = Phase::Short(Instant::now());
        if !self.guest.set_idle(true, &self.house) {
            self.guest.cut();
        }
    }

    /// The lane, which the answer does not need, is for the next request.
    fn give_lane_back(&self) {
        let lane = self.lock().lane.take();
        if let Some(lane) = lane {
            lane.give_back();
        }
    }

    /// Sends what of a whole answer the client takes at once; gives how much that was: nothing while the gate closes, which
    /// the answer has to say in its head.
    fn send(&self, head: &[u8], body: &[u8]) -> usize {
        let mut state = self.lock();
        if state.phase != Phase::Open || self.house.is_closing() {
            return 0;
        }
        let sent = loop {
            match sendmsg(
                &self.guest.stream,
                &[IoSlice::new(head), IoSlice::new(body)],
                &mut SendAncillaryBuffer::default(),
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            ) {
                Ok(count) => break count,
                Err(Errno::INTR) => {}
                // The gate's thread will see what is wrong.
                Err(_) => break 0,
            }
        };
        match head.len() + body.len() - sent {
            _ if sent == 0 => {}
            0 => self.gone(&mut state),
            left => state.phase = Phase::Partly(left),
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

    /// Writes an answer of which nothing has been written; its length is in the head. Both leave in one write.
    ///
    /// # Errors
    ///
    /// The client has gone, or what is behind the gate is closed.
    pub fn finish(mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let Some(way) = self.way.take() else {
            return self.long(head, body, 0);
        };
        let sent = way.send(head, body);
        if sent < head.len() + body.len() {
            return self.long(head, body, sent);
        }
        // The lane's next request has to wait for its writer no longer than this.
        drop(self);
        way.give_lane_back();
        Ok(())
    }

    /// Begins an answer of which nothing has been written and whose end is not known: with its chunked head and its first
    /// chunks.
    ///
    /// # Errors
    ///
    /// As [`Stream::write`].
    pub fn begin(mut self, beginning: &[u8]) -> io::Result<Stream> {
        let way = self.way.take().filter(|way| way.begin_stream());
        let mut stream = match way {
            None => Stream::over_lane(self.lane),
            Some(way) => {
                // The same here.
                drop(self);
                way.give_lane_back();
                Stream::past_lane(way)
            }
        };
        stream.write(beginning)?;
        Ok(stream)
    }

    /// Over the lane, what comes after the bytes that were `sent`. tiny_http's writer has no write for two pieces.
    fn long(mut self, head: &[u8], body: &[u8], sent: usize) -> io::Result<()> {
        let body = body
            .get(sent.saturating_sub(head.len())..)
            .unwrap_or_default();
        match head.get(sent..) {
            Some(head @ [_, ..]) => self.lane.write_all(&[head, body].concat())?,
            _ => self.lane.write_all(body)?,
        }
        self.lane.flush()
    }
}
