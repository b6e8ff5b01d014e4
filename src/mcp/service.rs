//! Where messages come in: each is read, its revision told, and either answered at once or made a piece of work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};

use super::application::Application;
use super::call::{Asker, CallParts, Cancellation, ClientSide, Level, Outlet};
use super::dialog::Dialog;
use super::era::{self, HeaderRevision};
use super::headers::Headers;
use super::jsonrpc::{self, Body, Fault, Malformed, Message, ResultMessage};
use super::methods::{self, Asked};
use super::mirrored::Mirrored;
use super::questions::Questions;
use super::revision::Revision;
use super::running::{Entry, Running};
use super::sessions::{SESSION_HEADER, Sessions};
use super::standing::{Refusal, Standing, unknown_revision};

/// The largest message on an event stream: SDK clients refuse events over 1 MiB; some room is left for the frame.
pub const EVENT_BYTES_MAX: usize = 1_048_576 - 1_024;

/// The most messages in a batch.
const BATCH_MAX: usize = 32;
/// The most bytes of a batch's answers, where the client sets no bound.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The server's side of the protocol: one for all transports.
pub struct Service {
    pub(super) application: Box<dyn Application>,
    mirrored: OnceLock<Mirrored>,
    /// What the application is, as JSON text: each answer of the stateless revision has it.
    pub(super) implementation: String,
    running: Running,
    questions: Questions,
    pub(super) sessions: Sessions,
    dialogs: AtomicU64,
}

/// The road by which a message came.
pub enum Via<'a> {
    /// Streamable HTTP; whether the client takes an event stream for an answer.
    Http {
        /// As its `Accept` says.
        streams: bool,
    },
    /// A stream of HTTP+SSE.
    Sse(&'a Dialog),
    /// Standard input and output.
    Stdio(&'a Dialog),
}

/// What a transport does with a message.
pub enum Reception {
    /// It needs no answer: 202, or nothing.
    Accepted,
    /// It is answered already.
    Answered(Reply),
    /// It may take long: run it, where that hurts nobody.
    Work(Work),
    /// It opens a stream that stays.
    Listen(Listening),
}

/// A message to the client, with what HTTP says of it.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status where the message is the whole answer.
    pub status: u16,
    /// JSON text without line breaks.
    pub body: String,
    /// A session that begins with this answer.
    pub session: Option<String>,
}

impl Reply {
    fn new(status: u16, body: String) -> Reply {
        Reply {
            status,
            body,
            session: None,
        }
    }

    /// The answer to a message that was not read, so that nobody knows its id.
    pub fn unread(why: &str) -> Reply {
        let fault = Fault::new(jsonrpc::INVALID_REQUEST, why);
        Reply::new(400, fault.message_for(&Value::Null))
    }
}

/// A request, or a batch, that is to be run.
pub struct Work {
    service: Arc<Service>,
    parts: Parts,
    cancellation: Cancellation,
    wants_progress: bool,
}

enum Parts {
    One(Box<Asked>),
    Batch(Vec<Item>),
}

enum Item {
    Answered(String),
    Ask(Box<Asked>),
}

impl Work {
    /// The switch that ends the work.
    pub fn cancellation(&self) -> &Cancellation {
        &self.cancellation
    }

    /// Whether the client asked for notifications, which need an event stream.
    pub fn wants_notifications(&self) -> bool {
        self.wants_progress
    }

    /// Runs to the end. `None`: it was cancelled, and nothing more is to be sent.
    pub fn run(self, outlet: Arc<dyn Outlet>) -> Option<Reply> {
        let service = self.service.clone();
        self.answered(|asked| methods::run(&service, asked, &outlet))
    }

    /// Answers without running it, for a transport that has no other way to say that it is full.
    pub fn refuse(self, why: &str) -> Option<Reply> {
        self.answered(|asked| Some(methods::refusal(&asked, why)))
    }

