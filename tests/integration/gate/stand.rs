//! A gate with an echoing server behind it, and the clients that its tests need.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mixpanel_mcp_server::transport::gate::{Arrival, Gate, Limits, Stream, Visits, Writer};
use tiny_http::{Request, Server};

/// Longer than anything here takes; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
const RECEIVERS: usize = 4;
/// Requests to `/together` are answered when so many have come.
pub(crate) const TOGETHER: usize = 20;

/// What the server behind the gate reports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request to `/hang`, `/held`, or for a stream has arrived.
    Arrived,
    /// Its client has left.
    Departed,
    /// The writer of a stream, or of a `/large` or `/short` answer, was told that nobody reads, or is through.
    WriterFreed,
}

pub(crate) struct Stand {
    pub(crate) gate: Gate,
    pub(crate) events: Receiver<Event>,
    /// Where an answer to `/held`, the end of `/events`, and a `/keep` wait.
    held: Arc<Barrier>,
    server: Arc<Server>,
    receivers: Vec<JoinHandle<()>>,
}

impl Stand {
    pub(crate) fn new(limits: Limits) -> Stand {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (gate, server) = Gate::start(listener, limits).unwrap();
        let (sender, events) = channel();
        let visits = gate.visits();
        let barrier = Arc::new(Barrier::new(TOGETHER));
        let release = Arc::new(Barrier::new(2));
        let receivers = (0..RECEIVERS)
            .map(|_| {
                let (server, sender) = (Arc::clone(&server), sender.clone());
                let (visits, barrier) = (visits.clone(), Arc::clone(&barrier));
                let release = Arc::clone(&release);
                thread::spawn(move || {
                    while let Ok(request) = server.recv() {
                        serve(request, &visits, &sender, &barrier, &release);
                    }
                })
            })
            .collect();
        let held = Arc::clone(&release);
        Stand {
            gate,
            events,
            held,
            server,
            receivers,
        }
    }

    /// Lets the answer to a `/held` go, or one `/events` end, or a `/keep` forget its request.
    pub(crate) fn release(&self) {
        self.held.wait();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gate.address()
    }

    pub(crate) fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            unread: Vec::new(),
        }
    }

    /// Sends `bytes` on a new connection and gives everything that comes back until the gate closes it.
    pub(crate) fn send(&self, bytes: &[u8]) -> String {
        let mut client = self.client();
        client.send(bytes);
        client.rest()
    }

    pub(crate) fn next_event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// The two ends of a stream that is cut: its call is told, its writer is freed. Either may come first.
    #[track_caller]
    pub(crate) fn assert_cut(&self) {
        let mut ends = [self.next_event(), self.next_event()];
        ends.sort_by_key(|event| *event == Event::WriterFreed);
        assert_eq!(ends, [Event::Departed, Event::WriterFreed]);
    }

    /// A client that behaves is answered, and soon.
    #[track_caller]
    pub(crate) fn assert_serves(&self) {
        let started = Instant::now();
        let mut client = self.client();
        client.send(b"GET /fine HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().status, 200);
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "{:?}",
            started.elapsed()
        );
    }

    /// Waits until the gate's figures are as wanted.
    #[track_caller]
    pub(crate) fn wait_until(&self, wanted: impl Fn(&Gate) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(&self.gate) {
            assert!(Instant::now() < deadline, "{:?}", self.gate.figures());
            thread::yield_now();
        }
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.gate.close(Duration::ZERO);
        for _ in &self.receivers {
            self.server.unblock();
        }
        for receiver in self.receivers.drain(..) {
            let _ = receiver.join();
        }
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    /// A gate that has refused already may have closed, so a failure to write is none.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads one answer with a declared length or none.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        let end = loop {
            match self
                .unread
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                Some(at) => break at + 4,
                None => self.read_some(),
            }
        };
        let head: String = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            self.read_some();
        }
        let body = String::from_utf8(self.unread.drain(..length).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body }
    }

    /// Reads `text`, which comes next, and nothing behind it.
    #[track_caller]
    pub(crate) fn read_exactly(&mut self, text: &str) {
        while self.unread.len() < text.len() {
            self.read_some();
        }
        let read: Vec<u8> = self.unread.drain(..text.len()).collect();
        assert_eq!(String::from_utf8_lossy(&read), text);
    }

    #[track_caller]
    fn read_some(&mut self) {
        let mut piece = [0; 64 * 1024];
        let count = self.stream.read(&mut piece).unwrap();
        assert_ne!(
            count,
            0,
            "closed after {:?}",
            String::from_utf8_lossy(&self.unread)
        );
        self.unread.extend_from_slice(&piece[..count]);
    }

    /// Everything until the gate closes; a reset ends it too.
    pub(crate) fn rest(&mut self) -> String {
        let mut bytes = std::mem::take(&mut self.unread);
        if let Err(error) = self.stream.read_to_end(&mut bytes) {
            bytes.extend_from_slice(format!("<{}>", error.kind()).as_bytes());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads until `text` has come.
    #[track_caller]
    pub(crate) fn read_to(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.unread).contains(text) {
            self.read_some();
        }
        self.unread.clear();
    }
}

