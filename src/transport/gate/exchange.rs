//! One request's way behind the gate and its answer's way back, on one thread that watches both sockets: a slow client does
//! not hold the call behind it, and a client that leaves is noticed.

use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::gatehouse::Gatehouse;
use super::head::Terms;
use super::lane::Lane;
use super::refusal::Refusal;
use super::relay::Relay;
use super::short_way::{Phase, ShortWay};
use super::visits::Visit;

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
    /// It comes over the lane.
    Over(Lane),
    Left(Option<Lane>, Failure),
}

struct Exchange<'a> {
    house: &'a Gatehouse,
    client: &'a TcpStream,
    relay: Relay,
    asked_at: Instant,
    /// When the client closed its sending side. Some do so and wait for the answer; most have left.
    half_closed: Option<Instant>,
}

/// Relays the answer to the request whose claim check went over `lane` to `client`.
pub(super) fn exchange(
    house: &Gatehouse,
    client: &TcpStream,
    terms: Terms,
    visit: &Visit,
    lane: Lane,
) -> Outcome {
    let mut exchange = Exchange {
        house,
        client,
        relay: Relay::new(terms, &house.answers),
        asked_at: Instant::now(),
        half_closed: None,
    };
    let mut lane = match visit.way() {
        None => lane,
        Some(way) => match exchange.await_short(way, lane) {
            Passed::Answered => return Outcome::Answered { keep: true },
            Passed::Silent => return Outcome::Cut,
            Passed::Over(lane) => lane,
            // The lane is cut only after its call was told why.
            Passed::Left(_lane, failure) => return exchange.fail(failure, visit),
        },
    };
    lane.carry();
    // The same here.
    if let Err(failure) = exchange.fetch(&lane.stream) {
        return exchange.fail(failure, visit);
    }
    // A client that is slow to take the rest does not hold the lane.
    match exchange.relay.spoils_lane() {
        true => drop(lane),
        false => lane.give_back(),
    }
    match exchange.deliver() {
        Ok(()) => Outcome::Answered {
            keep: exchange.relay.keeps_client(),
        },
        Err(failure) => exchange.fail(failure, visit),
    }
}

