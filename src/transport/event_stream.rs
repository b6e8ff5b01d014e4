//! An open event stream: events go out as chunks, each in one write; a failed write ends it.

use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::gate::Writer;
use super::wire;

/// A stream that anyone may write to.
pub(super) struct EventStream(Mutex<State>);

struct State {
    /// None: it has ended, or the client has gone.
    writer: Option<Writer>,
    written: Instant,
}

impl EventStream {
    /// Begins a stream with its head and its first event or comment.
    pub(super) fn begin(writer: Writer, fields: &[String], first: &str) -> EventStream {
        let mut state = State {
            writer: Some(writer),
            written: Instant::now(),
        };
        let mut bytes = wire::stream_head(fields);
        wire::chunk(&mut bytes, first);
        state.write(&bytes);
        EventStream(Mutex::new(state))
    }

    /// Sends a message. Whether the client was still there.
    pub(super) fn message(&self, message: &str) -> bool {
        self.lock().write_chunk(&event("message", message))
    }

    /// Sends a comment if nothing has been written for `quiet`. Whether the client was still there.
    ///
    /// Never waits: a stream that someone else is writing to needs no comment.
    pub(super) fn keep_alive(&self, quiet: Duration) -> bool {
        let mut state = match self.0.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return true,
        };
        if state.written.elapsed() < quiet {
            return state.writer.is_some();
        }
        state.write_chunk(": keep-alive\n\n")
    }

    /// Ends it, after a last message if there is one.
    pub(super) fn end(&self, last: Option<&str>) {
        let mut state = self.lock();
        let mut bytes = Vec::new();
        if let Some(last) = last {
            wire::chunk(&mut bytes, &event("message", last));
        }
        bytes.extend_from_slice(wire::LAST_CHUNK);
        state.write(&bytes);
        state.writer = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write_chunk(&mut self, data: &str) -> bool {
        let mut bytes = Vec::with_capacity(data.len() + 16);
        wire::chunk(&mut bytes, data);
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> bool {
        let Some(writer) = &mut self.writer else {
            return false;
        };
        self.written = Instant::now();
        if writer
            .write_all(bytes)
            .and_then(|()| writer.flush())
            .is_err()
        {
            self.writer = None;
        }
        self.writer.is_some()
    }
}

/// An event. `data` has no line breaks.
pub(super) fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}
