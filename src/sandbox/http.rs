//! Requests and responses as values, and the loops that carry them over a socket. Knows nothing of Mixpanel.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzEncoder;
use percent_encoding::percent_decode_str;

use crate::transport::gate::{Arrival, Gate, Limits, Visits, Writer};

use super::fault::reason;
use super::time;

/// How many requests are answered at once; the rest wait for a free loop.
const RECEIVE_LOOPS: usize = 8;
/// Connections, and so requests that wait.
const CONNECTIONS_MAX: usize = 512;
/// How long they wait for a loop; then 503.
const WAITING_TIME: Duration = Duration::from_secs(60);
/// Longer heads are refused (431, or 414): a query may carry a long expression.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Larger bodies are refused (413). Mixpanel takes 10 MB of events.
const BODY_BYTES_MAX: usize = 12 * 1024 * 1024;
/// Up to here a refused body is answered in the form of the API, beyond it by the gate.
const GATE_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
const PARAMETERS_MAX: usize = 200;
/// A stream up to this size is never compressed.
const GZIP_FROM_BYTES: u64 = 1_400;
const CHUNK_BYTES: usize = 16 * 1024;

/// A request, read to its end.
#[derive(Default)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query, as sent.
    pub(super) url: String,
    /// Parameters of the query and of a form body, decoded, in order.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) authorization: Option<String>,
    /// In lower case, without its parameters.
    pub(super) content_type: String,
    pub(super) content_encoding: String,
    pub(super) accepts_gzip: bool,
    pub(super) body: Vec<u8>,
    /// The body was larger than the limit, and `body` is empty.
    pub(super) is_too_large: bool,
    /// When it arrived; an answer depends on nothing but the store and the request.
    pub(super) received_ms: i64,
}

impl Request {
    pub(super) fn path(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    /// A parameter's first value. An empty one counts as not given.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Takes the parameters out of the query and, when it is a form, out of the body.
    pub(super) fn read_parameters(&mut self) {
        let query = self.url.split_once('?').map_or("", |(_, query)| query);
        self.parameters = form(query);
        if self.content_type == "application/x-www-form-urlencoded" {
            self.parameters
                .extend(form(&String::from_utf8_lossy(&self.body)));
        }
    }
}

fn form(text: &str) -> Vec<(String, String)> {
    let decoded = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .take(PARAMETERS_MAX)
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

/// What goes back.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Body,
}

/// A body, whole or made while it is sent.
pub(super) enum Body {
    Bytes(Vec<u8>),
    /// Sent in chunks, compressed if the client takes that.
    Stream(Box<dyn Read + Send>),
}

impl Response {
    pub(super) fn json(status: u16, value: &serde_json::Value) -> Response {
        let body = Body::Bytes(value.to_string().into_bytes());
        Response {
            status,
            content_type: "application/json",
            body,
        }
    }

    pub(super) fn text(status: u16, text: impl Into<String>) -> Response {
        let body = Body::Bytes(text.into().into_bytes());
        Response {
            status,
            content_type: "text/plain; charset=utf-8",
            body,
        }
    }
}

/// A listener on loopback behind a gate, with its receive loops. They end when this is dropped.
pub(super) struct Listener {
    // Dropped before the gate, which takes the last one apart.
    server: Arc<tiny_http::Server>,
    gate: Gate,
    loops: Vec<JoinHandle<()>>,
}

impl Listener {
    /// Answers every request by `answer`, on a free port of 127.0.0.1.
    pub(super) fn start(
        answer: impl Fn(&Request) -> Response + Clone + Send + 'static,
    ) -> io::Result<Listener> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let limits = Limits {
            connections: CONNECTIONS_MAX,
            head_bytes: HEAD_BYTES_MAX,
            body_bytes: GATE_BODY_BYTES_MAX,
            requests: RECEIVE_LOOPS,
            waiting: CONNECTIONS_MAX,
            waiting_time: WAITING_TIME,
            ..Limits::default()
        };
        let (gate, server) = Gate::start(listener, limits)?;
        let mut listener = Listener {
            server,
            gate,
            loops: Vec::with_capacity(RECEIVE_LOOPS),
        };
        for number in 0..RECEIVE_LOOPS {
            let (server, visits) = (Arc::clone(&listener.server), listener.gate.visits());
            let answer = answer.clone();
            let receiving = thread::Builder::new()
                .name(format!("sandbox-{number}"))
                .spawn(move || receive(&server, &visits, &answer))?;
            listener.loops.push(receiving);
        }
        Ok(listener)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.gate.address()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.gate.close(Duration::ZERO);
        // Each call wakes one loop.
        self.loops.iter().for_each(|_| self.server.unblock());
        for receiving in self.loops.drain(..) {
            // A fault that ended a loop was told when it happened.
            let _ = receiving.join();
        }
    }
}

