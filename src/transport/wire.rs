//! HTTP answers as bytes. Head and body leave in one write: two small ones would meet Nagle's algorithm and
//! delayed acknowledgements, 44 ms a request.

use std::io::Write as _;
use std::time::SystemTime;

use httpdate::HttpDate;

use super::gate::Writer;

/// An answer with a known length.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    /// None: no body, no type.
    pub(super) content_type: Option<&'a str>,
    /// Further fields, as whole lines without their end.
    pub(super) fields: Vec<String>,
    pub(super) body: &'a [u8],
    /// Whether the request was HEAD: the length is told and the body kept.
    pub(super) head_only: bool,
}

impl<'a> Answer<'a> {
    /// JSON.
    pub(super) fn json(status: u16, body: &'a str) -> Answer<'a> {
        Answer {
            status,
            content_type: Some("application/json"),
            fields: Vec::new(),
            body: body.as_bytes(),
            head_only: false,
        }
    }

    /// Text for a person.
    pub(super) fn text(status: u16, body: &'a str) -> Answer<'a> {
        Answer {
            content_type: Some("text/plain; charset=utf-8"),
            ..Answer::json(status, body)
        }
    }

    /// Nothing but a status.
    pub(super) fn empty(status: u16) -> Answer<'a> {
        Answer {
            content_type: None,
            ..Answer::json(status, "")
        }
    }

    /// The same with one more field.
    pub(super) fn with(mut self, name: &str, value: &str) -> Answer<'a> {
        self.fields.push(format!("{name}: {value}"));
        self
    }

    /// The same with more fields, as whole lines.
    pub(super) fn with_all(mut self, fields: &[String]) -> Answer<'a> {
        self.fields.extend_from_slice(fields);
        self
    }

    /// Writes it. A client that has gone is nobody's fault, so there is no error.
    pub(super) fn write(self, writer: Writer) {
        let mut head = head(self.status, self.content_type, &self.fields);
        let _ = write!(head, "Content-Length: {}\r\n\r\n", self.body.len());
        let body = if self.head_only { &[] } else { self.body };
        let _ = writer.finish(&head, body);
    }
}

/// The head of an event stream, whose body comes in chunks.
pub(super) fn stream_head(fields: &[String]) -> Vec<u8> {
    let mut bytes = head(200, Some("text/event-stream"), fields);
    bytes.extend_from_slice(
        b"Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    bytes
}

/// Appends one chunk.
pub(super) fn chunk(bytes: &mut Vec<u8>, data: &str) {
    bytes.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    bytes.extend_from_slice(data.as_bytes());
    bytes.extend_from_slice(b"\r\n");
}

/// Most heads have fewer.
const HEAD_BYTES: usize = 512;

/// The chunk that ends a body.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

fn head(status: u16, content_type: Option<&str>, fields: &[String]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES);
    let (reason, date) = (reason(status), HttpDate::from(SystemTime::now()));
    // Writing to memory does not fail.
    let _ = write!(bytes, "HTTP/1.1 {status} {reason}\r\nDate: {date}\r\n");
    if let Some(content_type) = content_type {
        let _ = write!(bytes, "Content-Type: {content_type}\r\n");
    }
    for field in fields {
        // A line end in a field would let a value write fields of its own.
        bytes.extend(field.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')));
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        503 => "Service Unavailable",
        _ => "Answer",
    }
}
