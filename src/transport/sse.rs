//! HTTP+SSE, the transport of revision 2024-11-05: `GET /sse` opens a stream whose first event names the address
//! for messages; what is posted there is answered on the stream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::mcp::call::Outlet;
use crate::mcp::dialog::Dialog;

use super::crew::Crew;
use super::event_stream::{EventStream, event};
use super::gate::Writer;
use super::heartbeat::Beating;
use super::streams::Lasting;

/// The longest silence on a stream.
const QUIET: Duration = Duration::from_secs(15);
/// Random bytes in a stream's id: 128 bits.
const ID_BYTES: usize = 16;

/// One open stream.
pub(super) struct SseStream {
    stream: EventStream,
    pub(super) dialog: Dialog,
    calls: Mutex<Calls>,
    crew: Crew,
}

/// What is still to be answered on a stream.
#[derive(Default)]
struct Calls {
    running: usize,
    /// The server ends the stream after the last answer.
    ending: bool,
}

/// One call that is answered on a stream; over when dropped.
pub(super) struct CallPlace(Arc<SseStream>);

impl SseStream {
    /// Keeps the stream from being ended by the server until the call is over.
    pub(super) fn enter(self: &Arc<Self>) -> CallPlace {
        self.calls().running += 1;
        CallPlace(self.clone())
    }

    /// Ends the stream if nothing is to be answered on it; else the last call does.
    fn end(&self) {
        let mut calls = self.calls();
        calls.ending = true;
        let is_over = calls.running == 0;
        drop(calls);
        if is_over {
            self.stream.end(None);
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CallPlace {
    fn drop(&mut self) {
        let mut calls = self.0.calls();
        calls.running -= 1;
        let is_last = calls.ending && calls.running == 0;
        drop(calls);
        if is_last {
            self.0.stream.end(None);
        }
    }
}

impl Outlet for SseStream {
    fn send(&self, message: &str) {
        self.stream.message(message);
    }

    fn aside(&self, wait: &mut dyn FnMut()) {
        self.crew.aside(wait);
    }
}

/// The open streams, by id.
#[derive(Clone, Default)]
pub(super) struct SseStreams(Arc<Mutex<HashMap<String, Arc<SseStream>>>>);

impl SseStreams {
    /// Opens a stream and tells its client where to post. `None`: the system has no random bytes.
    pub(super) fn open(
        &self,
        writer: Writer,
        fields: &[String],
        dialog: Dialog,
        crew: &Crew,
    ) -> Option<OpenStream> {
        let mut random = [0; ID_BYTES];
        getrandom::fill(&mut random).ok()?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        // Known before it is told, so that not even the fastest client finds its stream missing.
        let first = event("endpoint", &format!("/messages/?session_id={id}"));
        let mut streams = self.lock();
        let stream = Arc::new(SseStream {
            stream: EventStream::begin(writer, fields, &first),
            dialog,
            calls: Mutex::default(),
            crew: crew.clone(),
        });
        streams.insert(id.clone(), stream.clone());
        drop(streams);
        Some(OpenStream {
            id,
            stream,
            streams: self.clone(),
        })
    }

    /// The open stream of this id.
    pub(super) fn get(&self, id: &str) -> Option<Arc<SseStream>> {
        self.lock().get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<SseStream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a stream open; dropped, the stream is forgotten and its calls are cancelled.
pub(super) struct OpenStream {
    id: String,
    stream: Arc<SseStream>,
    streams: SseStreams,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.streams.lock().remove(&self.id);
        // The calls hold the stream too, so they are told: nobody will read their answers.
        self.stream.dialog.end();
    }
}

impl Lasting for OpenStream {
    fn end(&self) {
        self.stream.end();
    }
}

impl Beating for OpenStream {
    fn beat(&self) -> bool {
        self.stream.stream.keep_alive(QUIET)
    }
}
