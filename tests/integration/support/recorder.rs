//! A proxy that notes what passes: it stands between the server and a Mixpanel, and changes neither's words.
//! What the requests should have been is for the test (or `contract::check`) to say.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::answer::RecordedAnswer;
use super::wire::{HEAD_BYTES_MAX, HEADERS_MAX, Listener, RecordedRequest, lock, wait_for_close};

/// What belongs to one connection, and so is not passed on.
const HOP_HEADERS: [&str; 4] = ["host", "connection", "content-length", "transfer-encoding"];
/// What is kept of an answer. A longer one passes all the same, but nobody can look at it.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long [`Recorder::take_exchanges`] waits for answers that are still on their way.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request, and what was answered.
pub(crate) struct Exchange {
    pub(crate) request: RecordedRequest,
    pub(crate) answer: RecordedAnswer,
}

/// An HTTP proxy on a loopback port that records each request before it passes it on.
///
/// Each request has a connection of its own. Answers stream through as they come, byte for byte but for their
/// `Connection` header: zipped, chunked, broken off or garbage, as the upstream sent them. Where the upstream refuses or
/// resets, the client's connection is closed; where the client leaves, the upstream's is. Dropping the recorder closes
/// everything, and panics if a malformed request came that nobody was told of.
pub(crate) struct Recorder {
    listener: Listener,
    records: Arc<Records>,
}

/// What has passed, in the order in which the requests were read.
#[derive(Default)]
struct Records {
    all: Mutex<Vec<Record>>,
    /// Told whenever an exchange has ended.
    ended: Condvar,
}

struct Record {
    request: Arc<RecordedRequest>,
    /// As it came, to [`ANSWER_BYTES_MAX`]; `None` while it is on its way.
    answer: Option<Vec<u8>>,
}

impl Recorder {
    /// Stands before the upstream at `url`: plain HTTP, without a slash at its end. Each request's path and query are
    /// put behind it as they are.
    ///
    /// # Panics
    /// When `url` is not plain HTTP.
    #[track_caller]
    pub(crate) fn before(url: &str) -> Recorder {
        let Some(place) = url.strip_prefix("http://") else {
            panic!("{url} does not begin with http://");
        };
        let (host, base_path) = place.split_at(place.find('/').unwrap_or(place.len()));
        let (host, base_path) = (host.to_owned(), base_path.to_owned());
        let records = Arc::new(Records::default());
        let listener = Listener::start({
            let records = Arc::clone(&records);
            move |client| {
                if let Some(request) = RecordedRequest::read(&mut &*client)? {
                    let request = records.begin(request);
                    let mut answer = Vec::new();
                    // An upstream that fails is the test's own doing: the client sees it, and nobody else need.
                    let _ = exchange(&client, &host, &base_path, &request, &mut answer);
                    records.end(&request, answer);
                }
                Ok(())
            }
        });
        Recorder { listener, records }
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
        let records = std::mem::take(&mut *lock(&self.records.all));
        records
            .into_iter()
            .map(|record| Arc::unwrap_or_clone(record.request))
            .collect()
    }

    /// The same with the answers; waits for those that are still on their way.
    ///
    /// # Panics
    /// When a malformed request came, when an answer is no whole HTTP or longer than 8 MB, or when one is not over
    /// after 10 seconds.
    #[track_caller]
    pub(crate) fn take_exchanges(&self) -> Vec<Exchange> {
        self.listener.check();
        let records = self.records.take_ended();
        records
            .into_iter()
            .map(|(request, answer)| {
                let answer = if answer.len() < ANSWER_BYTES_MAX {
                    RecordedAnswer::read(&answer)
                } else {
                    Err(format!("it is longer than {ANSWER_BYTES_MAX} bytes"))
                };
                let answer = answer.unwrap_or_else(|fault| {
                    panic!("the answer to {} {}: {fault}", request.method, request.path)
                });
                let request = Arc::unwrap_or_clone(request);
                Exchange { request, answer }
            })
            .collect()
    }
}

impl Records {
    fn begin(&self, request: RecordedRequest) -> Arc<RecordedRequest> {
        let request = Arc::new(request);
        lock(&self.all).push(Record {
            request: Arc::clone(&request),
            answer: None,
        });
        request
    }

