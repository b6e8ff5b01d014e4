//! The bare limits: what the same work costs at least where a thread a connection does it and nothing is understood,
//! checked or bounded. Each is a process of its own (this program, started by itself), read and loaded as the server is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process;
use std::thread;
use std::time::Instant;

use memchr::{memchr_iter, memmem};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The argument with which this program is the server of fixed answers.
pub(crate) const ANSWERING: &str = "--bare-answering";
/// The argument with which this program is the reader of an export.
pub(crate) const READING: &str = "--bare-reading";
/// What the first line of [`ANSWERING`] has before the address; the server has the same.
pub(crate) const LISTENS: &str = " on http://";
/// What the line of [`READING`] has before its events, its bytes and its nanoseconds.
pub(crate) const READ: &str = "events, bytes, ns: ";

/// Enough for a thread with its buffers on it.
const STACK_BYTES: usize = 64 * 1024;
/// One page holds every request here, and then the upstream's answer.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;
const EXPORT_BUFFER_BYTES: usize = 256 * 1024;
const QUERY: &[u8] = b"GET /api/query/events/top?project_id=12345&type=general&limit=31 HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Basic c2FuZGJveDpzYW5kYm94\r\naccept: application/json\r\n\r\n";
const EXPORT: &[u8] = b"GET /api/2.0/export HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Basic c2FuZGJveDpzYW5kYm94\r\n\r\n";
const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: endpoint\ndata: /messages/\n\n";

/// Answers of these sizes, head and body.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) ping: usize,
    pub(crate) list: usize,
    pub(crate) call: usize,
}

impl Sizes {
    /// As arguments of [`ANSWERING`], behind the upstream's address.
    pub(crate) fn arguments(self) -> [String; 3] {
        [self.ping, self.list, self.call].map(|size| size.to_string())
    }
}

/// Runs as one of the limits if the arguments say so: whether they did.
pub(crate) fn run(arguments: &[String]) -> io::Result<bool> {
    let number = |text: &String| text.parse::<usize>().map_err(io::Error::other);
    match arguments {
        [what, upstream, ping, list, call] if what == ANSWERING => {
            let sizes = Sizes {
                ping: number(ping)?,
                list: number(list)?,
                call: number(call)?,
            };
            answer(upstream.parse().map_err(io::Error::other)?, sizes)?;
        }
        [what, upstream] if what == READING => {
            read(upstream.parse().map_err(io::Error::other)?)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

struct Answers {
    ping: Vec<u8>,
    list: Vec<u8>,
    call: Vec<u8>,
    upstream: SocketAddr,
}

/// Serves until standard input is closed.
fn answer(upstream: SocketAddr, sizes: Sizes) -> io::Result<()> {
    let answers: &Answers = Box::leak(Box::new(Answers {
        ping: padded(sizes.ping),
        list: padded(sizes.list),
        call: padded(sizes.call),
        upstream,
    }));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    eprintln!("bare{LISTENS}{},", listener.local_addr()?);
    thread::spawn(|| {
        wait_for_the_end();
        process::exit(0);
    });
    for stream in listener.incoming() {
        let stream = stream?;
        thread::Builder::new()
            .stack_size(STACK_BYTES)
            // An error is the client's leaving.
            .spawn(move || serve(stream, answers))?;
    }
    Ok(())
}

fn wait_for_the_end() {
    // Nothing is ever written to it; that it cannot be read is an end, too.
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
}

/// A good answer of this size, or of the smallest that there is.
fn padded(size: usize) -> Vec<u8> {
    let answer = |padding: usize| {
        let text = "x".repeat(padding);
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"text":"{text}"}}}}"#);
        // Of the same width whatever the length.
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {:06}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let least = answer(0).len();
    answer(size.saturating_sub(least))
}