    fn answered(self, mut answer: impl FnMut(Asked) -> Option<Reply>) -> Option<Reply> {
        let items = match self.parts {
            Parts::One(asked) => return answer(*asked),
            Parts::Batch(items) => items,
        };
        let messages = items.into_iter().filter_map(|item| match item {
            Item::Answered(message) => Some(message),
            Item::Ask(asked) => answer(*asked).map(|reply| reply.body),
        });
        let messages: Vec<String> = messages.collect();
        // A batch is answered with 200 whatever became of its parts.
        (!messages.is_empty()).then(|| Reply::new(200, format!("[{}]", messages.join(","))))
    }
}

/// A subscription: the stream stays open until one side ends it.
pub struct Listening {
    /// The first message.
    pub acknowledgement: String,
    /// The last message, if the server ends it.
    pub farewell: String,
    /// The only message, where no more subscriptions can be held.
    pub refusal: String,
    /// The client's switch.
    pub cancellation: Cancellation,
    /// Keeps the subscription known while it is held.
    pub entry: Option<Entry>,
}

impl Service {
    /// A service for what this application offers, whose clients have `question_time` to answer what they are asked on
    /// a stream.
    pub fn new(application: impl Application, question_time: Duration) -> Arc<Service> {
        Arc::new(Service {
            mirrored: OnceLock::new(),
            implementation: jsonrpc::text_of(&application.implementation()),
            application: Box::new(application),
            running: Running::default(),
            questions: Questions::new(question_time),
            sessions: Sessions::default(),
            dialogs: AtomicU64::new(0),
        })
    }

    /// What clients mirror into header fields, read from the tools for the first call that may have some.
    pub(super) fn mirrored(&self) -> &Mirrored {
        self.mirrored.get_or_init(|| {
            let tools = self.application.tools(&Headers::default());
            Mirrored::of(&tools.unwrap_or_default())
        })
    }

    /// Begins a dialog with a peer whose messages share a stream.
    pub fn dialog(&self) -> Dialog {
        let number = self.dialogs.fetch_add(1, Ordering::Relaxed);
        Dialog::new(number, self.running.clone())
    }

    /// Asks no client anything any more, and lets none of those that were asked keep its call waiting: the server ends,
    /// and an answer could not come in.
    pub fn end_questions(&self) {
        self.questions.end();
    }

    /// Takes in one body.
    pub fn receive(self: &Arc<Self>, body: &[u8], headers: &Headers, via: &Via<'_>) -> Reception {
        let result = match jsonrpc::parse(body) {
            Ok(Body::One(message)) => self.receive_one(message, headers, via),
            Ok(Body::Batch(items)) => self.receive_batch(items, headers, via),
            Err(malformed) => Err(malformed),
        };
        result.unwrap_or_else(|malformed| {
            Reception::Answered(Reply::new(400, malformed.fault.message_for(&malformed.id)))
        })
    }

    fn receive_one(
        self: &Arc<Self>,
        message: Message,
        headers: &Headers,
        via: &Via<'_>,
    ) -> Result<Reception, Malformed> {
        match message {
            Message::Response { .. } | Message::Notification { .. }
                if matches!(via, Via::Http { .. })
                    && matches!(era::of_header(headers), HeaderRevision::Unknown) =>
            {
                Err(Malformed {
                    id: Value::Null,
                    fault: unknown_revision(),
                })
            }
            Message::Response { .. }
                if matches!(via, Via::Http { .. }) && is_modern_header(headers) =>
            {
                let fault = Fault::new(
                    jsonrpc::INVALID_REQUEST,
                    "answers are not posted in this revision",
                );
                Err(Malformed {
                    id: Value::Null,
                    fault,
                })
            }
            Message::Response { id, answer } => {
                if let Some(scope) = self.scope(headers, via) {
                    self.questions.answer(&scope, &id, answer);
                }
                Ok(Reception::Accepted)
            }
            Message::Notification { method, params } => {
                self.notice(&method, &params, headers, via);
                Ok(Reception::Accepted)
            }
            Message::Request { id, method, params } => {
                match self.standing(&method, &params, headers, via) {
                    Ok(standing) => Ok(self.ask(standing, id, method, params, headers, via)),
                    Err(Refusal { status, fault }) => Ok(Reception::Answered(Reply::new(
                        status,
                        fault.message_for(&id),
                    ))),
                }
            }
        }
    }

