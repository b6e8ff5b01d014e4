//! What is answered at which address, and by whom.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use crate::mcp::call::Outlet as _;
use crate::mcp::headers::Headers;
use crate::mcp::service::{Reception, Service, Via};

use super::access::{Access, Denied};
use super::crew::Crew;
use super::gate::{Arrival, Body, Peer, Visits, Writer};
use super::heartbeat::{Beating, Heartbeat};
use super::sse::SseStreams;
use super::streamable::{self, Accepts, Pending, Subscription};
use super::streams::{Lasting, Place, Streams};
use super::wire::Answer;

/// How long a client is asked to wait when something is full.
const RETRY_AFTER_S: &str = "1";

/// What is said where nothing is.
const SIGNPOST: &str = "not found; here are POST /mcp (Streamable HTTP), GET /sse with POST /messages/ (HTTP+SSE) and GET /health\n";

/// Header fields that a web page may send.
const CORS_FIELDS: &str = "content-type, accept, authorization, x-auth-token, x-auth-data, x-mixpanel-oauth-token, x-mixpanel-region, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, last-event-id";

/// The addresses and what stands behind them.
pub(super) struct Routes {
    service: Arc<Service>,
    access: Access,
    json_response: bool,
    crew: Crew,
    heartbeat: Heartbeat,
    streams: Arc<Streams>,
    visits: Visits,
    sse: SseStreams,
    begun: Instant,
}

impl Routes {
    pub(super) fn new(
        service: Arc<Service>,
        access: Access,
        json_response: bool,
        crew: Crew,
        heartbeat: Heartbeat,
        streams: Arc<Streams>,
        visits: Visits,
    ) -> Routes {
        let (sse, begun) = (SseStreams::default(), Instant::now());
        Routes {
            service,
            access,
            json_response,
            crew,
            heartbeat,
            streams,
            visits,
            sse,
            begun,
        }
    }

    pub(super) fn serve(&self, check: tiny_http::Request) {
        let Some(arrival) = self.visits.arrival(check) else {
            return;
        };
        let Arrival {
            peer,
            method,
            target,
            headers,
            body,
            writer,
        } = arrival;
        let head_only = method == "HEAD";
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));

        if let Err(denied) = self.access.check_source(&headers) {
            return Answer {
                head_only,
                ..denial(&denied)
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
        match (method, path) {
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
                    .with("Access-Control-Allow-Headers", CORS_FIELDS)
                    .with("Access-Control-Max-Age", "600");
                plain(preflight, writer);
            }
            ("POST", "/mcp") | ("GET", "/sse") | ("POST", "/messages" | "/messages/") => {
                let headers = match self.access.check_token(&headers) {
                    Ok(trusted) => headers.trusted(trusted),
                    Err(denied) => return plain(denial(&denied), writer),
                };
                match path {
                    "/mcp" => self.streamable(body, &headers, &peer, cors, writer),
                    "/sse" => self.open_sse(&peer, cors, writer),
                    _ => self.message(body, query, &headers, cors, writer),
                }
            }
            (_, "/mcp" | "/messages" | "/messages/") => {
                plain(not_allowed("POST"), writer);
            }
            (_, "/sse" | "/health") => plain(not_allowed("GET"), writer),
            _ => plain(Answer::text(404, SIGNPOST), writer),
        }
    }

    fn streamable(
        &self,
        body: Body,
        headers: &Headers,
        peer: &Peer,
        cors: Vec<String>,
        writer: Writer,
    ) {
        let mut accepts = Accepts::of(headers.all("accept"));
        if self.json_response {
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
        let via = Via::Http {
            streams: accepts.stream,
        };
        let reception = self.service.receive(&body, headers, &via);
        // A call lasts longer than it needs its body.
        drop(body);
        match reception {
            Reception::Accepted => fields(Answer::empty(202), writer),
            Reception::Answered(reply) => {
                let session = reply
                    .session
                    .as_ref()
                    .map(|id| format!("Mcp-Session-Id: {id}"));
                let fields = [cors, session.into_iter().collect()].concat();
                streamable::answer(writer, accepts, &fields, reply);
            }
            Reception::Listen(_) if !accepts.stream => {
                let text =
                    "a subscription is answered with text/event-stream, which `Accept` must name\n";
                fields(Answer::text(406, text), writer);
            }
            Reception::Listen(listening) => match self.streams.place() {
                Some(place) => self.hold(
                    place,
                    peer,
                    Arc::new(Subscription::begin(writer, &cors, listening)),
                ),
                None => fields(no_stream(), writer),
            },
            Reception::Work(work) => {
                let Ok(claim) = self.crew.claim() else {
                    return fields(busy(), writer);
                };
                let cancellation = work.cancellation().clone();
                let left = cancellation.clone();
                let watch = self.visits.watch(peer, move || left.cancel());
                let pending = Arc::new(Pending::new(
                    writer,
                    accepts,
                    cors,
                    cancellation,
                    self.crew.clone(),
                    self.streams.clone(),
                ));
                if accepts.stream {
                    let watched: Arc<dyn Beating> = pending.clone();
                    self.heartbeat.watch(Arc::downgrade(&watched));
                }
                let job = move || {
                    let reply = work.run(pending.clone());
                    // The end of the answer is no departure.
                    drop(watch);
                    pending.finish(reply);
                };
                self.crew.run_here(claim, Box::new(job));
            }
        }
    }

    fn open_sse(&self, peer: &Peer, cors: Vec<String>, writer: Writer) {
        let Some(place) = self.streams.place() else {
            return no_stream().with_all(&cors).write(writer);
        };
        let opened = self
            .sse
            .open(writer, &cors, self.service.dialog(), &self.crew);
        if let Some(open) = opened {
            self.hold(place, peer, Arc::new(open));
        }
    }

    fn message(
        &self,
        body: Body,
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
        let reception = self
            .service
            .receive(&body, headers, &Via::Sse(&stream.dialog));
        // The same here.
        drop(body);
        match reception {
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
                let place = stream.enter();
                // Before it runs: clients wait only a few seconds for this.
                accepted(writer);
                let job = move || {
                    if let Some(reply) = work.run(stream.clone()) {
                        stream.send(&reply.body);
                    }
                    drop(place);
                };
                self.crew.run_here(claim, Box::new(job));
            }
        }
    }

    /// Keeps a stream open until it ends or its client leaves.
    fn hold(&self, place: Place, peer: &Peer, stream: Arc<dyn Lasting>) {
        let streams = self.streams.clone();
        place.hold(stream, |number| {
            self.visits.watch(peer, move || streams.forget(number))
        });
    }

    fn cors_fields(&self, headers: &Headers) -> Vec<String> {
        match self.access.cors_origin(headers) {
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

fn no_stream() -> Answer<'static> {
    Answer::text(503, "no more event streams can be opened now\n")
        .with("Retry-After", RETRY_AFTER_S)
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
