//! What all connections of one gate share: the limits, the counts, the lane, and the list of who is in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::admission::Admissions;
use super::allowance::Allowance;
use super::lane::Lane;
use super::limits::Limits;
use super::refusal::Refusal;
use super::visits::Visits;

/// In which the threads of those who were cut notice it, and tell the calls.
const CUT_TIME: Duration = Duration::from_secs(1);

/// Shared by the threads of one gate.
pub(super) struct Gatehouse {
    pub(super) limits: Limits,
    pub(super) lane: Lane,
    pub(super) admissions: Arc<Admissions>,
    pub(super) visits: Visits,
    pub(super) bodies: Arc<Allowance>,
    pub(super) answers: Arc<Allowance>,
    pub(super) turned_away: AtomicU64,
    closing: AtomicBool,
    guests: Mutex<Guests>,
    gone: Condvar,
}

#[derive(Default)]
struct Guests {
    next: u64,
    open: HashMap<u64, Arc<Guest>>,
    by_peer: HashMap<IpAddr, usize>,
}

/// A client's connection.
pub(super) struct Guest {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    /// Readable when an answer makes the detour to the gate's thread.
    pub(super) woken: OwnedFd,
    /// Nothing of a request has arrived since the last answer.
    idle: AtomicBool,
}

/// A guest's entry in the list; struck out when dropped.
pub(super) struct Entry {
    house: Arc<Gatehouse>,
    number: u64,
    pub(super) guest: Arc<Guest>,
}

impl Gatehouse {
    pub(super) fn new(limits: Limits, lane: Lane) -> Gatehouse {
        Gatehouse {
            lane,
            admissions: Arc::new(Admissions::new(&limits)),
            visits: Visits::default(),
            bodies: Arc::new(Allowance::new(limits.bodies_bytes)),
            answers: Arc::new(Allowance::new(limits.answers_bytes)),
            turned_away: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            guests: Mutex::default(),
            gone: Condvar::new(),
            limits,
        }
    }

    /// Lets a client in, or gives it back with the reason why not.
    pub(super) fn enter(
        self: &Arc<Gatehouse>,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Result<Entry, (TcpStream, Refusal)> {
        let peer = counted_as(address.ip());
        let Ok(woken) = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK) else {
            return Err((stream, Refusal::ConnectionsTaken));
        };
        let mut guests = self.lock();
        if guests.open.len() >= self.limits.connections {
            return Err((stream, Refusal::ConnectionsTaken));
        }
        let of_peer = guests.by_peer.get(&peer).copied().unwrap_or(0);
        if of_peer >= self.limits.connections_per_peer && !peer.is_loopback() {
            return Err((stream, Refusal::PeerTakesTooMany));
        }
        guests.by_peer.insert(peer, of_peer + 1);
        guests.next += 1;
        let number = guests.next;
        let guest = Arc::new(Guest {
            stream,
            address,
            woken,
            idle: AtomicBool::new(true),
        });
        guests.open.insert(number, Arc::clone(&guest));
        Ok(Entry {
            house: Arc::clone(self),
            number,
            guest,
        })
    }

    pub(super) fn open_count(&self) -> usize {
        self.lock().open.len()
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Lets nobody in any more: from now on a failing `accept` is no fault.
    pub(super) fn begin_to_close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Lets idle clients go now and the others after their answer; after `patience`, cuts who is left and waits until
    /// their calls have been told.
    pub(super) fn close(&self, patience: Duration) {
        let mut deadline = Instant::now() + patience;
        let mut is_cut = false;
        let mut guests = self.lock();
        for guest in guests
            .open
            .values()
            .filter(|guest| guest.idle.load(Ordering::SeqCst))
        {
            guest.cut();
        }
        while !guests.open.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && is_cut {
                break;
            }
            if left.is_zero() {
                log::info!("{} connections are cut", guests.open.len());
                guests.open.values().for_each(|guest| guest.cut());
                is_cut = true;
                deadline = Instant::now() + CUT_TIME;
                continue;
            }
            guests = match self.gone.wait_timeout(guests, left) {
                Ok((guests, _)) => guests,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Guests> {
        // Nothing under this lock can panic and leave the list wrong.
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    /// Ends whatever its thread waits for.
    pub(super) fn cut(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Wakes its thread, if that waits for an answer.
    pub(super) fn wake(&self) {
        // The counter cannot be full.
        let _ = rustix::io::write(&self.woken, &1_u64.to_ne_bytes());
    }

    /// Forgets that its thread was woken.
    pub(super) fn settle(&self) {
        let _ = rustix::io::read(&self.woken, &mut [0; 8]);
    }

    /// Marks the time between two requests; `false` if the gate closes and there shall be no other.
    pub(super) fn set_idle(&self, idle: bool, house: &Gatehouse) -> bool {
        self.idle.store(idle, Ordering::SeqCst);
        !(idle && house.is_closing())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let peer = counted_as(self.guest.address.ip());
        let mut guests = self.house.lock();
        guests.open.remove(&self.number);
        match guests.by_peer.get_mut(&peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(guests.by_peer.remove(&peer)),
        }
        drop(guests);
        self.house.gone.notify_all();
    }
}

/// One IPv6 subscriber has a whole /64.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from(u128::from(address) >> 64 << 64).into()
        }
        address => address,
    }
}