    fn end(&self, request: &Arc<RecordedRequest>, answer: Vec<u8>) {
        let mut all = lock(&self.all);
        // It may have been taken already.
        let record = all
            .iter_mut()
            .find(|record| Arc::ptr_eq(&record.request, request));
        if let Some(record) = record {
            record.answer = Some(answer);
        }
        self.ended.notify_all();
    }

    #[track_caller]
    fn take_ended(&self) -> Vec<(Arc<RecordedRequest>, Vec<u8>)> {
        let is_open = |all: &mut Vec<Record>| all.iter().any(|record| record.answer.is_none());
        let waited = self
            .ended
            .wait_timeout_while(lock(&self.all), PATIENCE, is_open);
        let (mut all, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "an answer is not over");
        let ended = std::mem::take(&mut *all).into_iter();
        ended
            .filter_map(|record| Some((record.request, record.answer?)))
            .collect()
    }
}

/// Passes the request on and the answer back, until one side closes its connection; `kept` gets what was answered.
fn exchange(
    client: &TcpStream,
    host: &str,
    base_path: &str,
    request: &RecordedRequest,
    kept: &mut Vec<u8>,
) -> io::Result<()> {
    let upstream = TcpStream::connect(host)?;
    upstream.set_nodelay(true)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            wait_for_close(client);
            // It may have gone already, which is as good.
            let _ = upstream.shutdown(Shutdown::Both);
        });
        let passed = (&upstream)
            .write_all(&onward(host, base_path, request))
            .and_then(|()| pass_back(&upstream, client, kept));
        // Ends the other thread too.
        let _ = client.shutdown(Shutdown::Both);
        passed
    })
}

/// The request as the upstream gets it.
fn onward(host: &str, base_path: &str, request: &RecordedRequest) -> Vec<u8> {
    let (method, target) = (&request.method, &request.target);
    let mut head =
        format!("{method} {base_path}{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in &request.headers {
        if !is_hop_header(name) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    let has_framing = |name| request.header(name).is_some();
    if has_framing("content-length") || has_framing("transfer-encoding") {
        head += &format!("Content-Length: {}\r\n", request.raw_body.len());
    }
    [head.as_bytes(), b"\r\n", &request.raw_body].concat()
}

/// Copies the answer until the upstream closes its connection.
fn pass_back(
    mut upstream: &TcpStream,
    mut client: &TcpStream,
    kept: &mut Vec<u8>,
) -> io::Result<()> {
    let mut piece = [0; 16 * 1024];
    let mut received = Vec::new();
    let mut keep = |piece: &[u8]| {
        let room = ANSWER_BYTES_MAX.saturating_sub(kept.len());
        kept.extend(piece.iter().take(room));
    };
    loop {
        let count = upstream.read(&mut piece)?;
        keep(&piece[..count]);
        received.extend_from_slice(&piece[..count]);
        if let Some(closing) = with_connection_closed(&received) {
            client.write_all(&closing)?;
            break;
        }
        // What has no head by now is no HTTP.
        if count == 0 || received.len() > HEAD_BYTES_MAX {
            client.write_all(&received)?;
            break;
        }
    }
    loop {
        match upstream.read(&mut piece)? {
            0 => return Ok(()),
            count => {
                keep(&piece[..count]);
                client.write_all(&piece[..count])?;
            }
        }
    }
}

/// The beginning of an answer, saying that its connection will be closed; `None` while it has no complete head.
fn with_connection_closed(received: &[u8]) -> Option<Vec<u8>> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(head_bytes)) = head.parse(received) else {
        return None;
    };
    let (code, reason) = (
        head.code.unwrap_or_default(),
        head.reason.unwrap_or_default(),
    );
    let mut closing = format!("HTTP/1.1 {code} {reason}\r\n").into_bytes();
    for field in head
        .headers
        .iter()
        .filter(|field| !field.name.eq_ignore_ascii_case("connection"))
    {
        closing.extend([field.name.as_bytes(), b": ", field.value, b"\r\n"].concat());
    }
    closing.extend_from_slice(b"Connection: close\r\n\r\n");
    closing.extend_from_slice(&received[head_bytes..]);
    Some(closing)
}

fn is_hop_header(name: &str) -> bool {
    HOP_HEADERS.iter().any(|hop| name.eq_ignore_ascii_case(hop))
}
