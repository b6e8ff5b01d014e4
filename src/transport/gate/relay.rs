//! An answer that makes the detour, on its way to the client: the bytes held, what of them is sent, and what has to be changed on the way.

use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::allowance::{Allowance, Claim};
use super::answer::{Answer, AnswerHead, Broken, rewritten};
use super::head::Terms;

/// Of an answer, held for each connection without being counted.
const BUFFER_BYTES: usize = 16 * 1024;
/// The buffer of an answer that comes faster than small reads take it.
const LARGE_BUFFER_BYTES: usize = 128 * 1024;
/// Of a stream, held while its client is slow; then the stream's writer feels it.
const STREAM_BYTES_MAX: usize = 64 * 1024;

/// An answer on its way to the client.
pub(super) struct Relay {
    terms: Terms,
    allowance: Arc<Allowance>,
    claim: Claim,
    answer: Answer,
    /// Once it was read; before, `bytes` is its beginning and nothing is sent.
    head: Option<AnswerHead>,
    bytes: Vec<u8>,
    sent: usize,
    /// The last read filled the buffer.
    filled: bool,
    /// The allowance is used up: nothing more is read until the client takes something.
    starved: bool,
    /// The answer broke off, or the answer cannot be relayed.
    broken: bool,
    keep: bool,
    /// When the head was read.
    began: Option<Instant>,
    /// When the client last took something, or could begin to.
    progress: Instant,
}

impl Relay {
    pub(super) fn new(terms: Terms, allowance: &Arc<Allowance>) -> Relay {
        Relay {
            terms,
            allowance: Arc::clone(allowance),
            claim: allowance.claim(),
            answer: Answer::new(terms.bodiless),
            head: None,
            bytes: Vec::new(),
            sent: 0,
            filled: false,
            starved: false,
            broken: false,
            keep: terms.keep,
            began: None,
            progress: Instant::now(),
        }
    }

    /// Goes on with an answer of which the client has all but the last bytes.
    pub(super) fn resume(&mut self, left: usize) {
        self.answer = Answer::ending_with(left);
        self.head = Some(AnswerHead::PLAIN);
        self.began = Some(Instant::now());
    }

    /// When the answer began.
    pub(super) fn began(&self) -> Option<Instant> {
        self.began
    }

    pub(super) fn progress(&self) -> Instant {
        self.progress
    }

    pub(super) fn is_starved(&self) -> bool {
        self.starved
    }

