//! Standard input and output: one JSON message a line, both ways, with the one client that started this process.
//!
//! One thread reads and answers what needs nobody; calls run in the crew, so that others overtake them. Nothing else
//! is ever written to standard output. What a line means is left to [`Service`].

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use log::{debug, warn};

use crate::mcp::call::Outlet;
use crate::mcp::dialog::Dialog;
use crate::mcp::headers::Headers;
use crate::mcp::service::{Listening, Reception, Reply, Service, Via, Work};

use super::crew::Crew;
use super::line::{Line, Lines};

/// The longest line that is read: as much as the body of a request over HTTP.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most bytes of lines whose calls run or wait.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long calls that were cancelled may take to notice it, at the end.
const LAST_PATIENCE: Duration = Duration::from_millis(250);

const BUSY: &str = "all workers are busy and the queue is full; ask again in a second";

/// What the server allows its client.
pub struct StdioSettings {
    /// The most calls that run at once.
    pub calls_max: usize,
    /// The most calls that wait for one that runs.
    pub waiting_max: usize,
    /// The most subscriptions that are held at once.
    pub streams_max: usize,
}

/// The running dialog with the client.
pub struct Stdio(Arc<Peer>);

impl Stdio {
    /// Begins to read standard input. `ended` is called when there is nothing more to read, or nobody who reads what
    /// is written; then, or whenever the server is told to end, [`Stdio::stop`] is due.
    pub fn start(
        settings: &StdioSettings,
        service: Arc<Service>,
        ended: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Stdio> {
        let dialog = service.dialog();
        // Unbuffered: each message leaves whole, in one write, and needs no flush.
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let peer = Arc::new(Peer {
            service,
            dialog,
            crew: Crew::new(settings.calls_max, settings.waiting_max),
            output: Mutex::new(Some(output)),
            calls: Arc::default(),
            subscriptions: Mutex::default(),
            subscriptions_max: settings.streams_max,
            ended: Box::new(ended),
        });
        let reader = peer.clone();
        thread::Builder::new()
            .name("stdin".into())
            .spawn(move || reader.read(io::stdin()))?;
        Ok(Stdio(peer))
    }

    /// Ends the subscriptions and lets running calls end for `patience`; then they are cancelled.
    pub fn stop(&self, patience: Duration) {
        self.0.service.end_questions();
        let (peer, place) = (self.0.clone(), self.0.calls.enter(0));
        // By a thread of its own: where nobody reads, a write may never come back.
        let farewell = thread::Builder::new().spawn(move || {
            peer.end_subscriptions();
            drop(place);
        });
        if let Err(error) = farewell {
            warn!("subscriptions end without a word: {error}");
        }
        self.0.calls.wait_for_none(patience);
        self.0.dialog.end();
        self.0.calls.wait_for_none(LAST_PATIENCE);
    }
}

struct Peer {
    service: Arc<Service>,
    dialog: Dialog,
    crew: Crew,
    /// None once the client has closed its end.
    output: Mutex<Option<File>>,
    calls: Arc<Calls>,
    subscriptions: Mutex<Vec<Listening>>,
    subscriptions_max: usize,
    ended: Box<dyn Fn() + Send + Sync>,
}

impl Outlet for Peer {
    fn send(&self, message: &str) {
        debug_assert!(!message.contains('\n'), "a message is one line");
        let line = [message.as_bytes(), b"\n"].concat();
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = output.as_mut() else {
            return;
        };
        if let Err(error) = file.write_all(&line) {
            *output = None;
            drop(output);
            debug!("standard output is closed: {error}");
            self.dialog.end();
            (self.ended)();
        }
    }

    fn aside(&self, wait: &mut dyn FnMut()) {
        self.crew.aside(wait);
    }
}

impl Peer {
    fn read(self: &Arc<Self>, input: impl Read) {
        // Whoever started the process gave it its environment too.
        let headers = Headers::default().trusted(true);
        let mut lines = Lines::new(input, LINE_BYTES_MAX);
        loop {
            match lines.next() {
                Ok(Some(Line::Whole(line))) if line.trim_ascii().is_empty() => (),
                Ok(Some(Line::Whole(line))) => {
                    // A fault in one message costs that message.
                    let _ = catch_unwind(AssertUnwindSafe(|| self.receive(line, &headers)));
                }
                Ok(Some(Line::TooLong)) => {
                    let why = format!("a line of more than {LINE_BYTES_MAX} bytes was passed over");
                    self.send(&Reply::unread(&why).body);
                }
                Ok(None) => break,
                Err(error) => {
                    warn!("standard input: {error}");
                    break;
                }
            }
        }
        (self.ended)();
    }

    fn receive(self: &Arc<Self>, line: &[u8], headers: &Headers) {
        match self
            .service
            .receive(line, headers, &Via::Stdio(&self.dialog))
        {
            Reception::Accepted => (),
            Reception::Answered(reply) => self.send(&reply.body),
            Reception::Work(work) => self.run(work, line.len()),
            Reception::Listen(listening) => self.listen(listening),
        }
    }

    fn run(self: &Arc<Self>, work: Work, bytes: usize) {
        let place = self.calls.enter(bytes);
        let fits = self.calls.bytes() <= HELD_BYTES_MAX;
        let Some(claim) = fits.then(|| self.crew.claim().ok()).flatten() else {
            if let Some(reply) = work.refuse(BUSY) {
                self.send(&reply.body);
            }
            return;
        };
        let peer = self.clone();
        let job = move || {
            if let Some(reply) = work.run(peer.clone()) {
                peer.send(&reply.body);
            }
            drop(place);
        };
        self.crew.run_elsewhere(claim, Box::new(job));
    }

    fn listen(self: &Arc<Self>, listening: Listening) {
        if self.subscriptions().len() >= self.subscriptions_max {
            return self.send(&listening.refusal);
        }
        self.send(&listening.acknowledgement);
        let cancellation = listening.cancellation.clone();
        self.subscriptions().push(listening);
        let peer = Arc::downgrade(self);
        cancellation.then(move || {
            if let Some(peer) = peer.upgrade() {
                let is_held = |one: &Listening| !one.cancellation.is_cancelled();
                peer.subscriptions().retain(is_held);
            }
        });
    }

    fn end_subscriptions(&self) {
        let held = std::mem::take(&mut *self.subscriptions());
        for listening in held {
            self.send(&listening.farewell);
        }
    }

    fn subscriptions(&self) -> MutexGuard<'_, Vec<Listening>> {
        self.subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calls that run or wait, and the bytes of their lines.
#[derive(Default)]
struct Calls {
    held: Mutex<Held>,
    none: Condvar,
}

#[derive(Default)]
struct Held {
    calls: usize,
    bytes: usize,
}

/// One of them; no more when dropped.
struct CallPlace {
    calls: Arc<Calls>,
    bytes: usize,
}

impl Calls {
    fn enter(self: &Arc<Self>, bytes: usize) -> CallPlace {
        let mut held = self.lock();
        held.calls += 1;
        held.bytes += bytes;
        CallPlace {
            calls: self.clone(),
            bytes,
        }
    }

    fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Waits until none is left, for `patience` at most.
    fn wait_for_none(&self, patience: Duration) {
        let held = self.lock();
        let _ = self
            .none
            .wait_timeout_while(held, patience, |held| held.calls > 0);
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CallPlace {
    fn drop(&mut self) {
        let mut held = self.calls.lock();
        held.calls -= 1;
        held.bytes -= self.bytes;
        self.calls.none.notify_all();
    }
}
