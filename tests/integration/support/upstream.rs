//! A Mixpanel that misbehaves on demand: each answer is scripted, down to how its bytes leave.
//! What passes in front of a well-behaved upstream is for the recorder.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::wire::{Listener, RecordedRequest, lock, wait_for_close};

/// How long a test waits for what should happen at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// A scripted upstream on a loopback port. It answers one request a connection and then closes it.
///
/// Dropping it closes every connection, also those that hang, and panics if a malformed request came or the script
/// panicked: so a script may assert.
pub(crate) struct Upstream {
    listener: Listener,
    exchanges: Arc<Exchanges>,
}

impl Upstream {
    /// Answers each request with what `script` says; it also gets the request's number, from 0, in order of arrival.
    pub(crate) fn answering<Script>(script: Script) -> Upstream
    where
        Script: Fn(&RecordedRequest, usize) -> Answer + Send + Sync + 'static,
    {
        let exchanges = Arc::new(Exchanges::default());
        let listener = Listener::start({
            let exchanges = Arc::clone(&exchanges);
            move |stream| {
                let mut source = HeldBack {
                    stream: &stream,
                    is_holding: false,
                };
                let Some(request) = RecordedRequest::read(&mut source)? else {
                    return Ok(());
                };
                let is_holding = source.is_holding;
                let nth = exchanges.begin(request.clone());
                let answer = script(&request, nth);
                answer.deliver(stream, is_holding, &exchanges, nth);
                Ok(())
            }
        });
        Upstream {
            listener,
            exchanges,
        }
    }

    /// An address at which nobody listens: connecting is refused.
    pub(crate) fn refusing_url() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    /// Scheme, address and port, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        self.listener.url()
    }

    /// All requests so far, in order of arrival.
    ///
    /// # Panics
    /// When a malformed request came.
    #[track_caller]
    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.listener.check();
        lock(&self.exchanges.all)
            .iter()
            .map(|exchange| exchange.request.clone())
            .collect()
    }

    /// The same without the look-ups of a project's time zone.
    #[track_caller]
    pub(crate) fn questions(&self) -> Vec<RecordedRequest> {
        let mut requests = self.requests();
        requests.retain(|request| request.path != "/api/app/me");
        requests
    }

    /// Waits until the nth request, from 0, has arrived, 10 seconds at most; whether it has.
    pub(crate) fn received(&self, nth: usize) -> bool {
        self.exchanges.within_patience(nth, |_| true).is_some()
    }

    /// Waits until the nth exchange, from 0, has ended, 10 seconds at most; whether it was the client that closed the
    /// connection, before the answer was complete.
    pub(crate) fn closed_by_peer(&self, nth: usize) -> bool {
        let progress = self
            .exchanges
            .within_patience(nth, |progress| progress != Progress::Answering);
        progress == Some(Progress::ClosedByPeer)
    }
}

/// One scripted answer. Whole and well-formed unless told otherwise.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    framing: Framing,
    is_endless: bool,
    /// After how many bytes of the body it stops, and how.
    stop: Option<(usize, Ending)>,
    pace: Option<Pace>,
}

/// How an answer stops before it is complete.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ending {
    /// The connection is closed in order (FIN).
    Closed,
    /// The connection is reset (RST).
    Reset,
    /// Nothing more comes, until the client closes the connection or the upstream is dropped.
    Silence,
}

#[derive(Clone, Copy)]
enum Framing {
    /// `Content-Length`; `None` is the body's own length.
    Length(Option<usize>),
    /// Chunks of this many bytes.
    Chunked(usize),
    /// No head at all: the body is what goes onto the wire.
    Bare,
}