    pub(super) fn is_stream(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.stream)
    }

    /// Bytes wait for the client.
    pub(super) fn is_pending(&self) -> bool {
        self.head.is_some() && self.sent < self.bytes.len()
    }

    /// The whole answer has come.
    pub(super) fn is_read(&self) -> bool {
        self.answer.is_complete()
    }

    /// Nothing more will come, though it should.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// The client's connection can serve another request.
    pub(super) fn keeps_client(&self) -> bool {
        self.keep
    }

    pub(super) fn break_off(&mut self) {
        self.broken = true;
    }

    /// Whether more should be read. A stream that has nothing to say, and an answer that has not begun, may stay so for
    /// long: they hold no buffer, and [`Relay::read`] makes one.
    pub(super) fn wants_more(&mut self) -> bool {
        let has_begun = self.head.is_some() && !self.is_stream();
        if has_begun || self.sent < self.bytes.len() {
            return self.make_room();
        }
        if self.bytes.capacity() > 0 {
            self.bytes = Vec::new();
            self.sent = 0;
            self.filled = false;
            self.claim = self.allowance.claim();
        }
        self.starved = false;
        true
    }

    /// Makes room for reading; gives whether there is any.
    fn make_room(&mut self) -> bool {
        if self.sent > 0 && self.sent >= self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        let capacity = self.bytes.capacity();
        let spare = capacity - self.bytes.len();
        let too_small = self.filled && capacity < LARGE_BUFFER_BYTES;
        self.starved = false;
        if spare >= BUFFER_BYTES / 4 && !too_small {
            return true;
        }
        let mut wanted = (capacity * 2).max(BUFFER_BYTES);
        if let Some(left) = self.answer.left() {
            wanted = wanted.min(self.bytes.len() + left);
            if wanted <= capacity {
                return true;
            }
        }
        if self.is_stream() && wanted > STREAM_BYTES_MAX {
            return spare > 0;
        }
        if wanted > BUFFER_BYTES && !self.claim.raise(wanted, self.allowance.limit()) {
            self.starved = spare == 0;
            return spare > 0;
        }
        self.bytes.reserve_exact(wanted - self.bytes.len());
        true
    }

    /// Reads once from the detour. `last`: the client's connection shall end with this answer.
    pub(super) fn read(&mut self, detour: &UnixStream, last: bool) {
        if self.bytes.capacity() == 0 {
            self.make_room();
        }
        let start = self.bytes.len();
        let was_pending = self.is_pending();
        match recv(detour, spare_capacity(&mut self.bytes), RecvFlags::empty()) {
            Ok((0, _)) => self.broken = true,
            Ok(_) => {
                self.filled = self.bytes.len() == self.bytes.capacity();
                let followed = match self.head {
                    Some(_) => self.follow(start),
                    None => self.begin(last),
                };
                self.broken |= followed.is_err();
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.broken = true,
        }
        if !was_pending {
            self.progress = Instant::now();
        }
    }

    /// Sends what the client takes without blocking.
    pub(super) fn send(&mut self, client: &TcpStream) -> io::Result<()> {
        let rest = self.bytes.get(self.sent..).unwrap_or_default();
        match send(client, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(count) => {
                self.sent += count;
                self.progress = Instant::now();
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the head, if it is there, and makes it fit the client's version and connection.
    fn begin(&mut self, last: bool) -> Result<(), Broken> {
        let Some(head) = self.answer.read_head(&self.bytes)? else {
            return Ok(());
        };
        let old = self.terms.old;
        let unchunked = old && head.chunked;
        self.keep = self.terms.keep && !last && !head.close && !unchunked;
        let field = match (self.keep, head.close) {
            (false, false) => "Connection: close\r\n",
            (true, _) if old => "Connection: keep-alive\r\n",
            _ => "",
        };
        let mut start = head.length;
        if unchunked || !field.is_empty() {
            let body = self.bytes.split_off(start);
            self.bytes = rewritten(&self.bytes, field, unchunked);
            start = self.bytes.len();
            self.bytes.extend_from_slice(&body);
        }
        self.head = Some(head);
        self.began = Some(Instant::now());
        self.follow(start)
    }

    /// Reads the framing of `bytes` from `start` on, which are new.
    fn follow(&mut self, start: usize) -> Result<(), Broken> {
        let unchunked = self.terms.old && self.head.as_ref().is_some_and(|head| head.chunked);
        let mut data = Vec::new();
        let new = self.bytes.get(start..).unwrap_or_default();
        let read = self.answer.read_body(new, |piece| {
            if unchunked {
                data.extend_from_slice(piece);
            }
        });
        let Ok(count) = read else {
            self.bytes.truncate(start);
            return Err(Broken);
        };
        self.bytes.truncate(start + count);
        if unchunked {
            self.bytes.truncate(start);
            self.bytes.extend_from_slice(&data);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    const HEAD: &str =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    const EVENT: &str = "4\r\n: a\n\r\n";

    #[test]
    fn a_stream_holds_a_buffer_only_while_there_is_something_in_it() {
        let terms = Terms {
            bodiless: false,
            old: false,
            keep: true,
        };
        let allowance = Arc::new(Allowance::new(0));
        let mut relay = Relay::new(terms, &allowance);
        let (mut writer, detour) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut reader = listener.accept().unwrap().0;

        assert!(relay.wants_more());
        assert_eq!(relay.bytes.capacity(), 0);
        for part in [HEAD, EVENT, EVENT] {
            writer.write_all(part.as_bytes()).unwrap();
            relay.read(&detour, false);
            assert!(relay.wants_more());
            assert_eq!(relay.bytes, part.as_bytes());
            relay.send(&client).unwrap();
            assert!(relay.wants_more());
            assert_eq!(relay.bytes.capacity(), 0);
        }
        let expected = [HEAD, EVENT, EVENT].concat();
        let mut received = vec![0; expected.len()];
        reader.read_exact(&mut received).unwrap();
        assert_eq!(String::from_utf8(received).unwrap(), expected);
    }
}
