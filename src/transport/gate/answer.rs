//! The framing of an answer that makes the detour: where it ends, whether it is a stream, and the changes that the client's
//! version and connection ask for.

use httparse::{EMPTY_HEADER, Header, Status};

use super::chunks::Chunks;

/// At most a relay's smallest buffer, so that a head never waits for room.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const FIELDS_MAX: usize = 64;

/// The answer cannot be relayed: it is malformed, or has no end that can be known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Follows one answer as its bytes come in.
pub(super) struct Answer {
    bodiless: bool,
    rest: Rest,
}

/// What is still to come.
enum Rest {
    Head,
    Bytes(u64),
    Chunks(Chunks),
}

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AnswerHead {
    /// Bytes of the head.
    pub(super) length: usize,
    /// An event stream: it lasts as long as its client, and may begin with nothing but its head.
    pub(super) stream: bool,
    pub(super) chunked: bool,
    /// It says itself that the connection ends.
    pub(super) close: bool,
}

impl AnswerHead {
    /// Of an answer whose head is with the client and says nothing more of the connection.
    pub(super) const PLAIN: AnswerHead = AnswerHead {
        length: 0,
        stream: false,
        chunked: false,
        close: false,
    };
}

impl Answer {
    /// `bodiless`: the request was HEAD.
    pub(super) fn new(bodiless: bool) -> Answer {
        Answer {
            bodiless,
            rest: Rest::Head,
        }
    }

    /// An answer of which only this much of its body is still to come.
    pub(super) fn ending_with(left: usize) -> Answer {
        Answer {
            bodiless: false,
            rest: Rest::Bytes(left as u64),
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        match &self.rest {
            Rest::Head => false,
            Rest::Bytes(left) => *left == 0,
            Rest::Chunks(chunks) => chunks.is_done(),
        }
    }

    /// Bytes of the body still to come, where that is known.
    pub(super) fn left(&self) -> Option<usize> {
        match &self.rest {
            Rest::Bytes(left) => usize::try_from(*left).ok(),
            Rest::Head | Rest::Chunks(_) => None,
        }
    }

    /// Reads the head once `bytes`, which begin with it, hold it whole.
    pub(super) fn read_head(&mut self, bytes: &[u8]) -> Result<Option<AnswerHead>, Broken> {
        let mut slots = [EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut slots);
        let length = match response.parse(bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Ok(None),
            _ => return Err(Broken),
        };
        let status = response.code.ok_or(Broken)?;
        let fields = &*response.headers;
        let chunked = is_in(fields, "transfer-encoding", "chunked");
        let declared = value_of(fields, "content-length");
        self.rest = match declared {
            _ if self.bodiless || status == 204 || status == 304 => Rest::Bytes(0),
            _ if status < 200 => return Err(Broken),
            None if chunked => Rest::Chunks(Chunks::new(u64::MAX, FIELDS_MAX)),
            Some(length) if !chunked => Rest::Bytes(length.parse().map_err(|_| Broken)?),
            _ => return Err(Broken),
        };
        let stream = value_of(fields, "content-type")
            .is_some_and(|value| value.starts_with("text/event-stream"));
        let close = is_in(fields, "connection", "close");
        Ok(Some(AnswerHead {
            length,
            stream,
            chunked,
            close,
        }))
    }

    /// Follows `bytes` of the body, hands its data to `take`, and gives how many of them belong to it.
    pub(super) fn read_body(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<usize, Broken> {
        match &mut self.rest {
            Rest::Head => Ok(0),
            Rest::Bytes(left) => {
                let here = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                take(bytes.get(..here).unwrap_or_default());
                *left -= here as u64;
                Ok(here)
            }
            Rest::Chunks(chunks) => chunks
                .read(bytes, |data| {
                    take(data);
                    Ok(())
                })
                .map_err(|_| Broken),
        }
    }
}

/// A head with `field` as its first field; without `Transfer-Encoding` if `unchunked`.
pub(super) fn rewritten(head: &[u8], field: &str, unchunked: bool) -> Vec<u8> {
    let mut rewritten = Vec::with_capacity(head.len() + field.len());
    for (number, line) in head.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if number == 1 {
            rewritten.extend_from_slice(field.as_bytes());
        }
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if !(unchunked && number > 0 && name.eq_ignore_ascii_case(b"transfer-encoding")) {
            rewritten.extend_from_slice(line);
        }
    }
    rewritten
}

fn value_of<'f>(fields: &[Header<'f>], name: &str) -> Option<&'f str> {
    let field = fields
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(field.value).ok()
}

fn is_in(fields: &[Header<'_>], name: &str, item: &str) -> bool {
    value_of(fields, name).is_some_and(|value| {
        value
            .split(',')
            .any(|part| part.trim().eq_ignore_ascii_case(item))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: how many bytes belong to the answer, and whether they are all of it.
    #[track_caller]
    fn check(bodiless: bool, text: &str, expected: Result<(usize, bool), Broken>) {
        let mut answer = Answer::new(bodiless);
        let mut read = || {
            let Some(head) = answer.read_head(text.as_bytes())? else {
                return Ok((0, false));
            };
            let body = answer.read_body(&text.as_bytes()[head.length..], |_| ())?;
            Ok((head.length + body, answer.is_complete()))
        };
        let read = read();
        assert_eq!(read, expected, "{text:?}");
    }

    #[test]
    fn an_answer_ends_where_its_framing_says() {
        check(
            false,
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc",
            Ok((40, true)),
        );
        check(
            false,
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na",
            Ok((39, false)),
        );
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
        check(false, chunked, Ok((chunked.len(), true)));
    }

    #[test]
    fn head_204_and_304_have_no_body() {
        check(
            true,
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
            Ok((38, true)),
        );
        check(false, "HTTP/1.1 204 No Content\r\n\r\nab", Ok((27, true)));
        check(
            false,
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
            Ok((48, true)),
        );
    }

    #[test]
    fn an_answer_without_a_known_end_is_broken() {
        check(false, "HTTP/1.1 200 OK\r\n\r\n", Err(Broken));
        check(false, "HTTP/1.1 100 Continue\r\n\r\n", Err(Broken));
        check(
            false,
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            Err(Broken),
        );
        check(
            false,
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            Err(Broken),
        );
        check(false, "nonsense\r\n\r\n", Err(Broken));
    }

    #[test]
    fn a_rewritten_head_keeps_its_other_lines() {
        let head = b"HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(
            rewritten(head, "Connection: close\r\n", true),
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nA: b\r\n\r\n"
        );
    }
}
