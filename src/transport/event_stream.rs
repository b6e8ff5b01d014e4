//! An open event stream: events go out as chunks, each in one write; a failed write ends it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::gate::{Stream, Writer};
use super::wire;

/// A stream that anyone may write to.
pub(super) struct EventStream(Mutex<State>);

struct State {
    /// None: it has ended, or the client has gone.
    stream: Option<Stream>,
    written: Instant,
}

impl EventStream {
    /// Begins a stream with its head and its first event or comment.
    pub(super) fn begin(writer: Writer, fields: &[String], first: &str) -> EventStream {
        let mut bytes = wire::stream_head(fields);
        wire::chunk(&mut bytes, first);
        let state = State {
            written: Instant::now(),
            stream: writer.begin(&bytes).ok(),
        };
        EventStream(Mutex::new(state))
    }

    /// Sends a message. Whether the client was still there.
    pub(super) fn message(&self, message: &str) -> bool {
        let event = event("message", message);
        self.lock().write(&event, Stream::write)
    }

    /// Sends a comment if nothing has been written for `quiet`. Whether the client was still there.
    ///
    /// Never waits: a stream that someone else is writing to needs no comment, nor one whose client has something to take.
    pub(super) fn keep_alive(&self, quiet: Duration) -> bool {
        let mut state = match self.0.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return true,
        };
        if state.written.elapsed() < quiet {
            return state.stream.is_some();
        }
        state.write(": keep-alive\n\n", Stream::offer)
    }

    /// Ends it, after a last message if there is one.
    pub(super) fn end(&self, last: Option<&str>) {
        let mut state = self.lock();
        let Some(stream) = state.stream.take() else {
            return;
        };
        let mut bytes = Vec::new();
        if let Some(last) = last {
            wire::chunk(&mut bytes, &event("message", last));
        }
        bytes.extend_from_slice(wire::LAST_CHUNK);
        // A client that has gone is nobody's fault.
        let _ = stream.end(&bytes);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, data: &str, write: fn(&mut Stream, &[u8]) -> io::Result<()>) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let mut bytes = Vec::with_capacity(data.len() + 16);
        wire::chunk(&mut bytes, data);
        self.written = Instant::now();
        if write(stream, &bytes).is_err() {
            self.stream = None;
        }
        self.stream.is_some()
    }
}

/// An event. `data` has no line breaks.
pub(super) fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}
