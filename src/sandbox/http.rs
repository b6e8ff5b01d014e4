//! Requests and responses as values, and the loops that carry them over a socket. Knows nothing of Mixpanel.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use flate2::Compression;
use flate2::read::GzEncoder;
use percent_encoding::percent_decode_str;

use super::fault::reason;
use super::time;

/// How many requests are answered at once; the rest wait for a free loop.
const RECEIVE_LOOPS: usize = 8;
/// Larger bodies are refused (413). Mixpanel takes 10 MB of events.
const BODY_BYTES_MAX: usize = 12 * 1024 * 1024;
/// How much of a refused body is still read, so that the client gets to see the answer.
const DISCARD_BYTES_MAX: u64 = 64 * 1024 * 1024;
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

/// A listener on loopback with its receive loops. They end when this is dropped.
pub(super) struct Listener {
    server: Arc<tiny_http::Server>,
    address: SocketAddr,
}

impl Listener {
    /// Answers every request by `answer`, on a free port of 127.0.0.1.
    pub(super) fn start(
        answer: impl Fn(&Request) -> Response + Clone + Send + 'static,
    ) -> io::Result<Listener> {
        let server = tiny_http::Server::http("127.0.0.1:0").map_err(io::Error::other)?;
        let address = server
            .server_addr()
            .to_ip()
            .ok_or_else(|| io::Error::other("the sandbox did not get an address"))?;
        let server = Arc::new(server);
        for number in 0..RECEIVE_LOOPS {
            let server = Arc::clone(&server);
            let answer = answer.clone();
            thread::Builder::new()
                .name(format!("sandbox-{number}"))
                .spawn(move || {
                    while let Ok(incoming) = server.recv() {
                        // A fault in one answer costs that answer, not the loop.
                        let outcome = catch_unwind(AssertUnwindSafe(|| serve(incoming, &answer)));
                        match outcome {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => {
                                log::debug!("sandbox: an answer was not taken: {error}")
                            }
                            Err(_) => log::error!("sandbox: a request could not be answered"),
                        }
                    }
                })?;
        }
        Ok(Listener { server, address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Each call wakes one loop.
        for _ in 0..RECEIVE_LOOPS {
            self.server.unblock();
        }
    }
}

fn serve(
    mut incoming: tiny_http::Request,
    answer: &impl Fn(&Request) -> Response,
) -> io::Result<()> {
    let request = read(&mut incoming)?;
    let response = answer(&request);
    let is_head = request.method == "HEAD";
    write(
        incoming.into_writer(),
        response,
        is_head,
        request.accepts_gzip,
    )
}

fn read(incoming: &mut tiny_http::Request) -> io::Result<Request> {
    let header = |name: &str| {
        incoming
            .headers()
            .iter()
            .find(|header| header.field.as_str().as_str().eq_ignore_ascii_case(name))
            .map(|header| header.value.as_str().to_owned())
    };
    let lowered = |name: &str| header(name).unwrap_or_default().to_ascii_lowercase();
    let content_type = lowered("content-type");
    let mut request = Request {
        method: incoming.method().to_string(),
        url: incoming.url().to_owned(),
        authorization: header("authorization"),
        content_type: content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned(),
        content_encoding: lowered("content-encoding"),
        accepts_gzip: lowered("accept-encoding").contains("gzip"),
        received_ms: time::now_ms(),
        ..Request::default()
    };
    let limit = BODY_BYTES_MAX as u64 + 1;
    incoming
        .as_reader()
        .take(limit)
        .read_to_end(&mut request.body)?;
    if request.body.len() > BODY_BYTES_MAX {
        io::copy(
            &mut incoming.as_reader().take(DISCARD_BYTES_MAX),
            &mut io::sink(),
        )?;
        request.body = Vec::new();
        request.is_too_large = true;
    }
    request.read_parameters();
    Ok(request)
}

/// Writes the whole answer. Head and body leave in one write: two small ones meet Nagle and delayed ACK.
fn write(
    mut writer: impl Write,
    response: Response,
    is_head: bool,
    accepts_gzip: bool,
) -> io::Result<()> {
    // The listener below strands connections while idle ones are kept, so each is closed after its answer.
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nConnection: close\r\n",
        response.status,
        reason(response.status),
        response.content_type
    );
    match response.body {
        Body::Bytes(bytes) => {
            let mut message = format!("{head}Content-Length: {}\r\n\r\n", bytes.len()).into_bytes();
            if !is_head {
                message.extend(bytes);
            }
            writer.write_all(&message)?;
        }
        Body::Stream(mut stream) => {
            let mut beginning = Vec::new();
            stream
                .by_ref()
                .take(GZIP_FROM_BYTES + 1)
                .read_to_end(&mut beginning)?;
            let is_long = beginning.len() as u64 > GZIP_FROM_BYTES;
            let whole = io::Cursor::new(beginning).chain(stream);
            if is_long && accepts_gzip {
                let head =
                    format!("{head}Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n");
                writer.write_all(head.as_bytes())?;
                write_chunks(&mut writer, GzEncoder::new(whole, Compression::fast()))?;
            } else {
                writer.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes())?;
                write_chunks(&mut writer, whole)?;
            }
        }
    }
    writer.flush()
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
