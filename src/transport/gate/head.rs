//! A request's head: found in the bytes, and read as RFC 9112 has it, without leniency. The body is left to `connection`.

use httparse::{EMPTY_HEADER, Header, Status};

use crate::mcp::headers::Headers;

use super::limits::Limits;
use super::refusal::Refusal;
use super::target;

/// Methods that go on; whether a route takes one is not the gate's business. CONNECT is not among them.
const METHODS: [&str; 8] = [
    "GET", "POST", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "TRACE",
];
/// Fields that are between the client and the gate, beside those that the gate acts on.
const NOT_FOR_OTHERS: [&str; 6] = [
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
];

/// So many fields need no memory of their own.
const FEW_FIELDS: usize = 64;

/// How a request's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// What the gate knows of a request once its head is read.
pub(super) struct Head {
    pub(super) method: &'static str,
    /// In origin form, or `*`.
    pub(super) target: String,
    /// Those that go on.
    pub(super) headers: Headers,
    pub(super) framing: Framing,
    /// The client waits for `100 Continue` before it sends the body.
    pub(super) waits: bool,
    pub(super) terms: Terms,
}

/// What the answer has to fit.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// The method is HEAD: the answer has no body.
    pub(super) bodiless: bool,
    /// HTTP/1.0: the answer may not be chunked.
    pub(super) old: bool,
    /// The connection may serve another request.
    pub(super) keep: bool,
}

/// Looks for the end of a head as bytes arrive, and stops at the first byte that no head can have.
#[derive(Default)]
pub(super) struct Scan {
    next: usize,
    line: usize,
    start: usize,
    previous: u8,
}

impl Scan {
    /// Goes on where it stopped; `bytes` is all that has arrived so far. Gives where the head starts (empty lines before it
    /// are skipped) and ends.
    pub(super) fn find(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Option<(usize, usize)>, Refusal> {
        for (at, &byte) in bytes.iter().enumerate().skip(self.next) {
            let in_first_line = self.line == self.start;
            if at >= limits.head_bytes {
                return Err(if in_first_line {
                    Refusal::LineTooLong
                } else {
                    Refusal::HeadTooLarge
                });
            }
            let after_return = self.previous == b'\r';
            match byte {
                b'\n' if !after_return => {
                    return Err(Refusal::Malformed("a line ends in LF without CR"));
                }
                _ if after_return && byte != b'\n' => {
                    return Err(Refusal::Malformed("a CR stands without LF"));
                }
                b'\n' => {
                    let line = bytes
                        .get(self.line..at.saturating_sub(1))
                        .unwrap_or_default();
                    match (line.is_empty(), in_first_line) {
                        (true, true) => self.start = at + 1,
                        (true, false) => return Ok(Some((self.start, at + 1))),
                        (false, true) => check_version(line)?,
                        (false, false) => {}
                    }
                    self.line = at + 1;
                }
                b'\t' | b'\r' | b' '..=b'~' | 0x80.. => {}
                _ => return Err(Refusal::Malformed("the head has a control character")),
            }
            self.previous = byte;
            self.next = at + 1;
        }
        Ok(None)
    }

    /// Nothing but empty lines so far.
    pub(super) fn is_blank(&self, bytes: &[u8]) -> bool {
        self.start == bytes.len()
    }
}

/// Told as soon as the first line is there: an HTTP/0.9 or HTTP/2 client would wait for an answer before it sends more.
fn check_version(line: &[u8]) -> Result<(), Refusal> {
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => Ok(()),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal::UnknownVersion)
        }
        _ => Err(Refusal::Malformed(
            "the request line must be: method, target, HTTP/1.1",
        )),
    }
}

impl Head {
    /// Reads `bytes`, which [`Scan`] has found to be a head.
    pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Head, Refusal> {
        let mut few = [EMPTY_HEADER; FEW_FIELDS];
        let mut many = Vec::new();
        let slots = match few.get_mut(..limits.head_fields) {
            Some(slots) => slots,
            None => {
                many.resize(limits.head_fields, EMPTY_HEADER);
                many.as_mut_slice()
            }
        };
        let mut request = httparse::Request::new(slots);
        match request.parse(bytes) {
            Ok(Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) => return Err(Refusal::Malformed("the head is malformed")),
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyFields),
            Err(httparse::Error::HeaderName) => {
                return Err(Refusal::Malformed("a header field's name is malformed"));
            }
            Err(httparse::Error::HeaderValue) => {
                return Err(Refusal::Malformed("a header field's value is malformed"));
            }
            Err(httparse::Error::Version) => return Err(Refusal::UnknownVersion),
            Err(_) => return Err(Refusal::Malformed("the request line is malformed")),
        }
        let (Some(method), Some(target), Some(minor)) =
            (request.method, request.path, request.version)
        else {
            return Err(Refusal::Malformed("the request line is malformed"));
        };
        let known = METHODS.into_iter().find(|known| *known == method);
        let method = known.ok_or(Refusal::UnknownMethod)?;
        let (target, authority) = target::split(method, target)?;
        let fields = Fields::read(request.headers)?;
        let old = minor == 0;
        let host = match (fields.host, authority) {
            (None, _) if !old => return Err(Refusal::Malformed("the Host field is missing")),
            (_, Some(authority)) => Some(authority),
            (host, None) => host,
        };

        let host = host.map(|host| ("host", host));
        Ok(Head {
            method,
            target: target.into_owned(),
            headers: Headers::new(host.into_iter().chain(fields.others())),
            framing: fields.framing(old)?,
            waits: fields.expects && !old,
            terms: Terms {
                bodiless: method == "HEAD",
                old,
                keep: !fields.close && (!old || fields.keep_alive),
            },
        })
    }
}

