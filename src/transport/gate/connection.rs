//! The loop of one client: read a request with limits and deadlines, send it on, relay its answer, and again.

use std::io;
use std::mem;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::allowance::Claim;
use super::arrival::{Arrival, Body};
use super::chunks::Chunks;
use super::claim_check::write_claim_check;
use super::exchange::{Outcome, exchange, timespec};
use super::gatehouse::{Entry, Gatehouse};
use super::head::{Framing, Head, Scan};
use super::refusal::Refusal;
use super::way::{Way, Writer};

/// What a connection without a request holds; most requests fit.
const READ_BYTES: usize = 4 * 1024;
/// The largest body that may use the whole allowance for bodies.
const SMALL_BODY_BYTES: usize = 64 * 1024;
/// A client that was refused may be sending still: closing with unread bytes would reset the connection and take the answer
/// with it. So what it sends is read and dropped, for this long and this much.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 8 * 1024 * 1024;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Why there is no further request on a connection.
enum End {
    Refused(Refusal),
    /// The client closed, or was silent for too long: there is nobody to answer.
    Closed,
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> End {
        End::Refused(refusal)
    }
}

/// A client's connection, and what has been read of it beyond the last request.
struct Connection<'a> {
    house: &'a Arc<Gatehouse>,
    entry: &'a Entry,
    input: Vec<u8>,
    /// The last claim check; kept for its memory.
    check: Vec<u8>,
}

/// Serves a client until one of both closes.
pub(super) fn serve(house: &Arc<Gatehouse>, entry: &Entry) {
    let stream = &entry.guest.stream;
    if stream
        .set_read_timeout(Some(house.limits.idle_time))
        .is_err()
    {
        return;
    }
    let mut connection = Connection {
        house,
        entry,
        input: Vec::new(),
        check: Vec::new(),
    };
    let mut bodiless = false;
    let refusal = loop {
        match connection.next(&mut bodiless) {
            Ok(true) => {}
            Ok(false) => return linger(stream, LINGER_TIME),
            Err(End::Closed) => return,
            Err(End::Refused(refusal)) => break refusal,
        }
    };
    log::debug!(
        "{} is answered {}: {refusal}",
        entry.guest.address,
        refusal.status()
    );
    refuse(stream, &refusal, bodiless);
    linger(stream, LINGER_TIME);
}