    /// Batches exist in one revision only, which has no version header.
    fn receive_batch(
        self: &Arc<Self>,
        items: Vec<Result<Message, Malformed>>,
        headers: &Headers,
        via: &Via<'_>,
    ) -> Result<Reception, Malformed> {
        let refuse = |why: &str| {
            let fault = Fault::new(jsonrpc::INVALID_REQUEST, why);
            Err(Malformed {
                id: Value::Null,
                fault,
            })
        };
        let revision = match via {
            Via::Http { .. } => match era::of_header(headers) {
                HeaderRevision::Absent => self
                    .session(headers)
                    .map_or(Revision::UNNAMED, |handshake| handshake.revision),
                HeaderRevision::Legacy(revision) => revision,
                HeaderRevision::Modern | HeaderRevision::Unknown => {
                    return refuse("batches exist only in revision 2025-03-26");
                }
            },
            Via::Sse(dialog) | Via::Stdio(dialog) => {
                let handshake = dialog.lock().handshake;
                handshake.map_or(Revision::UNNAMED, |handshake| handshake.revision)
            }
        };
        if !revision.has_batches() {
            return refuse("batches exist only in revision 2025-03-26");
        }
        if items.len() > BATCH_MAX {
            return refuse(&format!("a batch has at most {BATCH_MAX} messages"));
        }
        for item in items.iter().flatten() {
            if let Message::Request { method, params, .. } = item {
                if method == "initialize" {
                    return refuse("`initialize` must not be in a batch");
                }
                if era::has_envelope(params) {
                    return refuse("a request of revision 2026-07-28 must not be in a batch");
                }
            }
        }

        let count = items.len();
        let cancellation = Cancellation::default();
        let mut wants_progress = false;
        let mut parts = Vec::with_capacity(count);
        for item in items {
            let reception = match item {
                Ok(message) => self.receive_one(message, headers, via)?,
                Err(malformed) => {
                    parts.push(Item::Answered(malformed.fault.message_for(&malformed.id)));
                    continue;
                }
            };
            match reception {
                Reception::Accepted | Reception::Listen(_) => (),
                Reception::Answered(reply) => parts.push(Item::Answered(reply.body)),
                Reception::Work(one) => {
                    let inner = one.cancellation;
                    cancellation.then(move || inner.cancel());
                    wants_progress |= one.wants_progress;
                    // There are no batches in batches.
                    if let Parts::One(mut asked) = one.parts {
                        // All the answers go out as one message.
                        let max = asked.parts.answer_bytes_max.unwrap_or(BATCH_BYTES_MAX);
                        asked.parts.answer_bytes_max = Some(max / count);
                        parts.push(Item::Ask(asked));
                    }
                }
            }
        }
        if parts.is_empty() {
            return Ok(Reception::Accepted);
        }
        let only_answers = parts.iter().all(|item| matches!(item, Item::Answered(_)));
        let work = Work {
            service: self.clone(),
            parts: Parts::Batch(parts),
            cancellation,
            wants_progress,
        };
        Ok(match only_answers {
            true => work
                .answered(|_| None)
                .map_or(Reception::Accepted, Reception::Answered),
            false => Reception::Work(work),
        })
    }

