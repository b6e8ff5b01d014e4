//! One running call: how it is cancelled, how it tells of its progress, and how it asks its client.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::handshake::{can_be_asked, takes_forms};
use super::headers::Headers;
use super::jsonrpc;
use super::questions::{Questions, Unanswered};
use super::revision::Revision;
use super::running::Scope;

/// The shortest time between two progress notifications of a call; what comes sooner is dropped.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Where the messages go that belong to a request, and what its call takes of the server. Implemented by the transports.
pub trait Outlet: Send + Sync {
    /// Sends one message, a whole JSON-RPC text without line breaks. A client that has gone is no error here.
    fn send(&self, message: &str);

    /// Runs `wait`, which does nothing but wait for the client, in this thread; meanwhile another call may run in place
    /// of this one. Where there is no room for one more that waits, it is not run.
    fn aside(&self, wait: &mut dyn FnMut());
}

/// A switch that is thrown once, by whoever has a reason: the client, its departure, the end of the server.
#[derive(Clone, Default)]
pub struct Cancellation(Arc<CancellationState>);

#[derive(Default)]
struct CancellationState {
    thrown: AtomicBool,
    actions: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

impl Cancellation {
    /// Throws the switch: everything that was asked for by [`Cancellation::then`] happens now, in this thread.
    pub fn cancel(&self) {
        let actions = {
            let mut actions = self
                .0
                .actions
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            self.0.thrown.store(true, Ordering::SeqCst);
            std::mem::take(&mut *actions)
        };
        for action in actions {
            // One broken action must not keep the others from happening.
            let _ = catch_unwind(AssertUnwindSafe(action));
        }
    }

    /// Whether it has been thrown.
    pub fn is_cancelled(&self) -> bool {
        self.0.thrown.load(Ordering::SeqCst)
    }

    /// Does `action` when the switch is thrown; at once if it was.
    pub fn then(&self, action: impl FnOnce() + Send + 'static) {
        let mut actions = self
            .0
            .actions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.is_cancelled() {
            drop(actions);
            action();
        } else {
            actions.push(Box::new(action));
        }
    }

    /// Whether both are the same switch.
    pub fn is(&self, other: &Cancellation) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// How grave a log message to the client is, as RFC 5424 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// What happens.
    Info,
    /// What matters.
    Notice,
    /// What may go wrong.
    Warning,
    /// What went wrong.
    Error,
    /// Worse.
    Critical,
    /// Worse still.
    Alert,
    /// Nothing works.
    Emergency,
}

impl Level {
    const ALL: [(Level, &'static str); 8] = [
        (Level::Debug, "debug"),
        (Level::Info, "info"),
        (Level::Notice, "notice"),
        (Level::Warning, "warning"),
        (Level::Error, "error"),
        (Level::Critical, "critical"),
        (Level::Alert, "alert"),
        (Level::Emergency, "emergency"),
    ];

    /// The level of this name.
    pub fn named(word: &str) -> Option<Level> {
        Level::ALL
            .into_iter()
            .find(|(_, name)| *name == word)
            .map(|(level, _)| level)
    }

    /// The level as it stands in messages.
    pub fn word(self) -> &'static str {
        Level::ALL[self as usize].1
    }
}

/// One running call, as its handler sees it. Cheap to clone.
#[derive(Clone)]
pub struct Call {
    state: Arc<CallState>,
    client: Arc<ClientSide>,
}

struct CallState {
    revision: Revision,
    headers: Headers,
    cancellation: Cancellation,
    outlet: Arc<dyn Outlet>,
    progress_token: Option<Value>,
    told: Mutex<Told>,
    log_level: Option<Level>,
    asker: Option<Asker>,
    answer_bytes_max: Option<usize>,
}

/// What a call has told its client so far.
#[derive(Default)]
struct Told {
    /// The last progress, and when.
    progress: Option<(f64, Instant)>,
    /// Nothing may follow the answer.
    answered: bool,
}

/// What the client said of itself with this request (2026-07-28) or in its handshake, and what it answered.
#[derive(Clone, Default)]
pub struct ClientSide {
    /// Its capabilities, as far as they can be used in this round: empty where it cannot be asked anything.
    pub capabilities: Map<String, Value>,
    /// Its answers to what an earlier round asked for, by key.
    pub input_responses: Map<String, Value>,
    /// What an earlier round gave it to bring back.
    pub request_state: Option<String>,
    /// Why what an earlier round asked for has no answer, as the beginning of a sentence. It is of no use to ask again.
    pub unanswered: Option<String>,
}

/// The way to the client's answers, in the revisions in which it is asked on a stream.
pub struct Asker {
    pub(super) questions: Questions,
    pub(super) scope: Scope,
}

/// What a [`Call`] is made of.
pub struct CallParts {
    /// The revision that the answer is for.
    pub revision: Revision,
    /// The header fields that came with the request.
    pub headers: Headers,
    /// Its switch.
    pub cancellation: Cancellation,
    /// The client's wish for progress notifications.
    pub progress_token: Option<Value>,
    /// The least grave log message that the client wants; none: no log messages.
    pub log_level: Option<Level>,
    /// What the client said of itself.
    pub client: ClientSide,
    /// How it is asked; none where that takes a second call, or is not possible.
    pub asker: Option<Asker>,
    /// The largest message that this client can take, in bytes; none: no bound.
    pub answer_bytes_max: Option<usize>,
}

impl Call {
    /// A call from its parts, whose notifications go to `outlet`.
    pub fn new(parts: CallParts, outlet: Arc<dyn Outlet>) -> Call {
        let state = CallState {
            revision: parts.revision,
            headers: parts.headers,
            cancellation: parts.cancellation,
            outlet,
            progress_token: parts.progress_token,
            told: Mutex::default(),
            log_level: parts.log_level,
            asker: parts.asker,
            answer_bytes_max: parts.answer_bytes_max,
        };
        Call {
            state: Arc::new(state),
            client: Arc::new(parts.client),
        }
    }