/// A request for a path.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

/// The status of an answer as text.
pub(crate) fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

/// What a request looks like from behind the gate; the answer of every path without a meaning of its own.
fn echo(arrival: &Arrival) -> String {
    let fields: Vec<String> = arrival
        .headers
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!(
        "{} {} [{}] {}",
        arrival.method,
        arrival.target,
        fields.join("; "),
        String::from_utf8_lossy(&arrival.body)
    )
}

/// What tiny_http takes a claim check for, but for the token and the number in it.
fn seen(check: &Request) -> String {
    let named = check.url().split('/').map(|part| match part {
        "" => "",
        part if part.len() == 32 => "token",
        part if part.bytes().all(|byte| byte.is_ascii_digit()) => "visit",
        part => part,
    });
    format!(
        "{} {} {:?} {:?}",
        check.method(),
        named.collect::<Vec<_>>().join("/"),
        check.headers(),
        check.body_length()
    )
}

fn serve(
    check: Request,
    visits: &Visits,
    events: &Sender<Event>,
    barrier: &Arc<Barrier>,
    release: &Arc<Barrier>,
) {
    let seen = seen(&check);
    let Some(arrival) = visits.arrival(check) else {
        return;
    };
    let text = echo(&arrival);
    let Arrival {
        peer,
        method,
        target,
        body,
        writer,
        ..
    } = arrival;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    match path {
        "/hang" => {
            let kept = Arc::new(Mutex::new(Some(writer)));
            events.send(Event::Arrived).unwrap();
            let told = events.clone();
            let (over, wait) = channel();
            let watch = visits.watch(&peer, move || {
                let _ = told.send(Event::Departed);
                let _ = over.send(());
            });
            thread::spawn(move || {
                let _ = wait.recv();
                drop((watch, kept));
            });
        }
        "/stream" | "/burst" => {
            events.send(Event::Arrived).unwrap();
            let (told, freed) = (events.clone(), events.clone());
            let watch = visits.watch(&peer, move || {
                let _ = told.send(Event::Departed);
            });
            let filler = query.parse().unwrap_or(0);
            let is_endless = path == "/stream" && filler > 0;
            thread::spawn(move || {
                let mut writer = writer.by_hand().unwrap();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
                let event = format!("data: {}\n\n", "x".repeat(filler));
                let event = format!("{:x}\r\n{event}\r\n", event.len());
                let mut write =
                    |bytes: &[u8]| writer.write_all(bytes).and_then(|()| writer.flush());
                let mut going = write(head.as_bytes()).and_then(|()| write(event.as_bytes()));
                // With filler it writes as fast as the client reads; without, and in a burst, one event is all.
                while is_endless && going.is_ok() {
                    going = write(event.as_bytes());
                }
                if filler > 0 {
                    let _ = freed.send(Event::WriterFreed);
                }
                if going.is_ok() {
                    thread::park();
                }
                drop(watch);
            });
        }
        "/events" | "/comments" | "/lasting" => {
            let (told, freed, release) = (events.clone(), events.clone(), Arc::clone(release));
            let (over, left) = channel();
            let watch = visits.watch(&peer, move || {
                let _ = told.send(Event::Departed);
                let _ = over.send(());
            });
            events.send(Event::Arrived).unwrap();
            let filler = query.parse().unwrap_or(0);
            let is_lasting = path == "/lasting";
            let write = match path {
                "/comments" => Stream::offer,
                _ => Stream::write,
            };
            thread::spawn(move || {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
                let event = format!("data: {}\n\n", "x".repeat(filler));
                let event = format!("{:x}\r\n{event}\r\n", event.len());
                let Ok(mut stream) = writer.begin(format!("{head}{event}").as_bytes()) else {
                    return;
                };
                // With filler it writes until nobody takes it; without, one event is all.
                if is_lasting {
                    let _ = left.recv();
                } else if filler > 0 {
                    while write(&mut stream, event.as_bytes()).is_ok() {}
                    let _ = freed.send(Event::WriterFreed);
                    // The writer may learn it before the gate's thread does, which tells only those who still watch.
                    let _ = left.recv();
                } else {
                    release.wait();
                    drop(watch);
                    let _ = stream.end(b"0\r\n\r\n");
                    return;
                }
                drop(watch);
            });
        }
        "/end-stream" => {
            write(writer, b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n");
        }
        "/large" => {
            let length: usize = query.parse().unwrap();
            let mut answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
            answer.resize(answer.len() + length, b'x');
            let freed = events.clone();
            thread::spawn(move || {
                let mut writer = writer.by_hand().unwrap();
                let _ = writer.write_all(&answer).and_then(|()| writer.flush());
                let _ = freed.send(Event::WriterFreed);
            });
        }
        "/short" => {
            let length: usize = query.parse().unwrap();
            let freed = events.clone();
            thread::spawn(move || {
                let _ = writer.finish(&head(length), "x".repeat(length).as_bytes());
                let _ = freed.send(Event::WriterFreed);
            });
        }
        "/held" => {
            let release = Arc::clone(release);
            events.send(Event::Arrived).unwrap();
            thread::spawn(move || {
                release.wait();
                let _ = writer.finish(&head(4), b"held");
            });
        }
        "/unread" => answer(writer, method, "not read"),
        "/check" => answer(writer, method, &seen),
        "/keep" => {
            answer(writer, method, "kept");
            release.wait();
            drop(body);
        }
        "/panic" => drop(writer),
        "/nonsense" => {
            write(writer, b"nonsense\r\n\r\n");
        }
        "/endless" => {
            write(writer, b"HTTP/1.1 200 OK\r\n\r\n");
        }
        "/twice" => {
            write(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb");
        }
        "/late" => {
            let mut writer = writer.by_hand().unwrap();
            let mut write = |text: &[u8]| writer.write_all(text).and_then(|()| writer.flush());
            let _ = write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
            // A watch on a request that is over is told at once.
            let over = Arc::new(AtomicBool::new(false));
            while !over.load(Ordering::Relaxed) {
                let over = Arc::clone(&over);
                let _watch = visits.watch(&peer, move || over.store(true, Ordering::Relaxed));
                thread::yield_now();
            }
            let _ = write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb");
            let _ = events.send(Event::WriterFreed);
        }
        "/together" => {
            let barrier = Arc::clone(barrier);
            thread::spawn(move || {
                barrier.wait();
                answer(writer, method, "together");
            });
        }
        "/peer" => answer(writer, method, &peer.address.to_string()),
        _ => {
            // Until then it is counted.
            drop(body);
            answer(writer, method, &text);
        }
    }
}

fn answer(writer: Writer, method: &str, text: &str) {
    let bodiless = method == "HEAD";
    let length = text.len();
    let body = if bodiless { "" } else { text };
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    write(writer, answer.as_bytes());
}

fn head(length: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes()
}

fn write(writer: Writer, answer: &[u8]) {
    let mut writer = writer.by_hand().unwrap();
    let _ = writer.write_all(answer).and_then(|()| writer.flush());
}
