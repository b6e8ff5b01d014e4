//! How many requests may be behind the gate at once, and how many may wait for that.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::limits::Limits;

/// The admissions of one gate.
pub(super) struct Admissions {
    given_max: usize,
    waiting_max: usize,
    waiting_time: Duration,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    given: usize,
    waiting: usize,
}

/// One request may be behind the gate. Given back when dropped.
pub(super) struct Admission(Arc<Admissions>);

/// None came free in time.
pub(super) struct NoAdmission;

impl Admissions {
    pub(super) fn new(limits: &Limits) -> Admissions {
        Admissions {
            given_max: limits.requests,
            waiting_max: limits.waiting,
            waiting_time: limits.waiting_time,
            state: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    pub(super) fn admit(self: &Arc<Admissions>) -> Result<Admission, NoAdmission> {
        let mut state = self.lock();
        if state.given >= self.given_max {
            state = self.wait(state)?;
        }
        state.given += 1;
        Ok(Admission(Arc::clone(self)))
    }

    pub(super) fn given(&self) -> usize {
        self.lock().given
    }

    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> Result<MutexGuard<'a, State>, NoAdmission> {
        let deadline = Instant::now() + self.waiting_time;
        while state.given >= self.given_max {
            let left = deadline.saturating_duration_since(Instant::now());
            if state.waiting >= self.waiting_max || left.is_zero() {
                return Err(NoAdmission);
            }
            state.waiting += 1;
            state = match self.freed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
            state.waiting -= 1;
        }
        Ok(state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic and leave the counts wrong.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.given -= 1;
        let is_awaited = state.waiting > 0;
        drop(state);
        // To wake nobody costs as much as to wake somebody.
        if is_awaited {
            self.0.freed.notify_one();
        }
    }
}