impl Answer {
    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &Value) -> Answer {
        Answer::new(status, body.to_string()).header("Content-Type", "application/json")
    }

    /// A plain text answer; also for JSON lines, or for text that only claims to be something else.
    pub(crate) fn text(status: u16, body: &str) -> Answer {
        Answer::new(status, body).header("Content-Type", "text/plain; charset=utf-8")
    }

    /// A page for people, as a gateway or a login wall sends it.
    pub(crate) fn html(status: u16) -> Answer {
        let page = format!(
            "<!DOCTYPE html><html><head><title>{status}</title></head><body>nginx</body></html>"
        );
        Answer::new(status, page).header("Content-Type", "text/html")
    }

    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Answer {
        Answer::new(status, "")
    }

    /// A redirect (302) to `url`.
    pub(crate) fn redirect(url: &str) -> Answer {
        Answer::empty(302).header("Location", url)
    }

    /// These bytes, whatever they are, in place of an HTTP answer.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Answer {
        Answer {
            framing: Framing::Bare,
            ..Answer::new(0, bytes)
        }
    }

    /// Bytes that are not HTTP.
    pub(crate) fn garbage() -> Answer {
        Answer::raw(b"\x16\x03\x01\x02\x00 not a status line\r\n\r\n\0\xff".as_slice())
    }

    /// No answer: the connection stays open and silent until the client closes it or the upstream is dropped.
    pub(crate) fn hang() -> Answer {
        Answer::raw("").stopping_after(0, Ending::Silence)
    }

    /// `piece` again and again as chunks of a plain text answer, until the client closes the connection or the
    /// upstream is dropped. Must not be empty.
    pub(crate) fn endless(piece: &str) -> Answer {
        assert!(
            !piece.is_empty(),
            "an endless answer needs something to repeat"
        );
        Answer {
            is_endless: true,
            ..Answer::text(200, piece).chunked(piece.len())
        }
    }

    fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: body.into(),
            framing: Framing::Length(None),
            is_endless: false,
            stop: None,
            pace: None,
        }
    }

    /// Sets a header in place of the one of the same name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends the body in chunks of this many bytes, at least 1, in place of a `Content-Length`.
    pub(crate) fn chunked(mut self, bytes: usize) -> Answer {
        self.framing = Framing::Chunked(bytes);
        self
    }

    /// Zips the body and says so.
    pub(crate) fn gzip(mut self) -> Answer {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&self.body).unwrap();
        self.body = encoder.finish().unwrap();
        self.header("Content-Encoding", "gzip")
    }

    /// Declares this `Content-Length`, whatever is sent.
    pub(crate) fn declaring(mut self, bytes: usize) -> Answer {
        self.framing = Framing::Length(Some(bytes));
        self
    }

    /// Stops after this many bytes of the body, as it goes out (zipped, if it is). The head declares the whole.
    pub(crate) fn stopping_after(mut self, bytes: usize, ending: Ending) -> Answer {
        self.stop = Some((bytes, ending));
        self
    }

    /// Sends the body byte by byte, each when `pace` allows it; the head goes at once. A bare answer is all body.
    pub(crate) fn paced(mut self, pace: &Pace) -> Answer {
        self.pace = Some(pace.clone());
        self
    }

    fn deliver(self, stream: Arc<TcpStream>, is_holding: bool, exchanges: &Exchanges, nth: usize) {
        if let Some((_, Ending::Reset)) = self.stop {
            // Nothing reads from the stream: it is closed with the last byte of the request unread, which resets it.
            let written = self.write(&stream, exchanges, nth);
            exchanges.end(
                nth,
                if written.is_ok() {
                    Progress::Ended
                } else {
                    Progress::ClosedByPeer
                },
            );
            return;
        }
        if is_holding && (&*stream).read_exact(&mut [0]).is_err() {
            exchanges.end(nth, Progress::ClosedByPeer);
            return;
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                wait_for_close(&stream);
                exchanges.end(nth, Progress::ClosedByPeer);
                if let Some(pace) = &self.pace {
                    pace.wake();
                }
            });
            let written = self.write(&stream, exchanges, nth);
            if written.is_ok() && matches!(self.stop, Some((_, Ending::Silence))) {
                exchanges.wait_for_end(nth);
            }
            exchanges.end(
                nth,
                if written.is_ok() {
                    Progress::Ended
                } else {
                    Progress::ClosedByPeer
                },
            );
            // Ends the other thread too. The peer may have closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        });
    }

    /// Writes head and body, up to where the answer stops. An error: the peer has gone.
    fn write(&self, mut stream: &TcpStream, exchanges: &Exchanges, nth: usize) -> io::Result<()> {
        stream.write_all(&self.head())?;
        let piece_bytes = match (self.framing, &self.pace) {
            (_, Some(_)) => 1,
            (Framing::Chunked(bytes), None) => bytes,
            (Framing::Length(_) | Framing::Bare, None) => self.body.len().max(1),
        };
        let rounds = if self.is_endless { usize::MAX } else { 1 };
        let mut left = self.stop.map_or(usize::MAX, |(bytes, _)| bytes);
        for piece in
            std::iter::repeat_n(&self.body, rounds).flat_map(|body| body.chunks(piece_bytes))
        {
            if left == 0 {
                return Ok(());
            }
            if let Some(pace) = &self.pace {
                pace.wait(|| exchanges.has_ended(nth));
            }
            if exchanges.has_ended(nth) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let sent = &piece[..piece.len().min(left)];
            left -= sent.len();
            stream.write_all(&self.frame(piece.len(), sent))?;
        }
        match self.framing {
            Framing::Chunked(_) if self.stop.is_none() => stream.write_all(b"0\r\n\r\n"),
            _ => Ok(()),
        }
    }

    fn head(&self) -> Vec<u8> {
        let framing = match self.framing {
            Framing::Bare => return Vec::new(),
            Framing::Length(bytes) => {
                format!("Content-Length: {}", bytes.unwrap_or(self.body.len()))
            }
            Framing::Chunked(_) => "Transfer-Encoding: chunked".into(),
        };
        let mut head = format!(
            "HTTP/1.1 {} Scripted\r\n{framing}\r\nConnection: close\r\n",
            self.status
        );
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        (head + "\r\n").into_bytes()
    }

    /// What goes out for `sent`, the beginning of a piece of `whole_bytes`.
    fn frame(&self, whole_bytes: usize, sent: &[u8]) -> Vec<u8> {
        if !matches!(self.framing, Framing::Chunked(_)) {
            return sent.to_vec();
        }
        let end: &[u8] = if sent.len() == whole_bytes {
            b"\r\n"
        } else {
            b""
        };
        [format!("{whole_bytes:x}\r\n").as_bytes(), sent, end].concat()
    }
}

