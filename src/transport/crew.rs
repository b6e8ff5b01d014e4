//! The worker threads. A few receive requests; whoever gets one that may last first sees to it that enough
//! others go on receiving, and then runs it in its own thread (leaders and followers): a call costs no
//! hop between threads, and however many calls last, quick requests are answered at once. A job that waits for its
//! client steps aside, so that another may run.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use threadpool::ThreadPool;

/// Fewer threads never receive.
const RECEIVERS_MIN: usize = 2;
/// More threads never receive: each that wakes up for nothing costs.
const RECEIVERS_MAX: usize = 4;
/// The stack of a thread: address space, of which only what is used takes memory.
pub(super) const STACK_BYTES: usize = 1024 * 1024;

/// How long jobs that were cancelled may take to notice it, at the end.
const LAST_PATIENCE: Duration = Duration::from_millis(250);

/// Work that may last.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Receives one request and deals with it. `false`: there will be no more.
pub(super) type Receive = Arc<dyn Fn() -> bool + Send + Sync>;

/// The threads.
#[derive(Clone)]
pub(super) struct Crew(Arc<Shared>);

struct Shared {
    /// `threadpool` starts all its threads at once, so it begins small and grows with the calls that run.
    pool: Mutex<ThreadPool>,
    state: Mutex<State>,
    /// No job runs any more.
    at_rest: Condvar,
    calls_max: usize,
    waiting_max: usize,
}

struct State {
    receive: Option<Receive>,
    receiving: usize,
    running: usize,
    /// Jobs that have begun and do nothing but wait: they are not among those that run.
    aside: usize,
    /// Somebody waits for `at_rest`.
    is_awaited: bool,
    waiting: VecDeque<Job>,
    /// Claims to wait that were given: as many as wait, or are about to.
    claims: usize,
}

/// What a thread does when no job is left.
#[derive(Clone, Copy, PartialEq)]
enum After {
    Receive,
    Leave,
}

/// A place for one job, to be redeemed at once.
#[must_use]
pub(super) enum Claim {
    /// With a worker.
    Now,
    /// In the queue.
    Later,
}

/// All workers are busy and the queue is full.
pub(super) struct Full;

impl Crew {
    /// A crew that runs at most `calls_max` jobs at once, and keeps at most `waiting_max` more.
    pub(super) fn new(calls_max: usize, waiting_max: usize) -> Crew {
        let pool = threadpool::Builder::new()
            .num_threads(RECEIVERS_MIN)
            .thread_name("worker".into())
            .thread_stack_size(STACK_BYTES)
            .build();
        let state = State {
            receive: None,
            receiving: 0,
            running: 0,
            aside: 0,
            is_awaited: false,
            waiting: VecDeque::new(),
            claims: 0,
        };
        Crew(Arc::new(Shared {
            pool: Mutex::new(pool),
            state: Mutex::new(state),
            at_rest: Condvar::new(),
            calls_max,
            waiting_max,
        }))
    }

    /// Begins to receive.
    pub(super) fn receive(&self, receive: Receive) {
        let mut state = self.0.state();
        state.receive = Some(receive);
        state.receiving = RECEIVERS_MIN;
        drop(state);
        (0..RECEIVERS_MIN).for_each(|_| self.add_receiver(RECEIVERS_MIN));
    }

    /// How many threads receive now: so many must be woken to end.
    pub(super) fn receivers(&self) -> usize {
        self.0.state().receiving
    }

    /// Waits a moment for the last jobs, which were cancelled.
    pub(super) fn rest(&self) {
        let runs = |state: &mut State| state.running + state.aside > 0;
        let mut state = self.0.state();
        state.is_awaited = true;
        let _ = self
            .0
            .at_rest
            .wait_timeout_while(state, LAST_PATIENCE, runs);
    }

    /// A claim to run one job, now or when a worker is free.
    pub(super) fn claim(&self) -> Result<Claim, Full> {
        let mut state = self.0.state();
        if state.running < self.0.calls_max {
            state.running += 1;
            return Ok(Claim::Now);
        }
        if state.claims < self.0.waiting_max {
            state.claims += 1;
            return Ok(Claim::Later);
        }
        Err(Full)
    }

    /// Runs a job in this thread, which is one that receives; another takes its place if need be.
    /// Where all workers are busy the job waits for one of them.
    pub(super) fn run_here(&self, claim: Claim, job: Job) {
        let mut state = self.0.state();
        let Some(job) = state.redeem(claim, job, self.0.calls_max) else {
            return;
        };
        state.receiving -= 1;
        let short = state.receiving < RECEIVERS_MIN && state.receive.is_some();
        if short {
            state.receiving += 1;
        }
        let threads = state.threads();
        drop(state);
        if short {
            self.add_receiver(threads);
        }
        self.0.run_and_go_on(job, After::Receive);
    }

    /// Runs a job in a thread of its own, for transports that receive by themselves.
    pub(super) fn run_elsewhere(&self, claim: Claim, job: Job) {
        let mut state = self.0.state();
        let Some(job) = state.redeem(claim, job, self.0.calls_max) else {
            return;
        };
        let threads = state.threads();
        drop(state);
        let shared = self.0.clone();
        self.0
            .grow(threads)
            .execute(move || shared.run_and_go_on(job, After::Leave));
    }

