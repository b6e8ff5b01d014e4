//! Streamable HTTP, `POST /mcp`: a request is answered with JSON at once, or with an event stream when it
//! lasts or has something to tell on the way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::mcp::call::{Cancellation, Outlet};
use crate::mcp::room;
use crate::mcp::service::{Listening, Reply};

use super::crew::Crew;
use super::event_stream::{EventStream, event};
use super::gate::Writer;
use super::heartbeat::Beating;
use super::streams::{Lasting, Streams};
use super::wire::Answer;

/// A call that lasts so long goes on as an event stream, which can show that it is alive.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest silence on the stream of a running call.
const CALL_QUIET: Duration = Duration::from_secs(4);
/// The longest silence on the stream of a subscription.
const LISTEN_QUIET: Duration = Duration::from_secs(15);

/// What a client takes for an answer, as its `Accept` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Accepts {
    pub(super) json: bool,
    /// Only if it is named: who says `*/*`, as curl does, wants no stream.
    pub(super) stream: bool,
}

impl Accepts {
    /// Reads the field's values; none at all means anything.
    pub(super) fn of<'a>(values: impl Iterator<Item = &'a str>) -> Accepts {
        let mut accepts = Accepts {
            json: false,
            stream: false,
        };
        let mut named_any = false;
        for part in values
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            named_any = true;
            let mut pieces = part.split(';').map(str::trim);
            let kind = pieces.next().unwrap_or_default();
            if pieces.any(|piece| matches!(piece, "q=0" | "q=0.0" | "q=0.00" | "q=0.000")) {
                continue;
            }
            let is = |other: &str| kind.eq_ignore_ascii_case(other);
            accepts.json |= is("application/json") || is("application/*") || is("*/*");
            accepts.stream |= is("text/event-stream");
        }
        accepts.json |= !named_any;
        accepts
    }
}

/// Answers a request on which nothing has been written: with JSON where the client takes it, and where the status says
/// something that a stream, which is always 200, could not.
pub(super) fn answer(writer: Writer, accepts: Accepts, fields: &[String], reply: Reply) {
    if accepts.json || reply.status != 200 {
        Answer::json(reply.status, &reply.body)
            .with_all(fields)
            .write(writer);
    } else {
        EventStream::begin(writer, fields, &event("message", &reply.body)).end(None);
    }
    room::give_back(reply.body);
}

/// The answer to a running request, in the form that it will have taken by the end.
pub(super) struct Pending {
    form: Mutex<Form>,
    begun: Instant,
    accepts: Accepts,
    fields: Vec<String>,
    cancellation: Cancellation,
    crew: Crew,
    streams: Arc<Streams>,
}

enum Form {
    /// Nothing has been written.
    Open(Writer),
    Stream(Arc<EventStream>),
    Ended,
}

impl Pending {
    pub(super) fn new(
        writer: Writer,
        accepts: Accepts,
        fields: Vec<String>,
        cancellation: Cancellation,
        crew: Crew,
        streams: Arc<Streams>,
    ) -> Pending {
        let form = Mutex::new(Form::Open(writer));
        Pending {
            form,
            begun: Instant::now(),
            accepts,
            fields,
            cancellation,
            crew,
            streams,
        }
    }

    /// Sends the answer. `None`: the request was cancelled, and a stream just ends.
    pub(super) fn finish(&self, reply: Option<Reply>) {
        let form = std::mem::replace(&mut *self.lock(), Form::Ended);
        match (form, reply) {
            (Form::Open(writer), Some(reply)) => answer(writer, self.accepts, &self.fields, reply),
            (Form::Open(writer), None) if self.accepts.stream => {
                EventStream::begin(writer, &self.fields, ": cancelled\n\n").end(None);
            }
            (Form::Open(writer), None) => Answer::empty(204).write(writer),
            (Form::Stream(stream), reply) => {
                stream.end(reply.as_ref().map(|reply| reply.body.as_str()))
            }
            (Form::Ended, _) => (),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Form> {
        self.form.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream, begun now if nothing has been written. `None`: the client takes none, or it is over.
    fn stream(&self, form: &mut Form, first: &str) -> Option<Arc<EventStream>> {
        if !self.accepts.stream {
            return None;
        }
        match std::mem::replace(form, Form::Ended) {
            Form::Open(writer) => {
                *form = Form::Stream(Arc::new(EventStream::begin(writer, &self.fields, first)));
                None
            }
            Form::Stream(stream) => {
                *form = Form::Stream(stream.clone());
                Some(stream)
            }
            Form::Ended => None,
        }
    }
}

impl Outlet for Pending {
    fn send(&self, message: &str) {
        let stream = self.stream(&mut self.lock(), &event("message", message));
        if let Some(stream) = stream
            && !stream.message(message)
        {
            self.cancellation.cancel();
        }
    }

    fn aside(&self, wait: &mut dyn FnMut()) {
        // It stays open as streams do, and so it counts as one.
        if let Some(_place) = self.streams.place() {
            self.crew.aside(wait);
        }
    }
}

impl Beating for Pending {
    fn beat(&self) -> bool {
        let stream = {
            let mut form = match self.form.try_lock() {
                Ok(form) => form,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return true,
            };
            match &*form {
                Form::Ended => return false,
                Form::Open(_) if self.begun.elapsed() < PATIENCE => return true,
                _ => self.stream(&mut form, ": keep-alive\n\n"),
            }
        };
        let there = stream.is_none_or(|stream| stream.keep_alive(CALL_QUIET));
        if !there {
            self.cancellation.cancel();
        }
        there
    }
}

/// A subscription's open stream.
pub(super) struct Subscription {
    stream: EventStream,
    listening: Listening,
}

impl Subscription {
    pub(super) fn begin(writer: Writer, fields: &[String], listening: Listening) -> Subscription {
        let first = event("message", &listening.acknowledgement);
        Subscription {
            stream: EventStream::begin(writer, fields, &first),
            listening,
        }
    }
}

impl Lasting for Subscription {
    fn end(&self) {
        self.stream.end(Some(&self.listening.farewell));
    }
}

impl Beating for Subscription {
    fn beat(&self) -> bool {
        !self.listening.cancellation.is_cancelled() && self.stream.keep_alive(LISTEN_QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&str], json: bool, stream: bool) {
        assert_eq!(
            Accepts::of(values.iter().copied()),
            Accepts { json, stream },
            "{values:?}"
        );
    }

    #[test]
    fn a_stream_is_sent_only_to_those_who_name_it() {
        check(&["application/json, text/event-stream"], true, true);
        check(
            &["application/json", "Text/Event-Stream; q=0.5"],
            true,
            true,
        );
        check(&["text/event-stream"], false, true);
        check(&["text/event-stream;q=0, application/json"], true, false);
        check(&["*/*"], true, false);
        check(&["application/*"], true, false);
        check(&[], true, false);
        check(&["text/html"], false, false);
    }
}
