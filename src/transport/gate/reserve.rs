//! Descriptors kept back for the next lane. tiny_http's listener ends for ever if its `accept` finds no descriptor or no thread,
//! so a lane is opened only when both are there, and while the gate itself takes none.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, eventfd};

/// Twice what a lane takes: the rest of the process may be opening something just then.
const DESCRIPTORS: usize = 6;
/// One for the lane, the others for the same reason.
const THREADS: usize = 3;
const THREAD_STACK_BYTES: usize = 64 * 1024;

/// What is kept back.
#[derive(Default)]
pub(super) struct Reserve {
    descriptors: Mutex<Vec<OwnedFd>>,
}

impl Reserve {
    /// Runs `open` with the reserve free for it, if that can be had.
    pub(super) fn lend<T>(&self, open: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut descriptors = self.lock();
        fill(&mut descriptors)?;
        check_threads()?;
        descriptors.clear();
        let opened = open();
        if let Err(error) = fill(&mut descriptors) {
            log::debug!("the reserve of descriptors could not be refilled: {error}");
        }
        opened
    }

    /// Keeps `lend` waiting while the gate takes a descriptor or a thread for something else.
    pub(super) fn hold(&self) -> impl Drop + '_ {
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<OwnedFd>> {
        // A reserve that was left half filled is filled the next time.
        self.descriptors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn fill(descriptors: &mut Vec<OwnedFd>) -> io::Result<()> {
    while descriptors.len() < DESCRIPTORS {
        descriptors.push(eventfd(0, EventfdFlags::CLOEXEC)?);
    }
    Ok(())
}

/// Starts some threads at once and ends them.
fn check_threads() -> io::Result<()> {
    // All of them live until the last has begun: they end when `hold` is dropped.
    let (hold, wait) = channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let threads: io::Result<Vec<JoinHandle<()>>> = (0..THREADS)
        .map(|_| {
            let wait = Arc::clone(&wait);
            let waits = move || drop(wait.lock().map(|wait| wait.recv()));
            thread::Builder::new()
                .stack_size(THREAD_STACK_BYTES)
                .spawn(waits)
        })
        .collect();
    drop(hold);
    for thread in threads? {
        let _ = thread.join();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_free_while_it_is_lent_and_full_again_after() {
        let reserve = Reserve::default();
        let lent = reserve.lend(|| Ok(reserve.descriptors.try_lock().is_err()));
        assert!(lent.unwrap());
        assert_eq!(reserve.lock().len(), DESCRIPTORS);
    }
}