    /// Runs `wait` in this thread, which is one that runs a job, and gives its place to others meanwhile. Afterwards the
    /// job goes on at once, even if there are then more than may begin.
    pub(super) fn aside(&self, wait: impl FnOnce()) {
        let mut state = self.0.state();
        state.aside += 1;
        let next = state.pass_on(self.0.calls_max);
        let threads = state.threads();
        drop(state);
        if let Some(job) = next {
            let shared = self.0.clone();
            self.0
                .grow(threads)
                .execute(move || shared.run_and_go_on(job, After::Leave));
        }
        // A fault in it is one of the job.
        let waited = catch_unwind(AssertUnwindSafe(wait));
        let mut state = self.0.state();
        state.aside -= 1;
        state.running += 1;
        drop(state);
        if let Err(fault) = waited {
            resume_unwind(fault);
        }
    }

    fn add_receiver(&self, threads: usize) {
        let shared = self.0.clone();
        self.0.grow(threads).execute(move || shared.receive_loop());
    }
}

impl Shared {
    fn receive_loop(&self) {
        let Some(receive) = self.state().receive.clone() else {
            return;
        };
        loop {
            // A fault in one request costs that request.
            let goes_on = catch_unwind(AssertUnwindSafe(|| receive())).unwrap_or(true);
            let mut state = self.state();
            if !goes_on || state.receiving > RECEIVERS_MAX {
                state.receiving -= 1;
                return;
            }
        }
    }

    /// Runs a job, and then those that wait.
    fn run_and_go_on(&self, job: Job, after: After) {
        let mut next = Some(job);
        while let Some(job) = next {
            // A fault in one job costs that job.
            let _ = catch_unwind(AssertUnwindSafe(job));
            let mut state = self.state();
            // Under the same lock, so that no job is queued behind a worker that has just left.
            next = state.pass_on(self.calls_max);
            if next.is_none() {
                // To wake nobody costs as much as to wake somebody.
                if state.running == 0 && state.is_awaited {
                    self.at_rest.notify_all();
                }
                state.receiving += usize::from(after == After::Receive);
            }
        }
    }

    /// The pool with at least so many threads.
    fn grow(&self, threads: usize) -> MutexGuard<'_, ThreadPool> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.max_count() < threads {
            pool.set_num_threads(threads);
        }
        pool
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Threads that have something to do, or wait for it.
    fn threads(&self) -> usize {
        self.receiving + self.running + self.aside
    }

    /// Gives the place of a job that ends or steps aside to the next one that waits. `None`: nobody takes it.
    fn pass_on(&mut self, calls_max: usize) -> Option<Job> {
        // Those that came back from aside may be too many.
        let fits = self.running <= calls_max;
        let next = fits.then(|| self.waiting.pop_front()).flatten();
        match next {
            Some(_) => self.claims -= 1,
            None => self.running -= 1,
        }
        next
    }

    /// The job, if it may run now; else it waits.
    fn redeem(&mut self, claim: Claim, job: Job, calls_max: usize) -> Option<Job> {
        match claim {
            Claim::Now => Some(job),
            Claim::Later if self.running < calls_max => {
                self.claims -= 1;
                self.running += 1;
                Some(job)
            }
            Claim::Later => {
                self.waiting.push_back(job);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// Longer than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn a_job_that_steps_aside_lets_the_next_one_run_and_goes_on_afterwards() {
        let crew = Crew::new(1, 1);
        let (queue, queued) = channel();
        let (next, next_has_run) = channel();
        let (end, ended) = channel();
        let first = {
            let crew = crew.clone();
            move || {
                queued.recv_timeout(PATIENCE).unwrap();
                let mut waited = Err(std::sync::mpsc::RecvTimeoutError::Timeout);
                crew.aside(|| waited = next_has_run.recv_timeout(PATIENCE));
                end.send(waited).unwrap();
            }
        };
        let Ok(claim @ Claim::Now) = crew.claim() else {
            panic!("it is free")
        };
        crew.run_elsewhere(claim, Box::new(first));
        let Ok(claim @ Claim::Later) = crew.claim() else {
            panic!("one may wait")
        };
        assert!(crew.claim().is_err());
        crew.run_elsewhere(claim, Box::new(move || next.send(()).unwrap()));
        queue.send(()).unwrap();

        assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), Ok(()));
        let mut state = crew.0.state();
        state.is_awaited = true;
        let (state, timeout) = crew
            .0
            .at_rest
            .wait_timeout_while(state, PATIENCE, |state| state.running > 0)
            .unwrap();
        assert!(!timeout.timed_out());
        assert_eq!((state.aside, state.claims, state.waiting.len()), (0, 0, 0));
    }

    #[test]
    fn those_that_came_back_from_aside_begin_nothing_until_few_enough_run() {
        let crew = Crew::new(1, 1);
        let mut state = crew.0.state();
        state.running = 2;
        state.claims = 1;
        state.waiting.push_back(Box::new(|| ()));
        assert!(state.pass_on(1).is_none());
        assert_eq!((state.running, state.claims), (1, 1));
        assert!(state.pass_on(1).is_some());
        assert_eq!((state.running, state.claims), (1, 0));
        assert!(state.pass_on(1).is_none());
        assert_eq!((state.running, state.claims), (0, 0));
    }
}