/// Sends a refusal; a client that does not take even that gets nothing.
pub(super) fn refuse(stream: &TcpStream, refusal: &Refusal, bodiless: bool) {
    let answer = refusal.answer(bodiless);
    let _ = send(stream, &answer, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
}

/// Says that nothing more comes, and waits a little for the client to see it.
pub(super) fn linger(stream: &TcpStream, time: Duration) {
    let deadline = Instant::now() + time;
    let mut dropped = 0;
    let mut buffer = Vec::with_capacity(READ_BYTES);
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    while dropped < LINGER_BYTES {
        buffer.clear();
        match read_until(stream, &mut buffer, deadline) {
            Ok(count) if count > 0 => dropped += count,
            _ => return,
        }
    }
}

impl Connection<'_> {
    /// Serves one request; gives whether there may be another. `bodiless` is whether a refusal may have a body.
    fn next(&mut self, bodiless: &mut bool) -> Result<bool, End> {
        let Connection { house, entry, .. } = *self;
        *bodiless = false;
        let head = self.read_head()?;
        let terms = head.terms;
        *bodiless = terms.bodiless;
        let mut claim = house.bodies.claim();
        let body = match head.framing {
            Framing::Length(0) => Vec::new(),
            Framing::Length(length) => self.read_length(length, &head, &mut claim)?,
            Framing::Chunked => self.read_chunks(&head, &mut claim)?,
        };

        let body = Body::new(body, claim);
        // Only for an answer that need not be changed, and where nothing else is to be done once it has gone.
        let is_plain = terms.keep && !terms.old && !terms.bodiless && self.input.is_empty();
        let admission = house.admissions.admit();
        let admission = admission.map_err(|_| Refusal::RequestsTaken)?;
        let way = Way::new(
            Arc::clone(house),
            Arc::clone(&entry.guest),
            admission,
            is_plain,
        );
        let way = Arc::new(way);
        let writer = Writer::new(Arc::clone(&way));
        let arrival = Arrival::new(entry.guest.address, head, body, writer);
        write_claim_check(&mut self.check, arrival.peer.visit);
        let visit = house.visits.enter(arrival, way);
        if let Err(error) = house.lane.send(&self.check) {
            log::error!("no way to the listener: {error}");
            return Err(Refusal::AnswerBroken.into());
        }
        match exchange(house, &entry.guest, terms, &visit) {
            Outcome::Answered { keep } => Ok(keep),
            Outcome::Refused(refusal) => Err(End::Refused(refusal)),
            Outcome::Cut => Err(End::Closed),
        }
    }

    fn read_head(&mut self) -> Result<Head, End> {
        let limits = &self.house.limits;
        let guest = &self.entry.guest;
        if self.input.is_empty() {
            // A buffer that a large request has left behind is not kept while there is nothing to do.
            if self.input.capacity() != READ_BYTES {
                self.input = Vec::with_capacity(READ_BYTES);
            }
            if !guest.set_idle(true, self.house) {
                return Err(End::Closed);
            }
            // One call instead of two: the socket's own time limit is `idle_time`.
            let received = loop {
                match recv(
                    &guest.stream,
                    spare_capacity(&mut self.input),
                    RecvFlags::empty(),
                ) {
                    Err(Errno::INTR) => {}
                    received => break received,
                }
            };
            if matches!(received, Ok((0, _)) | Err(_)) {
                return Err(End::Closed);
            }
            guest.set_idle(false, self.house);
        }
        let deadline = Instant::now() + limits.head_time;
        let mut scan = Scan::default();
        loop {
            if let Some((start, end)) = scan.find(&self.input, limits)? {
                let head = Head::parse(self.input.get(start..end).unwrap_or_default(), limits)?;
                self.input.drain(..end);
                return Ok(head);
            }
            match self.read(READ_BYTES, deadline, Refusal::HeadTimedOut) {
                // Some clients send an empty line too many; it deserves no answer.
                Err(_) if scan.is_blank(&self.input) => return Err(End::Closed),
                read => read?,
            }
        }
    }

    /// Reads a body of a declared length. Memory grows with what arrives, not with what is declared.
    fn read_length(&mut self, length: u64, head: &Head, claim: &mut Claim) -> Result<Vec<u8>, End> {
        let limit = self.house.limits.body_bytes;
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= limit);
        let length = length.ok_or(Refusal::BodyTooLarge)?;
        let deadline = self.body_begins(head);
        while self.input.len() < length {
            if self.input.len() == self.input.capacity() {
                let wanted = (self.input.capacity() * 2).clamp(READ_BYTES, length.max(READ_BYTES));
                self.claim(claim, wanted)?;
                grow(&mut self.input, wanted)?;
            }
            self.read(0, deadline, Refusal::BodyTimedOut)?;
        }
        if length <= READ_BYTES {
            // The buffer is for the next request, too.
            return Ok(self.input.drain(..length).collect());
        }
        let next = self.input.split_off(length);
        Ok(mem::replace(&mut self.input, next))
    }

    fn read_chunks(&mut self, head: &Head, claim: &mut Claim) -> Result<Vec<u8>, End> {
        let limits = &self.house.limits;
        let deadline = self.body_begins(head);
        let mut chunks = Chunks::new(limits.body_bytes as u64, limits.head_fields);
        let mut body = Vec::new();
        loop {
            let read = chunks.read(&self.input, |data| {
                let needed = body.len() + data.len();
                if needed > body.capacity() {
                    let wanted = (body.capacity() * 2).max(needed);
                    self.claim(claim, wanted)?;
                    grow(&mut body, wanted)?;
                }
                body.extend_from_slice(data);
                Ok(())
            })?;
            self.input.drain(..read);
            if chunks.is_done() {
                return Ok(body);
            }
            self.read(READ_BYTES, deadline, Refusal::BodyTimedOut)?;
        }
    }

    /// Tells a client that waits for it to send its body; gives the time until which it may.
    fn body_begins(&self, head: &Head) -> Instant {
        if head.waits && self.input.is_empty() {
            let _ = send(
                &self.entry.guest.stream,
                CONTINUE,
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            );
        }
        Instant::now() + self.house.limits.body_time
    }

    fn claim(&self, claim: &mut Claim, bytes: usize) -> Result<(), Refusal> {
        let limits = &self.house.limits;
        let limit = if bytes <= SMALL_BODY_BYTES {
            limits.bodies_bytes
        } else {
            limits.large_bodies_bytes()
        };
        if claim.raise(bytes, limit) {
            Ok(())
        } else {
            Err(Refusal::BodiesHeld)
        }
    }

    /// Reads once, with at least `room`; past `deadline` it is `late`.
    fn read(&mut self, room: usize, deadline: Instant, late: Refusal) -> Result<(), End> {
        self.input.reserve(room);
        match read_until(&self.entry.guest.stream, &mut self.input, deadline) {
            Ok(0) => Err(Refusal::Malformed("the request ends too early").into()),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(late.into()),
            Err(_) => Err(End::Closed),
        }
    }
}

fn grow(buffer: &mut Vec<u8>, capacity: usize) -> Result<(), Refusal> {
    // The system may have less memory than the allowance says.
    buffer
        .try_reserve_exact(capacity - buffer.len())
        .map_err(|_| Refusal::BodiesHeld)
}

/// Reads once into the spare room of `buffer`; 0 is the end.
fn read_until(stream: &TcpStream, buffer: &mut Vec<u8>, deadline: Instant) -> io::Result<usize> {
    loop {
        match recv(stream, spare_capacity(buffer), RecvFlags::DONTWAIT) {
            Ok((count, _)) => return Ok(count),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match poll(
            &mut [PollFd::new(stream, PollFlags::IN)],
            timespec(Some(left)).as_ref(),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
