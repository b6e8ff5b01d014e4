//! A proxy that notes what passes: it stands between the server and a Mixpanel, and changes neither's words.
//! What the requests should have been is for the test (or `contract::check`) to say.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use ureq::http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use ureq::http::{HeaderName, Request, Response};
use ureq::{Agent, Body};

use super::wire::{Listener, RecordedRequest, lock};

/// What belongs to one connection, and so is not passed on.
const HOP_HEADERS: [HeaderName; 4] = [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];

/// An HTTP proxy on a loopback port that records each request before it passes it on.
///
/// Answers stream through as they come, each on its own connection. A gzip answer arrives unzipped, without its
/// `Content-Encoding`; a redirect arrives as it is. Where the upstream breaks off or gives no answer, the client's
/// connection breaks off too. Dropping the recorder closes everything, and panics if a malformed request came that
/// nobody was told of.
pub(crate) struct Recorder {
    listener: Listener,
    requests: Arc<Mutex<Vec<RecordedRequest>>>,
}

impl Recorder {
    /// Stands before the upstream at `url`, which has no slash at its end. Each request's path and query are put
    /// behind it as they are.
    pub(crate) fn before(url: &str) -> Recorder {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let listener = Listener::start({
            let (requests, upstream, agent) = (Arc::clone(&requests), url.to_owned(), agent());
            move |client| {
                let Some(request) = RecordedRequest::read(&mut &*client)? else {
                    return Ok(());
                };
                lock(&requests).push(request.clone());
                // An upstream that fails is the test's own doing: the client sees it, and nobody else need.
                if let Ok(answer) = forward(&agent, &upstream, request)? {
                    let _ = pass_back(answer, &client);
                }
                Ok(())
            }
        });
        Recorder { listener, requests }
    }

    /// Where clients find the proxy: scheme, address and port, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        self.listener.url()
    }

    /// The requests since the last call, in the order in which they were read. One that has been answered is here.
    ///
    /// # Panics
    /// When a malformed request came.
    #[track_caller]
    pub(crate) fn take(&self) -> Vec<RecordedRequest> {
        self.listener.check();
        std::mem::take(&mut *lock(&self.requests))
    }
}

/// A client that adds nothing of its own and follows nothing.
fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent("")
        .accept("")
        .accept_encoding("")
        .allow_non_standard_methods(true)
        .build();
    config.new_agent()
}

/// Sends the request on. The outer error is a request that cannot be expressed; the inner one, an upstream that fails.
fn forward(
    agent: &Agent,
    upstream: &str,
    request: RecordedRequest,
) -> Result<Result<Response<Body>, ureq::Error>, String> {
    let mut onward = Request::builder()
        .method(request.method.as_str())
        .uri(format!("{upstream}{}", request.target));
    for (name, value) in &request.headers {
        if !HOP_HEADERS
            .iter()
            .any(|hop| name.eq_ignore_ascii_case(hop.as_str()))
        {
            onward = onward.header(name, value);
        }
    }
    let malformed = |error| format!("{} {}: {error}", request.method, request.target);
    if request.raw_body.is_empty() {
        return Ok(agent.run(onward.body(()).map_err(malformed)?));
    }
    Ok(agent.run(onward.body(request.raw_body).map_err(malformed)?))
}

/// Writes the answer chunk by chunk as it comes. An error leaves it visibly incomplete.
fn pass_back(answer: Response<Body>, mut client: &TcpStream) -> io::Result<()> {
    let (head, body) = answer.into_parts();
    let mut text = format!(
        "HTTP/1.1 {} {}\r\n",
        head.status.as_str(),
        head.status.canonical_reason().unwrap_or("")
    )
    .into_bytes();
    for (name, value) in &head.headers {
        if !HOP_HEADERS.contains(name) {
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
    }
    text.extend_from_slice(b"connection: close\r\n");
    let has_body = !matches!(head.status.as_u16(), 204 | 304);
    if has_body {
        text.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    text.extend_from_slice(b"\r\n");
    client.write_all(&text)?;

    let mut body = body.into_reader();
    let mut piece = [0; 16 * 1024];
    while has_body {
        let count = body.read(&mut piece)?;
        let mut chunk = format!("{count:x}\r\n").into_bytes();
        chunk.extend_from_slice(&piece[..count]);
        chunk.extend_from_slice(b"\r\n");
        client.write_all(&chunk)?;
        if count == 0 {
            break;
        }
    }
    Ok(())
}
