//! The HTTP server: tiny_http hands each request to a thread of the crew, which finds its route here.

use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::mcp::call::Outlet as _;
use crate::mcp::headers::Headers;
use crate::mcp::service::{Reception, Service, Via};

use super::access::{Access, Denied};
use super::crew::Crew;
use super::heartbeat::{Beating, Heartbeat};
use super::sse::SseStreams;
use super::streamable::{self, Accepts, Pending, Subscription};
use super::streams::Streams;
use super::wire::{Answer, Writer};

/// How long a client is asked to wait when something is full.
const RETRY_AFTER_S: &str = "1";

/// What is said where nothing is.
const SIGNPOST: &str = "not found; here are POST /mcp (Streamable HTTP), GET /sse with POST /messages/ (HTTP+SSE) and GET /health\n";

/// How the server listens and what it allows.
pub struct HttpSettings {
    /// Where.
    pub address: SocketAddr,
    /// Who may come in.
    pub access: Access,
    /// JSON answers always, never an event stream, on `/mcp`.
    pub json_response: bool,
    /// The most calls that run at once.
    pub calls_max: usize,
    /// The most calls that wait for one that runs.
    pub waiting_max: usize,
    /// The most event streams that stay open at once.
    pub streams_max: usize,
    /// The largest body of a request, in bytes.
    pub body_bytes_max: usize,
}

/// A running server.
pub struct HttpServer {
    address: SocketAddr,
    server: Arc<tiny_http::Server>,
    crew: Crew,
    streams: Arc<Streams>,
}

struct Routes {
    service: Arc<Service>,
    settings: HttpSettings,
    crew: Crew,
    heartbeat: Heartbeat,
    streams: Arc<Streams>,
    sse: SseStreams,
    begun: Instant,
}

impl HttpServer {
    /// Binds the address and begins to serve.
    pub fn start(settings: HttpSettings, service: Arc<Service>) -> io::Result<HttpServer> {
        let listener = TcpListener::bind(settings.address)?;
        let address = listener.local_addr()?;
        let server = tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)?;
        let server = Arc::new(server);
        let heartbeat = Heartbeat::start()?;
        let crew = Crew::new(settings.calls_max, settings.waiting_max);
        let streams = Streams::new(settings.streams_max, heartbeat.clone());
        let routes = Routes {
            service,
            settings,
            crew: crew.clone(),
            heartbeat,
            streams: streams.clone(),
            sse: SseStreams::default(),
            begun: Instant::now(),
        };
        let receiver = server.clone();
        crew.receive(Arc::new(move || match receiver.recv() {
            Ok(request) => {
                routes.serve(request);
                true
            }
            Err(_) => false,
        }));
        Ok(HttpServer {
            address,
            server,
            crew,
            streams,
        })
    }

    /// The address that is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until SIGTERM or SIGINT comes.
    pub fn wait(&self) {
        match signal_hook::iterator::Signals::new([SIGTERM, SIGINT]) {
            Ok(mut signals) => {
                let _ = signals.forever().next();
            }
            // Without handlers the signals end the process by themselves.
            Err(_) => loop {
                std::thread::park();
            },
        }
    }

    /// Ends the streams and takes no more requests.
    pub fn stop(&self) {
        self.streams.end_all();
        (0..self.crew.receivers()).for_each(|_| self.server.unblock());
    }
}