    fn ask(
        self: &Arc<Self>,
        standing: Standing,
        id: Value,
        method: String,
        params: Map<String, Value>,
        headers: &Headers,
        via: &Via<'_>,
    ) -> Reception {
        let revision = standing.revision;
        if method == "initialize" && revision.is_legacy() {
            return Reception::Answered(self.initialize(&id, &params, via));
        }
        if let Some(answer) = methods::at_once(self, &method, &params, headers, revision) {
            if method == "logging/setLevel" && answer.is_ok() {
                self.set_level(&params, headers, via);
            }
            return Reception::Answered(methods::reply(&id, revision, answer));
        }
        let cancellation = Cancellation::default();
        let entry = standing
            .scope
            .clone()
            .map(|scope| self.running.enter(scope, &id, cancellation.clone()));
        if method == "subscriptions/listen" && !revision.is_legacy() {
            return Reception::Listen(methods::listen(&id, cancellation, entry));
        }
        let streams = match via {
            Via::Http { streams } => *streams,
            Via::Sse(_) => true,
            Via::Stdio(_) => false,
        };
        let meta = era::envelope(&params);
        let progress_token = meta
            .and_then(|meta| meta.get("progressToken"))
            .filter(|token| token.is_string() || token.is_i64() || token.is_u64())
            .cloned();
        let log_level = match via {
            _ if !revision.is_legacy() => meta
                .and_then(|meta| meta.get(era::LOG_LEVEL_KEY)?.as_str())
                .and_then(Level::named),
            Via::Http { .. } => headers
                .get(SESSION_HEADER)
                .and_then(|session| self.sessions.level(session)),
            Via::Sse(dialog) | Via::Stdio(dialog) => dialog.lock().level,
        };
        let wants_progress = progress_token.is_some() || log_level.is_some();
        let is_reached = streams || matches!(via, Via::Stdio(_));
        let (client, asker) = match (standing.scope, standing.handshake) {
            _ if !revision.is_legacy() => (methods::client_side(&params), None),
            (Some(scope), Some(handshake)) if is_reached => {
                let capabilities = handshake.capabilities();
                let questions = self.questions.clone();
                let client = ClientSide {
                    capabilities,
                    ..ClientSide::default()
                };
                (client, Some(Asker { questions, scope }))
            }
            _ => (ClientSide::default(), None),
        };
        let asked = Asked {
            id,
            parts: CallParts {
                revision,
                headers: headers.clone(),
                cancellation: cancellation.clone(),
                progress_token,
                log_level,
                client,
                asker,
                answer_bytes_max: streams.then_some(EVENT_BYTES_MAX),
            },
            method,
            params,
            entry,
        };
        Reception::Work(Work {
            service: self.clone(),
            parts: Parts::One(Box::new(asked)),
            cancellation,
            wants_progress,
        })
    }

    fn initialize(&self, id: &Value, params: &Map<String, Value>, via: &Via<'_>) -> Reply {
        let (handshake, result) = match methods::initialize(self, params) {
            Ok(settled) => settled,
            Err(fault) => return Reply::new(200, fault.message_for(id)),
        };
        let session = match via {
            Via::Http { .. } => self.sessions.begin(handshake),
            Via::Sse(dialog) | Via::Stdio(dialog) => {
                dialog.lock().handshake = Some(handshake);
                None
            }
        };
        Reply {
            session,
            ..Reply::new(200, ResultMessage::of(&result).end(id))
        }
    }

    fn notice(&self, method: &str, params: &Map<String, Value>, headers: &Headers, via: &Via<'_>) {
        // In the stateless revision a client cancels by closing the stream, never by a posted notification.
        let is_modern = is_modern_header(headers) || era::has_envelope(params);
        if method == "notifications/cancelled"
            && !(is_modern && matches!(via, Via::Http { .. }))
            && let (Some(scope), Some(id)) = (self.scope(headers, via), params.get("requestId"))
        {
            self.running.cancel(&scope, id);
        }
    }

    fn set_level(&self, params: &Map<String, Value>, headers: &Headers, via: &Via<'_>) {
        let level = params
            .get("level")
            .and_then(Value::as_str)
            .and_then(Level::named);
        match via {
            Via::Http { .. } => {
                if let (Some(session), Some(level)) = (headers.get(SESSION_HEADER), level) {
                    self.sessions.set_level(session, level);
                }
            }
            Via::Sse(dialog) | Via::Stdio(dialog) => dialog.lock().level = level,
        }
    }
}

fn is_modern_header(headers: &Headers) -> bool {
    matches!(era::of_header(headers), HeaderRevision::Modern)
}