/// One read and one write a request, and for a call one of each upstream.
fn serve(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut upstream = None;
    let mut message = [0; MESSAGE_BYTES_MAX];
    let mut filled = 0;
    loop {
        let count = stream.read(&mut message[filled..])?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let Some(whole) = whole(&message[..filled]) else {
            continue;
        };
        filled = 0;
        if whole.starts_with(b"GET ") {
            stream.write_all(STREAM)?;
        } else if memmem::find(whole, br#""ping""#).is_some() {
            stream.write_all(&answers.ping)?;
        } else if memmem::find(whole, br#""tools/list""#).is_some() {
            stream.write_all(&answers.list)?;
        } else if memmem::find(whole, br#""tools/call""#).is_some() {
            ask(&mut upstream, answers.upstream, &mut message)?;
            stream.write_all(&answers.call)?;
        } else {
            // The first request of a client.
            stream.write_all(&answers.ping)?;
        }
    }
}

/// A message, or nothing as long as a part of it is missing.
fn whole(message: &[u8]) -> Option<&[u8]> {
    let head = memmem::find(message, b"\r\n\r\n")? + 4;
    let length = match memmem::find(&message[..head], b"content-length: ") {
        Some(at) => {
            let digits = &message[at + 16..];
            let end = memchr::memchr(b'\r', digits)?;
            str::from_utf8(&digits[..end]).ok()?.parse::<usize>().ok()?
        }
        None => 0,
    };
    message.get(..head + length)
}

/// Asks the upstream over a connection that is kept.
fn ask(kept: &mut Option<TcpStream>, address: SocketAddr, answer: &mut [u8]) -> io::Result<()> {
    let upstream = match kept {
        Some(upstream) => upstream,
        None => {
            let upstream = TcpStream::connect(address)?;
            upstream.set_nodelay(true)?;
            kept.insert(upstream)
        }
    };
    upstream.write_all(QUERY)?;
    let mut filled = 0;
    while whole(&answer[..filled]).is_none() {
        match upstream.read(&mut answer[filled..])? {
            0 => return Err(io::Error::other("the upstream has closed")),
            count => filled += count,
        }
    }
    Ok(())
}

/// A line of an export, of which only the name is wanted.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(rename = "properties")]
    _properties: IgnoredAny,
}

/// Reads an export on one thread and counts the events by name, tells what it read, and waits to be looked at.
fn read(upstream: SocketAddr) -> io::Result<()> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(upstream)?;
    stream.write_all(EXPORT)?;
    let mut input = BufReader::with_capacity(EXPORT_BUFFER_BYTES, stream);
    let mut head = String::new();
    while head.lines().last() != Some("") {
        if input.read_line(&mut head)? == 0 {
            return Err(io::Error::other("the export has no head"));
        }
    }
    let mut chunks = Chunks { input, left: 0 };
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut buffer = vec![0; EXPORT_BUFFER_BYTES];
    let (mut filled, mut bytes) = (0, 0);
    loop {
        let count = chunks.read(&mut buffer[filled..])?;
        if count == 0 {
            break;
        }
        bytes += count;
        filled += count;
        let mut begin = 0;
        for end in memchr_iter(b'\n', &buffer[..filled]) {
            let line: Line<'_> = serde_json::from_slice(&buffer[begin..end])?;
            match counts.get_mut(line.event.as_ref()) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(line.event.into_owned(), 1);
                }
            }
            begin = end + 1;
        }
        buffer.copy_within(begin..filled, 0);
        filled -= begin;
    }
    let nanos = begun.elapsed().as_nanos();
    let events: u64 = counts.values().sum();
    eprintln!("{READ}{events} {bytes} {nanos}");
    wait_for_the_end();
    Ok(())
}

/// The bytes of a chunked body.
struct Chunks<R> {
    input: R,
    left: usize,
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut line = String::new();
        // Before each size but the first there is the end of the chunk before it, an empty line.
        while self.left == 0 {
            line.clear();
            if self.input.read_line(&mut line)? == 0 {
                return Err(io::Error::other("the export is not whole"));
            }
            match line.trim_end() {
                "" => {}
                "0" => return Ok(0),
                size => self.left = usize::from_str_radix(size, 16).map_err(io::Error::other)?,
            }
        }
        let room = buffer.len().min(self.left);
        let count = self.input.read(&mut buffer[..room])?;
        self.left -= count;
        Ok(count)
    }
}
