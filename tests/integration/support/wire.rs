//! What the recorder and the scripted upstream share: a loopback listener, and a request as it came over the wire.
//! What is answered is theirs.

use std::io::{self, Cursor, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use percent_encoding::percent_decode_str;
use serde_json::Value;

pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;
pub(super) const HEADERS_MAX: usize = 100;
/// Above the largest body that Mixpanel takes (a lookup table of 100 MB).
const BODY_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// A line that announces a chunk is a few hexadecimal digits.
const CHUNK_LINE_BYTES_MAX: usize = 64;
/// Connections that one listener takes in its life; a test that needs more has gone astray.
const CONNECTIONS_MAX: usize = 4096;
/// How long a peer may be silent in the middle of a request, or refuse to take an answer.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A request as Mixpanel would have received it.
#[derive(Clone, Debug)]
pub(crate) struct RecordedRequest {
    /// In capitals, as sent.
    pub(crate) method: String,
    /// Path and query, as sent.
    pub(crate) target: String,
    /// The path, still percent-encoded.
    pub(crate) path: String,
    /// Decoded (`+` is a space), in the order sent; a name may occur twice.
    pub(crate) query: Vec<(String, String)>,
    /// In the order sent. [`RecordedRequest::header`] ignores case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body without its transfer coding, still zipped if it came so.
    pub(crate) raw_body: Vec<u8>,
    /// The body, unzipped if it came with `Content-Encoding: gzip`.
    pub(crate) body: Vec<u8>,
}

impl RecordedRequest {
    /// Reads one request; `None` when the peer closes without having said anything.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the request.
    pub(crate) fn read(source: &mut impl Read) -> Result<Option<RecordedRequest>, String> {
        let mut received = Vec::new();
        let (mut request, head_bytes) = loop {
            if let Some(head) = parse_head(&received)? {
                break head;
            }
            if received.len() > HEAD_BYTES_MAX {
                return Err(format!("the head is longer than {HEAD_BYTES_MAX} bytes"));
            }
            let mut piece = [0; 8 * 1024];
            match source.read(&mut piece) {
                Ok(0) | Err(_) if received.is_empty() => return Ok(None),
                Ok(0) => return Err("the head breaks off".into()),
                Ok(count) => received.extend_from_slice(&piece[..count]),
                Err(error) => return Err(format!("the head breaks off: {error}")),
            }
        };

        let mut rest = Cursor::new(received.split_off(head_bytes)).chain(source);
        request.raw_body = read_body(&request, &mut rest)?;
        let (early, _) = rest.get_ref();
        if early.position() < early.get_ref().len() as u64 {
            return Err("more bytes follow the request before it was answered".into());
        }

        request.body = match request.header("content-encoding") {
            None => request.raw_body.clone(),
            Some("gzip") => gunzip(&request.raw_body)?,
            Some(other) => return Err(format!("the content encoding {other} is not known")),
        };
        Ok(Some(request))
    }

    /// The first header of this name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The first query parameter of this name, decoded.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        let mut query = self.query.iter();
        query
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The fields of a form body, decoded like a query.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        pairs(&String::from_utf8_lossy(&self.body))
    }

    /// The decoded body as JSON.
    ///
    /// # Panics
    /// When the body is not JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!(
                "{} {}: the body is not JSON ({error})",
                self.method, self.path
            ),
        }
    }
}

/// The request without its body, and the length of its head; `None` while the head is incomplete.
fn parse_head(received: &[u8]) -> Result<Option<(RecordedRequest, usize)>, String> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut fields);
    let head_bytes = match head.parse(received) {
        Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("the head is malformed: {error}")),
    };
    if head.version != Some(1) {
        return Err("the request is not HTTP/1.1".into());
    }
    let target = head.path.unwrap_or_default();
    if !target.starts_with('/') {
        return Err(format!("the target {target} does not begin with a slash"));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));

    let mut headers = Vec::new();
    for field in head.headers.iter() {
        let value = std::str::from_utf8(field.value)
            .map_err(|_| format!("the header {} is not UTF-8", field.name))?;
        headers.push((field.name.to_owned(), value.to_owned()));
    }
    let request = RecordedRequest {
        method: head.method.unwrap_or_default().to_owned(),
        target: target.to_owned(),
        path: path.to_owned(),
        query: pairs(query),
        headers,
        raw_body: Vec::new(),
        body: Vec::new(),
    };
    for name in [
        "host",
        "content-length",
        "transfer-encoding",
        "content-encoding",
        "authorization",
    ] {
        let is_named = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        let count = request.headers.iter().filter(is_named).count();
        if count > 1 || (name == "host" && count == 0) {
            return Err(format!("the header {name} occurs {count} times"));
        }
    }
    Ok(Some((request, head_bytes)))
}

fn read_body(request: &RecordedRequest, source: &mut impl Read) -> Result<Vec<u8>, String> {
    match (
        request.header("transfer-encoding"),
        request.header("content-length"),
    ) {
        (Some(_), Some(_)) => Err("both a transfer encoding and a content length".into()),
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => read_chunks(source),
        (Some(coding), None) => Err(format!("the transfer encoding {coding} is not known")),
        (None, Some(length)) => {
            let digits = length.bytes().all(|byte| byte.is_ascii_digit());
            match length.parse() {
                Ok(length) if digits && length <= BODY_BYTES_MAX => read_exactly(source, length),
                _ => Err(format!(
                    "the content length {length} is malformed or too large"
                )),
            }
        }
        (None, None) => Ok(Vec::new()),
    }
}