/// The fields of a head: those that the gate acts on, and the others.
#[derive(Default)]
struct Fields<'h, 'f> {
    host: Option<&'f str>,
    length: Option<&'f str>,
    coding: Option<&'f str>,
    close: bool,
    keep_alive: bool,
    expects: bool,
    /// Empty names stand for those that the gate acts on.
    others: &'h [Header<'f>],
}

impl<'h, 'f> Fields<'h, 'f> {
    fn read(fields: &'h mut [Header<'f>]) -> Result<Fields<'h, 'f>, Refusal> {
        let mut read = Fields::default();
        for field in fields.iter_mut() {
            let value = match std::str::from_utf8(field.value) {
                Ok(value) if value.is_ascii() => value,
                // What is behind the gate compares and writes text.
                _ => return Err(Refusal::Malformed("a header field's value is not ASCII")),
            };
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            if is("host") {
                if !target::is_authority(value) {
                    return Err(Refusal::Malformed("the Host field names no valid host"));
                }
                once(&mut read.host, value, "there is more than one Host field")?;
            } else if is("content-length") {
                once(
                    &mut read.length,
                    value,
                    "there is more than one Content-Length",
                )?;
            } else if is("transfer-encoding") {
                once(
                    &mut read.coding,
                    value,
                    "there is more than one Transfer-Encoding",
                )?;
            } else if is("connection") {
                for option in value.split(',').map(str::trim) {
                    read.close |= option.eq_ignore_ascii_case("close");
                    read.keep_alive |= option.eq_ignore_ascii_case("keep-alive");
                }
            } else if is("expect") {
                if !value.eq_ignore_ascii_case("100-continue") {
                    return Err(Refusal::UnknownExpectation);
                }
                read.expects = true;
            } else if !NOT_FOR_OTHERS.iter().any(|name| is(name)) {
                continue;
            }
            *field = EMPTY_HEADER;
        }
        read.others = fields;
        Ok(read)
    }

    /// Those that go on.
    fn others(&self) -> impl Iterator<Item = (&'f str, &'f str)> + Clone {
        self.others
            .iter()
            .filter(|field| !field.name.is_empty())
            // All were found to be ASCII.
            .map(|field| {
                (
                    field.name,
                    std::str::from_utf8(field.value).unwrap_or_default(),
                )
            })
    }

    fn framing(&self, old: bool) -> Result<Framing, Refusal> {
        match (self.length, self.coding) {
            (None, None) => Ok(Framing::Length(0)),
            (Some(_), Some(_)) => Err(Refusal::Malformed(
                "Content-Length and Transfer-Encoding exclude each other",
            )),
            (None, Some(_)) if old => Err(Refusal::Malformed("HTTP/1.0 has no Transfer-Encoding")),
            (None, Some(coding)) => check_coding(coding).map(|()| Framing::Chunked),
            (Some(length), None) => {
                if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(Refusal::Malformed("Content-Length must be digits only"));
                }
                // Digits that overflow are a length like any other, just past each limit.
                length
                    .parse()
                    .map(Framing::Length)
                    .map_err(|_| Refusal::BodyTooLarge)
            }
        }
    }
}

fn once<'f>(
    slot: &mut Option<&'f str>,
    value: &'f str,
    fault: &'static str,
) -> Result<(), Refusal> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::Malformed(fault)),
    }
}

/// Only `chunked` alone goes. A body whose last coding is another has no known end: 400; one with known end and unknown
/// codings inside: 501.
fn check_coding(value: &str) -> Result<(), Refusal> {
    let chunked = |coding: &str| coding.eq_ignore_ascii_case("chunked");
    let mut codings = value.rsplit(',').map(str::trim);
    if !codings.next().is_some_and(chunked) {
        return Err(Refusal::Malformed(
            "the last transfer coding must be chunked",
        ));
    }
    match codings.next() {
        None => Ok(()),
        Some(coding) if coding.is_empty() || chunked(coding) => {
            Err(Refusal::Malformed("Transfer-Encoding is malformed"))
        }
        Some(_) => Err(Refusal::UnknownCoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the pieces in which `text` arrives, it is found to be `expected`.
    #[track_caller]
    fn check(text: &str, expected: Result<Option<(usize, usize)>, u16>) {
        let bytes = text.as_bytes();
        let limits = Limits {
            head_bytes: 40,
            ..Limits::default()
        };
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut scan = Scan::default();
                let found = [first, second, bytes.len()]
                    .into_iter()
                    .map(|end| scan.find(&bytes[..end], &limits))
                    .find(|found| !matches!(found, Ok(None)))
                    .unwrap_or(Ok(None))
                    .map_err(|refusal| refusal.status());
                assert_eq!(found, expected, "{text:?} split at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_head_is_found_however_it_is_split() {
        check("GET / HTTP/1.1\r\n\r\nrest", Ok(Some((0, 18))));
        check("\r\n\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n", Ok(Some((4, 28))));
        check("GET / HTTP/1.1\r\nA: b\r\n\r", Ok(None));
        check("", Ok(None));
        check("\r\n", Ok(None));
    }

    #[test]
    fn a_fault_is_found_however_it_is_split() {
        check("GET / HTTP/1.1\n\n", Err(400));
        check("GET / HTTP/1.1\r\nA: b\rC", Err(400));
        check("GET / HTTP/1.1\r\n\0", Err(400));
        check("GET /\r\n", Err(400));
        check("PRI * HTTP/2.0\r\n\r\n", Err(505));
    }

    #[test]
    fn a_head_past_its_limit_is_refused_however_it_is_split() {
        check("GET /01234567890123456789012345678901234567890", Err(414));
        check("GET / HTTP/1.1\r\nA: 0123456789012345678901", Err(431));
        check(
            "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n",
            Err(414),
        );
    }
}