impl Exchange<'_> {
    /// Waits until the answer has gone the short way and the client goes on, or until it has to come over the lane.
    fn await_short(&mut self, way: &ShortWay, lane: Lane) -> Passed {
        let socket = Arc::clone(&lane.stream);
        let give_back = |lane: Option<Lane>| {
            if let Some(lane) = lane {
                lane.give_back();
            }
        };
        let (mut waited, mut own) = match way.lend(lane) {
            Ok(()) => (self.wait_short(way, &socket), None),
            Err(lane) => (Ok(()), Some(lane)),
        };
        loop {
            let (phase, lent) = way.close();
            let lane = own.take().or(lent);
            return match (phase, lane, waited) {
                (Phase::Stream, lane, Ok(())) => {
                    give_back(lane);
                    waited = self.wait_short(way, &socket);
                    continue;
                }
                // Nothing else may be said within a stream.
                (Phase::Stream, lane, Err(_)) => Passed::Left(lane, Failure::ClientLeft),
                (Phase::Short(_), lane, waited) => {
                    give_back(lane);
                    waited.map_or(Passed::Silent, |()| Passed::Answered)
                }
                (_, lane, Err(failure)) => Passed::Left(lane, failure),
                (Phase::Partly(left), Some(lane), Ok(())) => {
                    self.relay.resume(left);
                    Passed::Over(lane)
                }
                (Phase::Open | Phase::Long, Some(lane), Ok(())) => Passed::Over(lane),
                // Nobody else takes the lane of an answer that has not gone.
                (_, None, Ok(())) => Passed::Left(None, Failure::Server(Refusal::AnswerBroken)),
            };
        }
    }

    /// Until there is something on one of the sockets, or the time is up: of the connection, after the answer; before it, of
    /// waiting in this way. A stream has no such time.
    fn wait_short(&mut self, way: &ShortWay, lane: &UnixStream) -> Result<(), Failure> {
        let house = self.house;
        let limits = &house.limits;
        loop {
            let phase = way.phase();
            let time = match phase {
                Phase::Short(at) => limits.idle_time.saturating_sub(at.elapsed()),
                // Nothing wakes this thread when a stream ends; it is in time to count the idle time from then on.
                Phase::Stream => limits.idle_time.max(TALKER_TIME),
                _ => limits
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
                PollFd::new(self.client, PollFlags::IN | PollFlags::RDHUP),
                PollFd::new(lane, PollFlags::IN),
            ];
            // Past its lane, an answer has nothing to do with what happens there.
            let count = match phase {
                Phase::Short(_) | Phase::Stream => 1,
                Phase::Open | Phase::Partly(_) | Phase::Long => 2,
            };
            let watched = sockets.get_mut(..count).unwrap_or_default();
            match poll(watched, timespec(Some(time)).as_ref()) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return Err(Failure::Server(Refusal::AnswerBroken)),
            }
            let [client, _] = sockets.map(|socket| socket.revents());
            if client.intersects(PollFlags::HUP | PollFlags::ERR) {
                return Err(Failure::ClientLeft);
            }
            match way.phase() {
                // The lane has its next request already.
                Phase::Short(_) | Phase::Stream if client.is_empty() => {}
                Phase::Stream => self.outlast(way, client)?,
                _ => return Ok(()),
            }
        }
    }

    /// Waits for the end of a stream whose client is not just silent: it has closed its sending side, or sends what only the
    /// end of the stream allows to read.
    fn outlast(&mut self, way: &ShortWay, client: PollFlags) -> Result<(), Failure> {
        if client.contains(PollFlags::RDHUP) {
            self.half_closed.get_or_insert_with(Instant::now);
        }
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

    /// Reads the answer to its end. The client gets of it what it takes meanwhile.
    fn fetch(&mut self, lane: &UnixStream) -> Result<(), Failure> {
        loop {
            if self.relay.is_broken() {
                self.deliver()?;
                return Err(Failure::Server(Refusal::AnswerBroken));
            }
            let reading = self.relay.wants_more();
            let mut at_lane = PollFlags::empty();
            at_lane.set(PollFlags::IN, reading);
            let mut at_client = PollFlags::empty();
            at_client.set(PollFlags::RDHUP, self.half_closed.is_none());
            at_client.set(PollFlags::OUT, self.relay.is_pending());
            let sockets = [
                PollFd::new(lane, at_lane),
                PollFd::new(self.client, at_client),
            ];
            let [lane_now, client_now] = self.wait(sockets)?;

            if client_now.contains(PollFlags::RDHUP) {
                self.half_closed.get_or_insert_with(Instant::now);
            }
            if reading && lane_now.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                self.relay.read(lane, self.house.is_closing());
                if self.relay.is_read() {
                    return Ok(());
                }
            } else if lane_now.intersects(PollFlags::HUP | PollFlags::ERR) {
                self.relay.break_off();
            }
            if self.relay.is_pending() {
                self.relay
                    .send(self.client)
                    .map_err(|_| Failure::ClientLeft)?;
            }
        }
    }

    /// Sends the client what it has not taken yet.
    fn deliver(&mut self) -> Result<(), Failure> {
        while self.relay.is_pending() {
            self.relay
                .send(self.client)
                .map_err(|_| Failure::ClientLeft)?;
            if self.relay.is_pending() {
                self.wait([PollFd::new(self.client, PollFlags::OUT)])?;
            }
        }
        Ok(())
    }

    fn fail(&self, failure: Failure, visit: &Visit) -> Outcome {
        visit.depart();
        match failure {
            Failure::Server(refusal) if self.relay.began().is_none() => Outcome::Refused(refusal),
            _ => {
                // Who writes to the client past this thread holds its socket, too.
                let _ = self.client.shutdown(Shutdown::Both);
                Outcome::Cut
            }
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