pub(super) fn read_exactly(source: &mut impl Read, length: u64) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let read = source.take(length).read_to_end(&mut body);
    match read {
        Ok(_) if body.len() as u64 == length => Ok(body),
        Ok(count) => Err(format!(
            "the body breaks off after {count} of {length} bytes"
        )),
        Err(error) => Err(format!("the body breaks off: {error}")),
    }
}

pub(super) fn read_chunks(source: &mut impl Read) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let line = read_line(source)?;
        let length = match httparse::parse_chunk_size(&line) {
            Ok(httparse::Status::Complete((_, length))) => length,
            _ => return Err("the size of a chunk is malformed".into()),
        };
        if length > BODY_BYTES_MAX - body.len() as u64 {
            return Err(format!("the body is longer than {BODY_BYTES_MAX} bytes"));
        }
        body.extend(read_exactly(source, length)?);
        if !read_line(source)?.starts_with(b"\r\n") {
            return Err("a chunk is longer than announced, or has trailers".into());
        }
        if length == 0 {
            return Ok(body);
        }
    }
}

fn read_line(source: &mut impl Read) -> Result<Vec<u8>, String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        if line.len() > CHUNK_LINE_BYTES_MAX {
            return Err("the line about a chunk is too long".into());
        }
        line.extend(read_exactly(source, 1)?);
    }
    Ok(line)
}

pub(super) fn gunzip(zipped: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    // One byte more than allowed, so that too long a body shows.
    let mut decoder = MultiGzDecoder::new(zipped).take(BODY_BYTES_MAX + 1);
    match decoder.read_to_end(&mut body) {
        Ok(count) if count as u64 <= BODY_BYTES_MAX => Ok(body),
        Ok(_) => Err(format!(
            "the unzipped body is longer than {BODY_BYTES_MAX} bytes"
        )),
        Err(error) => Err(format!("the body is not gzip: {error}")),
    }
}

/// The names and values of a query or a form.
fn pairs(text: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// Takes connections on a loopback port, a thread for each, until it is dropped.
///
/// What goes wrong in its threads (an `Err` of `serve`, a panic) is kept, and told by
/// [`Listener::check`] or, at the latest, by a panic when the listener is dropped.
pub(super) struct Listener {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Connections>,
    faults: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Connections {
    stopping: bool,
    /// Weak, because a stream is closed when its last owner lets go of it.
    streams: Vec<Weak<TcpStream>>,
    threads: Vec<JoinHandle<()>>,
}

impl Listener {
    /// Begins to listen; `serve` gets each connection in a thread of its own.
    pub(super) fn start<Serve>(serve: Serve) -> Listener
    where
        Serve: Fn(Arc<TcpStream>) -> Result<(), String> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let serve = Arc::new(serve);
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming() {
                    match stream.and_then(|stream| take_in(stream, &shared, &serve)) {
                        Ok(true) => {}
                        Ok(false) => return,
                        Err(error) => lock(&shared.faults).push(format!("cannot accept: {error}")),
                    }
                }
            }
        });
        Listener {
            address,
            shared,
            accepting: Some(accepting),
        }
    }

    /// Scheme, address and port, without a slash at the end.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Tells what has gone wrong in the threads since the last call.
    ///
    /// # Panics
    /// When anything has.
    #[track_caller]
    pub(super) fn check(&self) {
        let faults = std::mem::take(&mut *lock(&self.shared.faults));
        assert!(
            faults.is_empty(),
            "{} saw: {}",
            self.url(),
            faults.join("; ")
        );
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let threads = {
            let mut connections = lock(&self.shared.connections);
            connections.stopping = true;
            for stream in connections
                .streams
                .drain(..)
                .filter_map(|stream| stream.upgrade())
            {
                // It may be closed already, which is as good.
                let _ = stream.shutdown(Shutdown::Both);
            }
            std::mem::take(&mut connections.threads)
        };
        // Wakes the accepting thread, which then sees that it shall stop.
        let woken = TcpStream::connect(self.address).is_ok();
        let accepting = self.accepting.take().filter(|_| woken);
        for thread in threads.into_iter().chain(accepting) {
            if let Err(panic) = thread.join() {
                let told = panic.downcast_ref::<String>().cloned();
                let told = told.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()));
                lock(&self.shared.faults).push(told.unwrap_or_else(|| "a panic".into()));
            }
        }
        if !thread::panicking() {
            self.check();
        }
    }
}

/// Hands a new connection to its thread; `false` when the listener shall stop.
fn take_in<Serve>(stream: TcpStream, shared: &Arc<Shared>, serve: &Arc<Serve>) -> io::Result<bool>
where
    Serve: Fn(Arc<TcpStream>) -> Result<(), String> + Send + Sync + 'static,
{
    let mut connections = lock(&shared.connections);
    if connections.stopping {
        return Ok(false);
    }
    if connections.threads.len() == CONNECTIONS_MAX {
        return Err(io::Error::other(format!(
            "more than {CONNECTIONS_MAX} connections"
        )));
    }
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    let stream = Arc::new(stream);
    connections.streams.push(Arc::downgrade(&stream));
    let (shared, serve) = (Arc::clone(shared), Arc::clone(serve));
    connections.threads.push(thread::spawn(move || {
        // The peer sees the connection close only when the fault has been noted.
        let _open = Arc::clone(&stream);
        if let Err(fault) = serve(stream) {
            lock(&shared.faults).push(fault);
        }
    }));
    Ok(true)
}

/// A lock that outlives a panic of its holder: what is behind it here is valid at any time.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns when the peer has closed the connection, or this side has shut it down.
pub(super) fn wait_for_close(mut stream: &TcpStream) {
    loop {
        match stream.read(&mut [0; 1024]) {
            Ok(0) => return,
            Ok(_) => {}
            // The socket's limit on silence, which does not hold here.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) => {}
            Err(_) => return,
        }
    }
}
