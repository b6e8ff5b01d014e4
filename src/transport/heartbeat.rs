//! One thread that looks after everything that stays open: it sends comments, and turns calls that
//! last into event streams. It sleeps while nothing is open.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

/// How often everything open is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Something that stays open for a while.
pub(super) trait Beating: Send + Sync {
    /// Looks after itself; must not block for long. Whether it is still open.
    fn beat(&self) -> bool;
}

/// The thread's list. What is dropped elsewhere leaves it by itself.
#[derive(Clone)]
pub(super) struct Heartbeat(Arc<Shared>);

struct Shared {
    open: Mutex<Vec<Weak<dyn Beating>>>,
    filled: Condvar,
}

impl Heartbeat {
    /// Starts the thread.
    pub(super) fn start() -> std::io::Result<Heartbeat> {
        let shared = Arc::new(Shared {
            open: Mutex::default(),
            filled: Condvar::new(),
        });
        let heartbeat = Heartbeat(shared.clone());
        thread::Builder::new()
            .name("heartbeat".into())
            .stack_size(super::crew::STACK_BYTES)
            .spawn(move || run(&shared))?;
        Ok(heartbeat)
    }

    /// Looks after something until it is closed or dropped.
    pub(super) fn watch(&self, beating: Weak<dyn Beating>) {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(beating);
        if open.len() == 1 {
            self.0.filled.notify_one();
        }
    }
}

fn run(shared: &Shared) {
    loop {
        let open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = shared.filled.wait_while(open, |open| open.is_empty());
        drop(open);
        thread::sleep(INTERVAL);
        // Beats happen outside of the lock: a slow stream must not hold up who opens the next.
        let taken =
            std::mem::take(&mut *shared.open.lock().unwrap_or_else(PoisonError::into_inner));
        let still: Vec<Weak<dyn Beating>> = taken
            .into_iter()
            .filter(|beating| beating.upgrade().is_some_and(|beating| beating.beat()))
            .collect();
        shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(still);
    }
}
