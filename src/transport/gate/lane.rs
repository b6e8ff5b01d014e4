//! The lane: the one connection from the gate to tiny_http, over which the claim checks of all requests go, and nothing comes back.
//! One, because tiny_http can leave a new connection without a thread if another comes before the first has got its own
//! (`util/task_pool.rs`), and because its thread then often finds several checks when it wakes up.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::{PoisonError, RwLock};

use super::place::Place;

pub(super) struct Lane {
    place: Place,
    stream: RwLock<UnixStream>,
}

impl Lane {
    pub(super) fn open(place: Place) -> io::Result<Lane> {
        let stream = RwLock::new(place.connect()?);
        Ok(Lane { place, stream })
    }

    /// Sends a claim check. If the lane has broken, it is opened anew, once.
    pub(super) fn send(&self, check: &[u8]) -> io::Result<()> {
        let stream = self.stream.read().unwrap_or_else(PoisonError::into_inner);
        if write(&stream, check).is_ok() {
            return Ok(());
        }
        drop(stream);
        let mut stream = self.stream.write().unwrap_or_else(PoisonError::into_inner);
        // Another request may have opened it anew meanwhile.
        if write(&stream, check).is_ok() {
            return Ok(());
        }
        log::warn!("the lane to the listener broke, and is opened anew");
        *stream = self.place.connect()?;
        write(&stream, check)
    }

    /// Wakes tiny_http's `accept` once, so that it sees that its server was dropped.
    pub(super) fn nudge(&self) {
        let _ = self.place.connect();
    }
}

fn write(mut stream: &UnixStream, check: &[u8]) -> io::Result<()> {
    // Linux takes so few bytes whole or not at all, so that checks do not mix.
    stream.write_all(check)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn a_lane_that_has_broken_is_opened_anew() {
        let (place, listener) = Place::listen().unwrap();
        let lane = Lane::open(place).unwrap();
        for check in [b"first", b"other"] {
            lane.send(check).unwrap();
            let (mut far, _) = listener.accept().unwrap();
            let mut read = [0; 5];
            far.read_exact(&mut read).unwrap();
            assert_eq!(&read, check);
        }
    }

    #[test]
    fn those_who_find_the_lane_broken_at_once_open_one_for_all() {
        const SENDERS: usize = 32;
        let (place, listener) = Place::listen().unwrap();
        let lane = Lane::open(place).unwrap();
        drop(listener.accept().unwrap());
        let begin = Barrier::new(SENDERS);
        thread::scope(|scope| {
            for _ in 0..SENDERS {
                scope.spawn(|| {
                    begin.wait();
                    lane.send(b"check").unwrap();
                });
            }
        });
        drop(lane);
        listener.set_nonblocking(true).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        far.set_nonblocking(false).unwrap();
        let mut read = String::new();
        far.read_to_string(&mut read).unwrap();
        assert_eq!(read, "check".repeat(SENDERS));
        assert!(listener.accept().is_err());
    }
}