fn receive(server: &tiny_http::Server, visits: &Visits, answer: &impl Fn(&Request) -> Response) {
    while let Ok(check) = server.recv() {
        // A fault in one answer costs that answer, not the loop.
        match catch_unwind(AssertUnwindSafe(|| serve(check, visits, answer))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::debug!("sandbox: an answer was not taken: {error}"),
            Err(_) => log::error!("sandbox: a request could not be answered"),
        }
    }
}

fn serve(
    check: tiny_http::Request,
    visits: &Visits,
    answer: &impl Fn(&Request) -> Response,
) -> io::Result<()> {
    let Some(arrival) = visits.arrival(check) else {
        return Ok(());
    };
    let request = read(&arrival);
    let response = answer(&request);
    let is_head = request.method == "HEAD";
    write(arrival.writer, response, is_head, request.accepts_gzip)
}

fn read(arrival: &Arrival) -> Request {
    let header = |name: &str| arrival.headers.get(name).map(str::to_owned);
    let lowered = |name: &str| header(name).unwrap_or_default().to_ascii_lowercase();
    let content_type = lowered("content-type");
    let is_too_large = arrival.body.len() > BODY_BYTES_MAX;
    let mut request = Request {
        method: arrival.method.to_owned(),
        url: arrival.target.clone(),
        authorization: header("authorization"),
        content_type: content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned(),
        content_encoding: lowered("content-encoding"),
        accepts_gzip: lowered("accept-encoding").contains("gzip"),
        body: match is_too_large {
            true => Vec::new(),
            false => arrival.body.to_vec(),
        },
        is_too_large,
        received_ms: time::now_ms(),
        ..Request::default()
    };
    request.read_parameters();
    request
}

/// Writes the whole answer.
fn write(writer: Writer, response: Response, is_head: bool, accepts_gzip: bool) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\n",
        response.status,
        reason(response.status),
        response.content_type
    );
    match response.body {
        Body::Bytes(bytes) => {
            let head = format!("{head}Content-Length: {}\r\n\r\n", bytes.len());
            let body = if is_head { &[] } else { bytes.as_slice() };
            writer.finish(head.as_bytes(), body)
        }
        Body::Stream(mut stream) => {
            let mut beginning = Vec::new();
            stream
                .by_ref()
                .take(GZIP_FROM_BYTES + 1)
                .read_to_end(&mut beginning)?;
            let mut writer = writer.by_hand()?;
            let is_long = beginning.len() as u64 > GZIP_FROM_BYTES;
            let whole = io::Cursor::new(beginning).chain(stream);
            if is_long && accepts_gzip {
                let head =
                    format!("{head}Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n");
                writer.write_all(head.as_bytes())?;
                write_chunks(&mut writer, GzEncoder::new(whole, Compression::fast()))
            } else {
                writer.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes())?;
                write_chunks(&mut writer, whole)
            }
        }
    }
}

fn write_chunks(mut writer: impl Write, mut stream: impl Read) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut chunk = format!("{count:x}\r\n").into_bytes();
        chunk.extend(buffer.iter().take(count));
        chunk.extend(b"\r\n");
        writer.write_all(&chunk)?;
        if count == 0 {
            return Ok(());
        }
    }
}
