//! Breaking off the upstream work of one call from another thread.
//!
//! A request stands in a read most of its life, so a flag is not enough: its socket must be shut down. Sockets are
//! pooled and change hands, so each socket knows which request uses it now, and a stop shuts only those that are
//! still used by its own requests.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use ureq::unversioned::transport::ShutdownHandle;

/// Ends the upstream work of one call: a running request is broken off at once, a later one is refused with
/// [`Error::Cancelled`](super::Error::Cancelled). Clones are the same stop.
#[derive(Clone, Default)]
pub struct Stop(Arc<State>);

#[derive(Default)]
struct State {
    held: Mutex<Held>,
    /// Told when the stop comes, or something that is waited for, so that a wait ends early.
    stopped: Condvar,
}

#[derive(Default)]
struct Held {
    stopped: bool,
    /// The sockets in use, each with the number of the request that uses it.
    lines: Vec<(u64, Arc<Line>)>,
}

impl Stop {
    /// A stop that has not come.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Shuts the sockets of running requests down and refuses later ones. Asking twice is the same as once.
    pub fn stop(&self) {
        let lines = {
            let mut held = lock(&self.0.held);
            held.stopped = true;
            std::mem::take(&mut held.lines)
        };
        self.0.stopped.notify_all();
        for (request, line) in lines {
            line.shut_down_if_used_by(request);
        }
    }

    /// Whether [`Stop::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        lock(&self.0.held).stopped
    }

    /// Waits, and gives up early when the stop comes. Says whether it came.
    pub(super) fn wait(&self, time: Duration) -> bool {
        self.wait_while(Instant::now() + time, || true)
    }

    /// Waits until `goes_on` is false, the stop comes, or it is `until`; whether the stop came. Whoever makes
    /// `goes_on` false calls [`Stop::wake`] afterwards. It is asked with this stop locked, so it must not use it.
    pub(super) fn wait_while(&self, until: Instant, goes_on: impl Fn() -> bool) -> bool {
        let mut held = lock(&self.0.held);
        while !held.stopped && goes_on() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            held = self
                .0
                .stopped
                .wait_timeout(held, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        held.stopped
    }

    /// Makes a [`Stop::wait_while`] look again. Not to be called with a lock held that a `goes_on` takes.
    pub(super) fn wake(&self) {
        // With the lock: who has just looked is then surely waiting.
        drop(lock(&self.0.held));
        self.0.stopped.notify_all();
    }

    /// Whether both are the same stop.
    pub(super) fn is(&self, other: &Stop) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// One upstream request under this stop.
    pub(super) fn request(&self) -> Running {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Running {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            stop: self.clone(),
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop")
            .field("stopped", &self.is_stopped())
            .finish()
    }
}

/// One upstream request. Dropping it lets its sockets go, so a later stop does not reach them.
pub(super) struct Running {
    number: u64,
    stop: Stop,
}

thread_local! {
    /// The request that this thread works for: ureq hands nothing of ours down to a transport.
    static CURRENT: RefCell<Option<(u64, Stop)>> = const { RefCell::new(None) };
}

impl Running {
    /// Tells it from every other request of this process.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Names this request as the one that the thread works for, until the answer is dropped.
    pub(super) fn enter(&self) -> Entered<'_> {
        CURRENT.set(Some((self.number, self.stop.clone())));
        Entered(PhantomData)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.stop.0.held)
            .lines
            .retain(|(number, _)| *number != self.number);
    }
}

/// Holds the thread to one request. It stays on its thread.
pub(super) struct Entered<'a>(PhantomData<(&'a Running, *const ())>);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// One socket, idle or in use.
#[derive(Default)]
pub(super) struct Line {
    socket: OnceLock<Weak<dyn ShutdownHandle>>,
    /// The request that uses it, or used it last.
    user: Mutex<u64>,
}

impl Line {
    /// Names the socket, once it stands.
    pub(super) fn set_socket(&self, socket: Weak<dyn ShutdownHandle>) {
        // A line is made for one socket, so a second one cannot come.
        let _ = self.socket.set(socket);
    }

    /// Puts this socket under the stop of the request that the thread works for. To be asked before each use.
    ///
    /// # Errors
    ///
    /// When the stop has come.
    pub(super) fn used_by_current(self: &Arc<Line>) -> io::Result<()> {
        CURRENT.with_borrow(|current| {
            let Some((number, stop)) = current else {
                return Ok(());
            };
            *lock(&self.user) = *number;
            let mut held = lock(&stop.0.held);
            if held.stopped {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            if !held
                .lines
                .iter()
                .any(|(user, line)| user == number && Arc::ptr_eq(line, self))
            {
                held.lines.push((*number, Arc::clone(self)));
            }
            Ok(())
        })
    }

    /// The lock is held while the socket is shut, so it cannot change hands meanwhile.
    fn shut_down_if_used_by(&self, request: u64) {
        let user = lock(&self.user);
        if *user == request
            && let Some(socket) = self.socket.get().and_then(Weak::upgrade)
        {
            socket.shutdown();
        }
    }
}

/// Whether the request that the thread works for was stopped.
pub(super) fn current_is_stopped() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(|(_, stop)| stop.is_stopped()))
}

/// A panic elsewhere leaves nothing half done under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
