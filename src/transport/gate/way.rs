//! The way of an answer back to its client. The short one leads from the thread that made it straight to the client, past the
//! gate's thread, which need not wake up for it; a stream goes on there in [`Stream`]. What the client does not take of a whole
//! answer at once, and answers whose head has to be changed, make a detour: over a pair of sockets to the gate's thread, which
//! relays them.

use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use super::admission::Admission;
use super::gatehouse::{Gatehouse, Guest};
use super::stream::Stream;

/// What an answer is written on: as a whole with [`Writer::finish`], bit by bit from [`Writer::begin`] on, or
/// [by hand](Writer::by_hand). Dropped without any of them, it leaves the client with a 502.
pub struct Writer(Option<Arc<Way>>);

/// The way for the answer to one request.
pub(super) struct Way {
    pub(super) house: Arc<Gatehouse>,
    pub(super) guest: Arc<Guest>,
    state: Mutex<State>,
    /// The stream has.
    ended: Condvar,
}

struct State {
    phase: Phase,
    /// Until the answer has gone, or waits for nothing but its client.
    admission: Option<Admission>,
    /// The gate's end, for the gate's thread.
    detour: Option<UnixStream>,
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
    /// The short one, but for so many bytes, which make the detour.
    Partly(usize),
    /// The detour.
    Long,
    /// None: the client has left, or there was no detour to be had.
    Over,
}

impl Way {
    /// `is_plain`: an answer may go the short way as it is.
    pub(super) fn new(
        house: Arc<Gatehouse>,
        guest: Arc<Guest>,
        admission: Admission,
        is_plain: bool,
    ) -> Way {
        let state = State {
            phase: if is_plain { Phase::Open } else { Phase::Long },
            admission: Some(admission),
            detour: None,
        };
        Way {
            house,
            guest,
            state: Mutex::new(state),
            ended: Condvar::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Leaves an answer that has not come yet the detour only.
    pub(super) fn close(&self) -> Phase {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Long;
        }
        state.phase
    }

    /// Where the answer comes that makes the detour, once it has begun to.
    pub(super) fn take_detour(&self) -> Option<UnixStream> {
        self.lock().detour.take()
    }

    /// Another request may come behind the gate.
    pub(super) fn release(&self) {
        drop(self.lock().admission.take());
    }

    /// Nobody waits for the answer any more. Who writes it is told by its next write.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        state.phase = Phase::Over;
        state.detour = None;
        state.admission = None;
    }

    /// Waits for the end of a stream, no longer than `time`; gives whether it came.
    pub(super) fn ends_within(&self, time: Duration) -> bool {
        let waited = self
            .ended
            .wait_timeout_while(self.lock(), time, |state| state.phase == Phase::Stream);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.phase != Phase::Stream
    }

    /// Takes the short way for a stream. `false`: it has to make the detour, because the gate's thread wants it so, or because
    /// the gate closes, which the answer has to say in its head.
    fn begin_stream(&self) -> bool {
        let mut state = self.lock();
        let is_free = state.phase == Phase::Open && !self.house.is_closing();
        if is_free {
            state.phase = Phase::Stream;
            state.admission = None;
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
        state.admission = None;
        if !self.guest.set_idle(true, &self.house) {
            self.guest.cut();
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

    /// Begins the detour: wakes the gate's thread, and gives the end to write on.
    fn detour(&self) -> io::Result<UnixStream> {
        let mut state = self.lock();
        if state.phase == Phase::Over {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let pair = UnixStream::pair();
        let pair = pair.and_then(|(near, far)| near.set_nonblocking(true).map(|()| (near, far)));
        let far = match pair {
            Ok((near, far)) => {
                state.detour = Some(near);
                if state.phase == Phase::Open {
                    state.phase = Phase::Long;
                }
                Ok(far)
            }
            Err(error) => {
                state.phase = Phase::Over;
                Err(error)
            }
        };
        drop(state);
        self.guest.wake();
        far
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic and leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    pub(super) fn new(way: Arc<Way>) -> Writer {
        Writer(Some(way))
    }

    /// Writes an answer of which nothing has been written; its length is in the head. Both leave in one write.
    ///
    /// # Errors
    ///
    /// The client has gone.
    pub fn finish(mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let way = self.way()?;
        let length = head.len() + body.len();
        let mut sent = way.send(head, body);
        if sent == length {
            return Ok(());
        }
        let mut detour = way.detour()?;
        while sent < length {
            let head_left = head.get(sent..).unwrap_or_default();
            let body_sent = sent.saturating_sub(head.len());
            let body_left = body.get(body_sent..).unwrap_or_default();
            match detour.write_vectored(&[IoSlice::new(head_left), IoSlice::new(body_left)]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Begins an answer of which nothing has been written and whose end is not known: with its chunked head and its first
    /// chunks.
    ///
    /// # Errors
    ///
    /// As [`Stream::write`].
    pub fn begin(mut self, beginning: &[u8]) -> io::Result<Stream> {
        let way = self.way()?;
        let mut stream = match way.begin_stream() {
            true => Stream::short(way),
            false => Stream::long(way.detour()?),
        };
        stream.write(beginning)?;
        Ok(stream)
    }

    /// For an answer that is written in pieces and whose end is in its head or its chunks: always makes the detour.
    ///
    /// # Errors
    ///
    /// The client has gone.
    pub fn by_hand(mut self) -> io::Result<impl Write + Send + use<>> {
        self.way()?.detour()
    }

    fn way(&mut self) -> io::Result<Arc<Way>> {
        self.0.take().ok_or_else(|| ErrorKind::BrokenPipe.into())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(way) = &self.0 {
            // Whose end without a word tells the gate's thread.
            drop(way.detour());
        }
    }
}