/// Lets the bytes of a slow answer go, as the test says. Its clones are one and the same.
#[derive(Clone, Default)]
pub(crate) struct Pace {
    shared: Arc<(Mutex<Allowance>, Condvar)>,
}

#[derive(Default)]
struct Allowance {
    bytes: usize,
    is_unlimited: bool,
}

impl Pace {
    /// A pace at which nothing goes yet.
    pub(crate) fn new() -> Pace {
        Pace::default()
    }

    /// Lets this many more bytes go.
    pub(crate) fn allow(&self, bytes: usize) {
        lock(&self.shared.0).bytes += bytes;
        self.shared.1.notify_all();
    }

    /// Lets all the rest go.
    pub(crate) fn finish(&self) {
        lock(&self.shared.0).is_unlimited = true;
        self.shared.1.notify_all();
    }

    /// Waits until one byte may go, or the exchange is over.
    fn wait(&self, is_over: impl Fn() -> bool) {
        let waits = |allowance: &mut Allowance| {
            !allowance.is_unlimited && allowance.bytes == 0 && !is_over()
        };
        let allowance = self.shared.1.wait_while(lock(&self.shared.0), waits);
        let mut allowance = allowance.unwrap_or_else(PoisonError::into_inner);
        allowance.bytes = allowance.bytes.saturating_sub(1);
    }

    /// Makes waiting threads look again whether their exchange is over.
    fn wake(&self) {
        // With the lock: a thread that has just looked is then surely waiting.
        let _allowance = lock(&self.shared.0);
        self.shared.1.notify_all();
    }
}

/// What was asked, and how far each answer has come.
#[derive(Default)]
struct Exchanges {
    all: Mutex<Vec<Exchange>>,
    changed: Condvar,
}

struct Exchange {
    request: RecordedRequest,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq)]
enum Progress {
    Answering,
    /// As scripted.
    Ended,
    /// Before the end of the script.
    ClosedByPeer,
}

impl Exchanges {
    /// Notes a request; its number.
    fn begin(&self, request: RecordedRequest) -> usize {
        let mut all = lock(&self.all);
        all.push(Exchange {
            request,
            progress: Progress::Answering,
        });
        self.changed.notify_all();
        all.len() - 1
    }

    /// Notes the end of an exchange; the first note counts.
    fn end(&self, nth: usize, progress: Progress) {
        let mut all = lock(&self.all);
        if all[nth].progress == Progress::Answering {
            all[nth].progress = progress;
            self.changed.notify_all();
        }
    }

    fn has_ended(&self, nth: usize) -> bool {
        lock(&self.all)[nth].progress != Progress::Answering
    }

    fn wait_for_end(&self, nth: usize) {
        let mut all = lock(&self.all);
        while all[nth].progress == Progress::Answering {
            all = self
                .changed
                .wait(all)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The nth exchange's progress as soon as it is `wanted`; `None` when that takes longer than [`PATIENCE`].
    fn within_patience(&self, nth: usize, wanted: fn(Progress) -> bool) -> Option<Progress> {
        let is_missing = |all: &mut Vec<Exchange>| {
            !all.get(nth)
                .is_some_and(|exchange| wanted(exchange.progress))
        };
        let waited = self
            .changed
            .wait_timeout_while(lock(&self.all), PATIENCE, is_missing);
        let (all, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            None
        } else {
            all.get(nth).map(|exchange| exchange.progress)
        }
    }
}

/// Reads a request, and leaves its last byte in the socket: closing the socket then resets the connection.
struct HeldBack<'a> {
    stream: &'a TcpStream,
    /// Whether the last byte given out is still in the socket.
    is_holding: bool,
}

impl Read for HeldBack<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_holding {
            self.stream.read_exact(&mut [0])?;
            self.is_holding = false;
        }
        let count = self.stream.peek(buffer)?;
        if count > 0 {
            self.stream.read_exact(&mut buffer[..count - 1])?;
            self.is_holding = true;
        }
        Ok(count)
    }
}
