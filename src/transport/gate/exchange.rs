//! The gate's side of an answer, on one thread that watches client and answer: a slow client does not hold the call behind it, and
//! a client that leaves is noticed.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::gatehouse::{Gatehouse, Guest};
use super::head::Terms;
use super::refusal::Refusal;
use super::relay::Relay;
use super::visits::Visit;
use super::way::{Phase, Way};

/// In place of `write_stall` while the allowance for answers is used up.
const STARVED_STALL: Duration = Duration::from_secs(1);

/// How often the connection of a client is looked at that sends something while its stream lasts. It may have left, which a
/// `poll` that is woken by those bytes cannot wait for.
const TALKER_TIME: Duration = Duration::from_secs(1);

/// How an exchange ended for the client's connection.
pub(super) enum Outcome {
    /// The client has the whole answer; the connection may serve another request if `keep`.
    Answered { keep: bool },
    /// There was no answer, and nothing was sent to the client.
    Refused(Refusal),
    /// The client has left, or the answer broke off: nothing more can be said.
    Cut,
}

/// Why an exchange ended before the client had its answer.
enum Failure {
    /// Told to the client if the answer has not begun.
    Server(Refusal),
    ClientLeft,
}

/// What became of an answer that might go the short way.
enum Passed {
    /// The client has it, and goes on.
    Answered,
    /// The client has it, and was silent for too long.
    Silent,
    /// It makes the detour.
    Long,
    Left(Failure),
}

struct Exchange<'a> {
    house: &'a Gatehouse,
    guest: &'a Guest,
    relay: Relay,
    asked_at: Instant,
    /// When the client closed its sending side. Some do so and wait for the answer; most have left.
    half_closed: Option<Instant>,
}

/// Waits for the answer to a request whose claim check was sent, and relays it if it makes the detour.
pub(super) fn exchange(house: &Gatehouse, guest: &Guest, terms: Terms, visit: &Visit) -> Outcome {
    let mut exchange = Exchange {
        house,
        guest,
        relay: Relay::new(terms, &house.answers),
        asked_at: Instant::now(),
        half_closed: None,
    };
    let way = visit.way();
    match exchange.await_short(way) {
        Passed::Answered => return Outcome::Answered { keep: true },
        Passed::Silent => return Outcome::Cut,
        Passed::Long => {}
        Passed::Left(failure) => return exchange.fail(failure, visit),
    }
    // Cut only after its call was told why.
    let mut detour = None;
    if let Err(failure) = exchange.fetch(way, &mut detour) {
        return exchange.fail(failure, visit);
    }
    drop(detour);
    // A client that is slow to take the rest does not keep others waiting.
    way.release();
    match exchange.deliver() {
        Ok(()) => Outcome::Answered {
            keep: exchange.relay.keeps_client(),
        },
        Err(failure) => exchange.fail(failure, visit),
    }
}