impl Routes {
    fn serve(&self, mut request: tiny_http::Request) {
        let headers = Headers::new(
            request
                .headers()
                .iter()
                .map(|field| (field.field.to_string(), field.value.to_string())),
        );
        let head_only = *request.method() == tiny_http::Method::Head;
        let method = request.method().to_string();
        let target = request.url().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));

        let mut body = Vec::new();
        let limit = self.settings.body_bytes_max as u64 + 1;
        let read = request.as_reader().take(limit).read_to_end(&mut body);
        let writer = request.into_writer();

        let answer = match self.settings.access.check_source(&headers) {
            Err(denied) => Some(denial(&denied)),
            Ok(()) if read.is_err() => Some(Answer::text(400, "the body broke off\n")),
            Ok(()) if body.len() > self.settings.body_bytes_max => Some(Answer::text(
                413,
                "the body is larger than this server takes\n",
            )),
            Ok(()) => None,
        };
        if let Some(answer) = answer {
            return Answer {
                head_only,
                ..answer
            }
            .write(writer);
        }
        let cors = self.cors_fields(&headers);
        let plain = |answer: Answer<'_>, writer| {
            Answer {
                head_only,
                ..answer.with_all(&cors)
            }
            .write(writer)
        };
        match (method.as_str(), path) {
            ("GET" | "HEAD", "/health") => {
                let health = json!({
                    "status": "ok",
                    "version": env!("CARGO_PKG_VERSION"),
                    "uptime_s": self.begun.elapsed().as_secs(),
                });
                plain(Answer::json(200, &health.to_string()), writer);
            }
            ("OPTIONS", "/mcp" | "/sse" | "/messages" | "/messages/") if !cors.is_empty() => {
                let preflight = Answer::empty(204)
                    .with("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
                    .with("Access-Control-Allow-Headers", "content-type, accept, authorization, x-auth-token, x-auth-data, x-mixpanel-region, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, last-event-id")
                    .with("Access-Control-Max-Age", "600");
                plain(preflight, writer);
            }
            ("POST", "/mcp") | ("GET", "/sse") | ("POST", "/messages" | "/messages/") => {
                let headers = match self.settings.access.check_token(&headers) {
                    Ok(trusted) => headers.trusted(trusted),
                    Err(denied) => return plain(denial(&denied), writer),
                };
                match path {
                    "/mcp" => self.streamable(&body, &headers, cors, writer),
                    "/sse" => self.open_sse(cors, writer),
                    _ => self.message(&body, query, &headers, cors, writer),
                }
            }
            (_, "/mcp" | "/messages" | "/messages/") => {
                plain(not_allowed("POST"), writer);
            }
            (_, "/sse" | "/health") => plain(not_allowed("GET"), writer),
            _ => plain(Answer::text(404, SIGNPOST), writer),
        }
    }

    fn streamable(&self, body: &[u8], headers: &Headers, cors: Vec<String>, writer: Writer) {
        let mut accepts = Accepts::of(headers.all("accept"));
        if self.settings.json_response {
            accepts = Accepts {
                json: true,
                stream: false,
            };
        }
        let fields = |answer: Answer<'_>, writer| answer.with_all(&cors).write(writer);
        if !accepts.json && !accepts.stream {
            let text =
                "answers are application/json or text/event-stream; `Accept` allows neither\n";
            return fields(Answer::text(406, text), writer);
        }
        if !is_json(headers) {
            return fields(
                Answer::text(415, "`Content-Type` must be application/json\n"),
                writer,
            );
        }
        match self.service.receive(
            body,
            headers,
            &Via::Http {
                streams: accepts.stream,
            },
        ) {
            Reception::Accepted => fields(Answer::empty(202), writer),
            Reception::Answered(reply) => {
                let session = reply
                    .session
                    .as_ref()
                    .map(|id| format!("Mcp-Session-Id: {id}"));
                let fields = [cors, session.into_iter().collect()].concat();
                streamable::answer(writer, accepts, &fields, &reply);
            }
            Reception::Listen(listening) => {
                let (Some(place), true) = (self.streams.place(), accepts.stream) else {
                    let text =
                        "no more event streams can be opened now, or `Accept` does not allow one\n";
                    return fields(
                        Answer::text(503, text).with("Retry-After", RETRY_AFTER_S),
                        writer,
                    );
                };
                place.hold(Arc::new(Subscription::begin(writer, &cors, listening)));
            }
            Reception::Work(work) => {
                let Ok(claim) = self.crew.claim() else {
                    return fields(busy(), writer);
                };
                let cancellation = work.cancellation().clone();
                let pending = Arc::new(Pending::new(writer, accepts, cors, cancellation));
                if accepts.stream {
                    let watched: Arc<dyn Beating> = pending.clone();
                    self.heartbeat.watch(Arc::downgrade(&watched));
                }
                self.crew.run_here(
                    claim,
                    Box::new(move || pending.finish(work.run(pending.clone()))),
                );
            }
        }
    }

    fn open_sse(&self, cors: Vec<String>, writer: Writer) {
        let full = |writer| {
            let text = "no more event streams can be opened now\n";
            let answer = Answer::text(503, text).with("Retry-After", RETRY_AFTER_S);
            answer.with_all(&cors).write(writer);
        };
        let Some(place) = self.streams.place() else {
            return full(writer);
        };
        if let Some(open) = self.sse.open(writer, &cors, self.service.dialog()) {
            place.hold(Arc::new(open));
        }
    }

    fn message(
        &self,
        body: &[u8],
        query: &str,
        headers: &Headers,
        cors: Vec<String>,
        writer: Writer,
    ) {
        let fields = |answer: Answer<'_>, writer| answer.with_all(&cors).write(writer);
        let id = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("session_id="));
        let Some(id) =
            id.filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        else {
            return fields(
                Answer::text(400, "`session_id` must be the one that GET /sse gave\n"),
                writer,
            );
        };
        let Some(stream) = self.sse.get(id) else {
            return fields(
                Answer::text(404, "there is no such stream; open one with GET /sse\n"),
                writer,
            );
        };
        if !is_json(headers) {
            return fields(
                Answer::text(415, "`Content-Type` must be application/json\n"),
                writer,
            );
        }
        let accepted = |writer| fields(Answer::text(202, "Accepted"), writer);
        match self
            .service
            .receive(body, headers, &Via::Sse(&stream.dialog))
        {
            Reception::Accepted => accepted(writer),
            Reception::Answered(reply) if reply.status == 400 => {
                fields(Answer::json(400, &reply.body), writer);
            }
            Reception::Answered(reply) => {
                accepted(writer);
                stream.send(&reply.body);
            }
            Reception::Listen(_) => fields(
                Answer::text(400, "subscriptions are served on /mcp\n"),
                writer,
            ),
            Reception::Work(work) => {
                let Ok(claim) = self.crew.claim() else {
                    return fields(busy(), writer);
                };
                // Before it runs: clients wait only a few seconds for this.
                accepted(writer);
                let job = move || {
                    if let Some(reply) = work.run(stream.clone()) {
                        stream.send(&reply.body);
                    }
                };
                self.crew.run_here(claim, Box::new(job));
            }
        }
    }

    fn cors_fields(&self, headers: &Headers) -> Vec<String> {
        match self.settings.access.cors_origin(headers) {
            Some(origin) => vec![
                format!("Access-Control-Allow-Origin: {origin}"),
                "Access-Control-Expose-Headers: mcp-session-id".into(),
                "Vary: Origin".into(),
            ],
            None => Vec::new(),
        }
    }
}

fn is_json(headers: &Headers) -> bool {
    let kind = headers
        .get("content-type")
        .and_then(|value| value.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn busy() -> Answer<'static> {
    Answer::text(503, "all workers are busy and the queue is full\n")
        .with("Retry-After", RETRY_AFTER_S)
}

fn not_allowed(allowed: &str) -> Answer<'static> {
    Answer::text(405, "this method is not served here\n").with("Allow", allowed)
}

fn denial(denied: &Denied) -> Answer<'static> {
    match denied {
        Denied::Origin => Answer::text(403, "pages of this origin may not connect; --allowed-origins names those that may\n"),
        Denied::Host => Answer::text(403, "this is no host name of this server; --allowed-hosts names further ones\n"),
        Denied::Token => Answer::text(401, "bring the server's access token (`Authorization: Bearer …`) or Mixpanel credentials of your own\n")
            .with("WWW-Authenticate", "Bearer realm=\"mixpanel-mcp-server\""),
    }
}
