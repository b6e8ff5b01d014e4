//! One client's connection: a request goes out, its answer comes in and is checked.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use memchr::memmem;

/// No answer takes longer where all is well.
const PATIENCE: Duration = Duration::from_secs(60);
/// Room for one read; it grows with what comes.
const READ_BYTES: usize = 64 * 1024;
const FIELDS_MAX: usize = 32;

/// A request for a method, as a client of Streamable HTTP sends it; `accept` is what it takes for an answer.
pub(crate) fn post(method: &str, params: &str, accept: &str) -> Vec<u8> {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let length = body.len();
    format!(
        "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: {accept}\r\nmcp-protocol-version: 2025-11-25\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A kept connection, with at most one request under way.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
    filled: usize,
    /// How long the answer is that is coming in, once its head is there.
    expected: Option<usize>,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client {
            stream,
            input: Vec::new(),
            filled: 0,
            expected: None,
        })
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request)
    }

    /// Reads once: the answer, with its head, if it is whole by now. An answer that is no good one is an error.
    pub(crate) fn read(&mut self) -> io::Result<Option<&[u8]>> {
        if self.input.len() - self.filled < READ_BYTES {
            self.input.resize(self.filled + READ_BYTES, 0);
        }
        let count = self.stream.read(&mut self.input[self.filled..])?;
        if count == 0 {
            return Err(io::Error::other("the connection was closed"));
        }
        self.filled += count;
        let input = &self.input[..self.filled];
        if self.expected.is_none() {
            self.expected = answer_bytes(input)?;
        }
        let Some(expected) = self.expected.filter(|expected| *expected <= self.filled) else {
            return Ok(None);
        };
        if expected < self.filled {
            return Err(unexpected("more than one answer", input));
        }
        self.expected = None;
        self.filled = 0;
        let answer = &self.input[..expected];
        check(answer)?;
        Ok(Some(answer))
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.send(request)?;
        let length = loop {
            if let Some(answer) = self.read()? {
                break answer.len();
            }
        };
        Ok(&self.input[..length])
    }
}

/// The body of an answer.
pub(crate) fn body(answer: &[u8]) -> &[u8] {
    memmem::find(answer, b"\r\n\r\n").map_or(&[], |end| &answer[end + 4..])
}

/// How long an answer is, head and body, if its head is there.
fn answer_bytes(input: &[u8]) -> io::Result<Option<usize>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head_bytes) = head.parse(input).map_err(io::Error::other)?
    else {
        return Ok(None);
    };
    if head.code != Some(200) {
        return Err(unexpected("not 200", input));
    }
    let length = head
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .and_then(|field| str::from_utf8(field.value).ok()?.parse::<usize>().ok());
    match length {
        Some(length) => Ok(Some(head_bytes + length)),
        None => Err(unexpected("no length", input)),
    }
}

fn check(answer: &[u8]) -> io::Result<()> {
    let body = body(answer);
    if memmem::find(body, br#""result":"#).is_none() {
        return Err(unexpected("no result", answer));
    }
    if memmem::find(body, br#""isError":true"#).is_some() {
        return Err(unexpected("a failed call", answer));
    }
    Ok(())
}

fn unexpected(what: &str, answer: &[u8]) -> io::Error {
    io::Error::other(format!("{what}: {}", String::from_utf8_lossy(answer)))
}