    /// The same call after the client has been asked.
    pub(super) fn in_round(&self, client: ClientSide) -> Call {
        Call {
            state: self.state.clone(),
            client: Arc::new(client),
        }
    }

    /// The header fields that came with the request.
    pub fn headers(&self) -> &Headers {
        &self.state.headers
    }

    /// The call's switch.
    pub fn cancellation(&self) -> &Cancellation {
        &self.state.cancellation
    }

    /// What the client said of itself.
    pub fn client(&self) -> &ClientSide {
        &self.client
    }

    /// Whether the client can put a form before its user and bring the answer.
    pub fn can_ask(&self) -> bool {
        let elicitation = self.client.capabilities.get("elicitation");
        elicitation.is_some_and(takes_forms)
    }

    /// Sends a request to the client, an object with `method` and `params`, and waits for its result. Nothing of the
    /// server but a thread is held meanwhile.
    pub(super) fn ask(&self, request: &Value) -> Result<Value, Unanswered> {
        let method = request.get("method").and_then(Value::as_str);
        let method = method.filter(|method| can_be_asked(method, &self.client.capabilities));
        let (Some(method), Some(asker)) = (method, &self.state.asker) else {
            return Err(Unanswered::Unable);
        };
        let cancellation = self.cancellation();
        let question = asker.questions.begin(&asker.scope, cancellation)?;
        let params = request.get("params").unwrap_or(&Value::Null);
        let message = jsonrpc::request(&question.id, method, params);
        let mut is_sent = false;
        let mut answer = Err(Unanswered::Full);
        self.state.outlet.aside(&mut || {
            if let Some(_telling) = self.telling() {
                self.state.outlet.send(&message);
                is_sent = true;
            }
            answer = question.wait(cancellation);
        });
        if let (true, Err(why)) = (is_sent, &answer)
            && !matches!(why, Unanswered::Refused(_))
        {
            let params = json!({"requestId": question.id, "reason": why.to_string()});
            let notification = jsonrpc::notification("notifications/cancelled", &params);
            self.state.outlet.send(&notification);
        }
        answer
    }

    /// The largest message that this client can take, in bytes; none: no bound.
    pub fn answer_bytes_max(&self) -> Option<usize> {
        self.state.answer_bytes_max
    }

    pub(super) fn revision(&self) -> Revision {
        self.state.revision
    }

    /// Tells how far the call is, if the client asked to be told: `done` of `total` (if known), in any unit.
    ///
    /// What does not grow, or comes within 250 ms of the last, is dropped: the protocol wants progress to increase.
    pub fn progress(&self, done: f64, total: Option<f64>, message: &str) {
        let Some(token) = &self.state.progress_token else {
            return;
        };
        let Some(mut told) = self.telling() else {
            return;
        };
        if let Some((last, at)) = told.progress
            && (done <= last || at.elapsed() < PROGRESS_INTERVAL)
        {
            return;
        }
        told.progress = Some((done, Instant::now()));
        let mut params = json!({"progressToken": token, "progress": done});
        if let Some(total) = total {
            params["total"] = total.into();
        }
        if self.state.revision.has_audio() && !message.is_empty() {
            params["message"] = message.into();
        }
        self.state
            .outlet
            .send(&jsonrpc::notification("notifications/progress", &params));
    }

    /// Sends a log message to the client, if it asked for ones as grave as this.
    pub fn log(&self, level: Level, logger: &str, data: Value) {
        if self.state.log_level.is_none_or(|least| level < least) {
            return;
        }
        let Some(_telling) = self.telling() else {
            return;
        };
        let params = json!({"level": level.word(), "logger": logger, "data": data});
        self.state
            .outlet
            .send(&jsonrpc::notification("notifications/message", &params));
    }

    /// Nothing more is told: the answer comes next, also where the handler left a thread behind.
    pub(super) fn end(&self) {
        let mut told = self
            .state
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        told.answered = true;
    }

    /// The right to tell something, to be held while sending, so that nothing overtakes anything. `None`: it is too late.
    fn telling(&self) -> Option<MutexGuard<'_, Told>> {
        let told = self
            .state
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (!told.answered && !self.state.cancellation.is_cancelled()).then_some(told)
    }
}