impl Exchange<'_> {
    /// Waits until the answer has gone the short way and the client goes on, or until it has to make the detour.
    fn await_short(&mut self, way: &Way) -> Passed {
        loop {
            let waited = self.wait_short(way);
            return match (way.close(), waited) {
                (Phase::Stream, Ok(())) => continue,
                // Nothing else may be said within a stream.
                (Phase::Stream, Err(_)) => Passed::Left(Failure::ClientLeft),
                (Phase::Short(_), waited) => waited.map_or(Passed::Silent, |()| Passed::Answered),
                (_, Err(failure)) => Passed::Left(failure),
                (Phase::Partly(left), Ok(())) => {
                    self.relay.resume(left);
                    Passed::Long
                }
                (Phase::Open | Phase::Long | Phase::Over, Ok(())) => Passed::Long,
            };
        }
    }

    /// Until the client does something or the answer makes the detour, or the time is up: of the connection, after the answer;
    /// before it, of waiting in this way. A stream has no such time.
    fn wait_short(&mut self, way: &Way) -> Result<(), Failure> {
        let house = self.house;
        let limits = &house.limits;
        loop {
            let phase = way.phase();
            let time = match phase {
                Phase::Short(at) => limits.idle_time.saturating_sub(at.elapsed()),
                // Nothing wakes this thread when a stream ends; it is in time to count the idle time from then on.
                Phase::Stream => limits.idle_time.max(TALKER_TIME),
                Phase::Partly(_) | Phase::Long | Phase::Over => return Ok(()),
                Phase::Open => limits
                    .idle_time
                    .min(limits.answer_time)
                    .saturating_sub(self.asked_at.elapsed()),
            };
            if time.is_zero() {
                return match phase {
                    Phase::Short(_) => Err(Failure::ClientLeft),
                    _ => Ok(()),
                };
            }
            let mut sockets = [
                PollFd::new(&self.guest.stream, PollFlags::IN | PollFlags::RDHUP),
                PollFd::new(&self.guest.woken, PollFlags::IN),
            ];
            match poll(&mut sockets, timespec(Some(time)).as_ref()) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return Err(Failure::Server(Refusal::AnswerBroken)),
            }
            let [client, woken] = sockets.map(|socket| socket.revents());
            if !woken.is_empty() {
                self.guest.settle();
            }
            if client.intersects(PollFlags::HUP | PollFlags::ERR) {
                return Err(Failure::ClientLeft);
            }
            match way.phase() {
                // Woken for the request before.
                Phase::Open | Phase::Short(_) | Phase::Stream if client.is_empty() => {}
                Phase::Stream => self.outlast(way, client)?,
                _ => return Ok(()),
            }
        }
    }

    /// Waits for the end of a stream whose client is not just silent: it has closed its sending side, or sends what only the
    /// end of the stream allows to read.
    fn outlast(&mut self, way: &Way, client: PollFlags) -> Result<(), Failure> {
        self.note_half_close(client);
        let time = match self.half_closed {
            Some(since) => self
                .house
                .limits
                .half_close_time
                .saturating_sub(since.elapsed()),
            None => TALKER_TIME,
        };
        match way.ends_within(time) || self.half_closed.is_none() {
            true => Ok(()),
            false => Err(Failure::ClientLeft),
        }
    }

    /// Reads the answer to its end, once its `detour` is there. The client gets of it what it takes meanwhile.
    fn fetch(&mut self, way: &Way, detour: &mut Option<UnixStream>) -> Result<(), Failure> {
        let detour = loop {
            if let Some(begun) = way.take_detour() {
                break &*detour.insert(begun);
            }
            if way.phase() == Phase::Over {
                return Err(Failure::Server(Refusal::AnswerBroken));
            }
            let [_, client] = self.wait([
                PollFd::new(&self.guest.woken, PollFlags::IN),
                PollFd::new(&self.guest.stream, self.half_close()),
            ])?;
            self.guest.settle();
            self.note_half_close(client);
        };
        loop {
            if self.relay.is_broken() {
                self.deliver()?;
                return Err(Failure::Server(Refusal::AnswerBroken));
            }
            let reading = self.relay.wants_more();
            let mut at_detour = PollFlags::empty();
            at_detour.set(PollFlags::IN, reading);
            let mut at_client = self.half_close();
            at_client.set(PollFlags::OUT, self.relay.is_pending());
            let [detour_now, client_now] = self.wait([
                PollFd::new(detour, at_detour),
                PollFd::new(&self.guest.stream, at_client),
            ])?;

            self.note_half_close(client_now);
            if reading && detour_now.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                self.relay.read(detour, self.house.is_closing());
                if self.relay.is_read() {
                    return Ok(());
                }
            } else if detour_now.intersects(PollFlags::HUP | PollFlags::ERR) {
                self.relay.break_off();
            }
            if self.relay.is_pending() {
                self.relay
                    .send(&self.guest.stream)
                    .map_err(|_| Failure::ClientLeft)?;
            }
        }
    }

    /// Sends the client what it has not taken yet.
    fn deliver(&mut self) -> Result<(), Failure> {
        while self.relay.is_pending() {
            self.relay
                .send(&self.guest.stream)
                .map_err(|_| Failure::ClientLeft)?;
            if self.relay.is_pending() {
                self.wait([PollFd::new(&self.guest.stream, PollFlags::OUT)])?;
            }
        }
        Ok(())
    }

    fn fail(&self, failure: Failure, visit: &Visit) -> Outcome {
        visit.depart();
        visit.way().leave();
        match failure {
            Failure::Server(refusal) if self.relay.began().is_none() => Outcome::Refused(refusal),
            _ => {
                // Who writes to the client past this thread holds its socket, too.
                self.guest.cut();
                Outcome::Cut
            }
        }
    }

    /// What is to be told of a client that has not closed its sending side yet.
    fn half_close(&self) -> PollFlags {
        match self.half_closed {
            None => PollFlags::RDHUP,
            Some(_) => PollFlags::empty(),
        }
    }

    fn note_half_close(&mut self, client: PollFlags) {
        if client.contains(PollFlags::RDHUP) {
            self.half_closed.get_or_insert_with(Instant::now);
        }
    }

    /// Waits for a socket or a limit. The client's is the last of `sockets`.
    fn wait<const N: usize>(
        &self,
        mut sockets: [PollFd<'_>; N],
    ) -> Result<[PollFlags; N], Failure> {
        let left = self.time_left()?;
        match poll(&mut sockets, timespec(left).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return Err(Failure::Server(Refusal::AnswerBroken)),
        }
        let events = sockets.map(|socket| socket.revents());
        let gone = PollFlags::HUP | PollFlags::ERR;
        match events.last() {
            Some(client) if client.intersects(gone) => Err(Failure::ClientLeft),
            _ => Ok(events),
        }
    }

    /// Until the next limit is reached; `None` is without end.
    fn time_left(&self) -> Result<Option<Duration>, Failure> {
        let limits = &self.house.limits;
        let relay = &self.relay;
        let total = match relay.began() {
            None => self.asked_at.checked_add(limits.answer_time),
            Some(_) if relay.is_stream() => None,
            Some(began) => began.checked_add(limits.delivery_time),
        };
        let stall = match relay.is_starved() {
            true => limits.write_stall.min(STARVED_STALL),
            false => limits.write_stall,
        };
        let pending_since = relay.is_pending().then(|| relay.progress());
        let stall = pending_since.and_then(|since| since.checked_add(stall));
        let waits = relay.began().is_none() || relay.is_stream();
        let half = self
            .half_closed
            .filter(|_| waits)
            .and_then(|since| since.checked_add(limits.half_close_time));
        let Some(deadline) = [total, stall, half].into_iter().flatten().min() else {
            return Ok(None);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Ok(Some(left));
        }
        match relay.began().is_none() && half.is_none() {
            true => Err(Failure::Server(Refusal::AnswerLate)),
            false => Err(Failure::ClientLeft),
        }
    }
}

/// `poll` counts in the system's form of time.
pub(super) fn timespec(time: Option<Duration>) -> Option<Timespec> {
    time.and_then(|time| Timespec::try_from(time).ok())
}
