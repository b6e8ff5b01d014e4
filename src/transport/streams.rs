//! The event streams that stay open: how many there may be, and who looks after them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::gate::Watch;
use super::heartbeat::{Beating, Heartbeat};

/// A stream that stays open until one side ends it.
pub(super) trait Lasting: Beating {
    /// Ends it from our side, as soon as no call needs it any more.
    fn end(&self);
}

/// All of them, counted.
pub(super) struct Streams {
    open: Mutex<Open>,
    max: usize,
    heartbeat: Heartbeat,
}

#[derive(Default)]
struct Open {
    streams: HashMap<u64, Held>,
    /// Places given away, streams included.
    taken: usize,
    next: u64,
    /// There are no more places, and none stays open any more.
    ended: bool,
}

struct Held {
    stream: Arc<dyn Lasting>,
    /// Tells when the client leaves; none until the stream is known.
    watch: Option<Watch>,
}

/// A place for one more stream; given back when dropped unused.
pub(super) struct Place(Arc<Streams>);

impl Streams {
    /// Room for so many.
    pub(super) fn new(max: usize, heartbeat: Heartbeat) -> Arc<Streams> {
        Arc::new(Streams {
            open: Mutex::default(),
            max,
            heartbeat,
        })
    }

    /// A place for one more. `None`: all are taken, or the server ends.
    pub(super) fn place(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.lock();
        if open.ended || open.taken >= self.max {
            return None;
        }
        open.taken += 1;
        Some(Place(self.clone()))
    }

    /// Forgets a stream whose client has gone.
    pub(super) fn forget(&self, number: u64) {
        let mut open = self.lock();
        let gone = open.streams.remove(&number);
        open.taken -= usize::from(gone.is_some());
        drop(open);
        // Dropped outside of the lock: its calls are cancelled now.
        drop(gone);
    }

    /// Ends all of them, those that are just being opened too, and gives no more places. Those whose calls still run end with the last of them.
    pub(super) fn end_all(&self) {
        let mut open = self.lock();
        open.ended = true;
        let streams: Vec<_> = open
            .streams
            .values()
            .map(|held| held.stream.clone())
            .collect();
        drop(open);
        streams.iter().for_each(|stream| stream.end());
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Keeps a stream here. `watch` makes what calls [`Streams::forget`] with its number when the client leaves.
    pub(super) fn hold(self, stream: Arc<dyn Lasting>, watch: impl FnOnce(u64) -> Watch) {
        let streams = self.0.clone();
        let mut open = streams.lock();
        if open.ended {
            // Its client may have read the beginning before the end came.
            drop(open);
            return stream.end();
        }
        let number = open.next;
        open.next += 1;
        open.streams.insert(
            number,
            Held {
                stream,
                watch: None,
            },
        );
        // The place goes over to the stream.
        open.taken += 1;
        let is_first = open.streams.len() == 1;
        drop(open);
        if is_first {
            let watched: Arc<dyn Beating> = streams.clone();
            streams.heartbeat.watch(Arc::downgrade(&watched));
        }
        // Outside of the lock: a client that has left already is forgotten within this call.
        let watch = watch(number);
        if let Some(held) = streams.lock().streams.get_mut(&number) {
            held.watch = Some(watch);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().taken -= 1;
    }
}

impl Beating for Streams {
    fn beat(&self) -> bool {
        let streams: Vec<(u64, Arc<dyn Lasting>)> = self
            .lock()
            .streams
            .iter()
            .map(|(number, held)| (*number, held.stream.clone()))
            .collect();
        for (number, stream) in streams {
            if !stream.beat() {
                self.forget(number);
            }
        }
        !self.lock().streams.is_empty()
    }
}
