//! How much of its quota each project has used, as far as this process knows: counted here over the rolling hour,
//! corrected by what Mixpanel answers.
//!
//! A quota belongs to the project, so its key is region and project, whoever asks. What one project may run at once is
//! handed out in the order of asking. When nothing is left that is said at once, without asking Mixpanel.
//!
//! Locks: whoever waits asks with its [`Stop`] locked, so nobody is woken while [`Quotas`] is locked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::api::Api;
use super::credentials::ProjectId;
use super::error::{Error, Limit};
use super::region::Region;
use super::stop::Stop;

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
/// How long a request waits for its turn.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How many requests of one project wait for their turn. More could not have one in time.
const WAITING_MAX: usize = 64;
/// What to wait where all turns are taken.
const CROWDED_RETRY_AFTER_S: u64 = 5;
/// How long Mixpanel is not asked after a 429 that does not say it: then one query is risked, and the time doubles.
const BARRED_MIN: Duration = Duration::from_secs(60);
const BARRED_MAX: Duration = Duration::from_secs(15 * 60);
/// The same after a 429 that is not of the hour.
const BARRED_SHORTLY: Duration = SECOND;
/// No `Retry-After` bars a project for longer.
const RETRY_AFTER_MAX: Duration = HOUR;
/// How many projects are kept in mind, each API counted; the one unused for longest is forgotten.
const WINDOWS_MAX: usize = 1024;
/// The largest number of requests an hour that is counted.
pub(super) const PER_HOUR_MAX: usize = 10_000;

/// What a project may ask one API for. 0 is no limit.
#[derive(Debug, Clone, Copy)]
struct Limits {
    per_hour: usize,
    per_second: usize,
    at_once: usize,
}

/// What is known of a project's quota of one API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Whose quota.
    pub project: ProjectId,
    /// Of which API.
    pub api: Api,
    /// Requests of this process in the last hour.
    pub used: usize,
    /// Requests a project may ask in an hour, if that is limited.
    pub per_hour: Option<usize>,
    /// How many are left, if that is limited; 0 also when Mixpanel said that nothing is.
    pub left: Option<usize>,
    /// Requests that run.
    pub running: usize,
    /// Requests that may run at once, if that is limited.
    pub at_once: Option<usize>,
    /// In how many seconds the next request may be asked; 0 is now.
    pub next_free_s: u64,
}

impl Quota {
    /// Whether a tenth or less is left.
    pub fn is_low(&self) -> bool {
        match (self.left, self.per_hour) {
            (Some(left), Some(per_hour)) => left * 10 <= per_hour,
            _ => false,
        }
    }
}

/// The quotas of all projects.
pub(super) struct Quotas {
    query: Limits,
    export: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    windows: HashMap<Key, Window>,
    next_ticket: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    region: Region,
    project: ProjectId,
    api: Api,
}

struct Window {
    /// When each request of the last hour began, at most [`PER_HOUR_MAX`] of them.
    asked: VecDeque<Instant>,
    barred: Option<Bar>,
    /// 429s of the hour in a row.
    refusals: u32,
    running: usize,
    /// In the order of asking.
    waiting: VecDeque<Waiting>,
    touched: Instant,
}

/// Until when Mixpanel need not be asked, as it said.
#[derive(Clone, Copy)]
struct Bar {
    until: Instant,
    limit: Limit,
}

struct Waiting {
    ticket: u64,
    stop: Stop,
}

impl Quotas {
    pub(super) fn new(queries_per_hour: usize, concurrent_queries: usize) -> Quotas {
        Quotas {
            query: Limits {
                per_hour: queries_per_hour.min(PER_HOUR_MAX),
                per_second: 0,
                at_once: concurrent_queries,
            },
            export: Limits {
                per_hour: queries_per_hour.min(PER_HOUR_MAX),
                per_second: 3,
                at_once: 100,
            },
            state: Mutex::default(),
        }
    }

    fn limits(&self, api: Api) -> Option<Limits> {
        match api {
            Api::Query => Some(self.query),
            Api::Export => Some(self.export),
            Api::Ingestion | Api::App => None,
        }
    }

    /// What is known of the quotas of a project: of the query API, then of the export API.
    pub(super) fn of(&self, region: Region, project: &ProjectId) -> Vec<Quota> {
        let apis = [Api::Query, Api::Export].into_iter();
        apis.filter_map(|api| self.of_api(region, project, api))
            .collect()
    }

    /// What is known of a project's quota of one API, if that has one.
    pub(super) fn of_api(&self, region: Region, project: &ProjectId, api: Api) -> Option<Quota> {
        let limits = self.limits(api)?;
        let key = Key {
            region,
            project: project.clone(),
            api,
        };
        let now = Instant::now();
        let mut state = self.lock();
        let mut none = Window::new(now);
        let window = state.windows.get_mut(&key).unwrap_or(&mut none);
        window.forget(now);
        let barred = window.barred.filter(|bar| bar.limit == Limit::Hour);
        let left = match barred {
            Some(_) => 0,
            None => limits.per_hour.saturating_sub(window.asked.len()),
        };
        let limited = |limit: usize| (limit > 0).then_some(limit);
        Some(Quota {
            project: key.project,
            api,
            used: window.asked.len(),
            per_hour: limited(limits.per_hour),
            left: limited(limits.per_hour).map(|_| left),
            running: window.running,
            at_once: limited(limits.at_once),
            next_free_s: window
                .hindrance(limits, now)
                .map_or(0, |(_, until)| seconds_until(until, now)),
        })
    }

    /// Takes a turn for one request, counted from now on. Waits up to 30 s where too many of the project's run.
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`] when nothing is left or no turn came in time, [`Error::Cancelled`].
    pub(super) fn turn(
        self: &Arc<Quotas>,
        api: Api,
        region: Region,
        project: Option<&ProjectId>,
        stop: &Stop,
    ) -> Result<Turn, Error> {
        let (Some(limits), Some(project)) = (self.limits(api), project) else {
            return Ok(Turn(None));
        };
        let key = Key {
            region,
            project: project.clone(),
            api,
        };
        let ticket = {
            let now = Instant::now();
            let mut state = self.lock();
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            let Some(window) = state.window(&key, now) else {
                return Ok(Turn(None));
            };
            window.check(api, limits, now)?;
            if window.waiting.is_empty() && window.has_room(limits, now) {
                return Ok(self.begun(window, key, now));
            }
            if window.waiting.len() >= WAITING_MAX {
                return Err(crowded(api));
            }
            window.waiting.push_back(Waiting {
                ticket,
                stop: stop.clone(),
            });
            ticket
        };
        self.await_turn(key, limits, ticket, stop)
    }

    fn await_turn(
        self: &Arc<Quotas>,
        key: Key,
        limits: Limits,
        ticket: u64,
        stop: &Stop,
    ) -> Result<Turn, Error> {
        let until = Instant::now() + WAIT_MAX;
        loop {
            let look = self
                .frees_at(&key, limits)
                .map_or(until, |at| at.min(until));
            let stopped = stop.wait_while(look, || !self.is_called(&key, limits, ticket));
            let now = Instant::now();
            let mut state = self.lock();
            let Some(window) = state.windows.get_mut(&key) else {
                // Nobody forgets a window that is waited for.
                return Err(crowded(key.api));
            };
            let is_first = window
                .waiting
                .front()
                .is_some_and(|first| first.ticket == ticket);
            let outcome = if stopped {
                Err(Error::Cancelled)
            } else if let Err(error) = window.check(key.api, limits, now) {
                Err(error)
            } else if is_first && window.has_room(limits, now) {
                Ok(())
            } else if now >= until {
                Err(crowded(key.api))
            } else {
                continue;
            };
            window.waiting.retain(|waiting| waiting.ticket != ticket);
            let next = window.waiting.front().map(|next| next.stop.clone());
            let turn = outcome.map(|()| self.begun(window, key, now));
            drop(state);
            // There may be room for one more, or the one who left was in its way.
            if let Some(next) = next {
                next.wake();
            }
            return turn;
        }
    }

    fn begun(self: &Arc<Quotas>, window: &mut Window, key: Key, now: Instant) -> Turn {
        window.running += 1;
        window.asked.push_back(now);
        if window.asked.len() > PER_HOUR_MAX {
            window.asked.pop_front();
        }
        Turn(Some(Taken {
            quotas: Arc::clone(self),
            key,
            asked: now,
        }))
    }

    /// Whether this ticket need not wait any more, for its turn or for a reason to give up.
    fn is_called(&self, key: &Key, limits: Limits, ticket: u64) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let Some(window) = state.windows.get_mut(key) else {
            return true;
        };
        let is_first = window
            .waiting
            .front()
            .is_some_and(|first| first.ticket == ticket);
        window.check(key.api, limits, now).is_err() || is_first && window.has_room(limits, now)
    }

    /// When the limit of a second lets the next one pass, if it is what hinders.
    fn frees_at(&self, key: &Key, limits: Limits) -> Option<Instant> {
        let state = self.lock();
        let window = state.windows.get(key)?;
        let nth = window.asked.len().checked_sub(limits.per_second)?;
        (limits.per_second > 0).then_some(())?;
        window.asked.get(nth).map(|asked| *asked + SECOND)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The window of a project. None: all that fit are in use.
    fn window(&mut self, key: &Key, now: Instant) -> Option<&mut Window> {
        if self.windows.len() >= WINDOWS_MAX && !self.windows.contains_key(key) {
            let idle = self
                .windows
                .iter()
                .filter(|(_, window)| window.running == 0 && window.waiting.is_empty());
            let oldest = idle.min_by_key(|(_, window)| window.touched)?.0.clone();
            self.windows.remove(&oldest);
        }
        let window = self
            .windows
            .entry(key.clone())
            .or_insert_with(|| Window::new(now));
        window.touched = now;
        Some(window)
    }
}

impl Window {
    fn new(now: Instant) -> Window {
        Window {
            asked: VecDeque::new(),
            barred: None,
            refusals: 0,
            running: 0,
            waiting: VecDeque::new(),
            touched: now,
        }
    }

    /// Forgets what is over.
    fn forget(&mut self, now: Instant) {
        while self
            .asked
            .front()
            .is_some_and(|asked| now.saturating_duration_since(*asked) >= HOUR)
        {
            self.asked.pop_front();
        }
        self.barred = self.barred.filter(|bar| bar.until > now);
    }

    /// What stands in the way, and until when; not that others run.
    fn hindrance(&self, limits: Limits, now: Instant) -> Option<(Limit, Instant)> {
        let barred = self.barred.filter(|bar| bar.until > now);
        let used_up = (limits.per_hour > 0 && self.asked.len() >= limits.per_hour).then(|| {
            // The one whose hour must be over before one more fits.
            let nth = self.asked.len() - limits.per_hour;
            self.asked.get(nth).map_or(now, |asked| *asked + HOUR)
        });
        match (barred, used_up) {
            (Some(bar), Some(until)) if until < bar.until => Some((bar.limit, bar.until)),
            (_, Some(until)) => Some((Limit::Hour, until)),
            (Some(bar), None) => Some((bar.limit, bar.until)),
            (None, None) => None,
        }
    }

    fn check(&mut self, api: Api, limits: Limits, now: Instant) -> Result<(), Error> {
        self.forget(now);
        match self.hindrance(limits, now) {
            None => Ok(()),
            Some((limit, until)) => Err(Error::RateLimited {
                api,
                limit,
                retry_after_s: Some(seconds_until(until, now)),
                asked: false,
                words: None,
            }),
        }
    }

    fn has_room(&self, limits: Limits, now: Instant) -> bool {
        let is_crowded = || {
            let nth = self.asked.len().checked_sub(limits.per_second);
            nth.and_then(|nth| self.asked.get(nth))
                .is_some_and(|asked| now.saturating_duration_since(*asked) < SECOND)
        };
        (limits.at_once == 0 || self.running < limits.at_once)
            && (limits.per_second == 0 || !is_crowded())
    }
}

fn crowded(api: Api) -> Error {
    Error::RateLimited {
        api,
        limit: Limit::Moment,
        retry_after_s: Some(CROWDED_RETRY_AFTER_S),
        asked: false,
        words: None,
    }
}

/// Whole seconds, rounded up: who waits so long does not come too early.
fn seconds_until(until: Instant, now: Instant) -> u64 {
    let left = until.saturating_duration_since(now);
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

/// One request's place among those that run; given back when dropped. Empty where there is no quota.
pub(super) struct Turn(Option<Taken>);

struct Taken {
    quotas: Arc<Quotas>,
    key: Key,
    asked: Instant,
}

impl Turn {
    /// Corrects the count by how the request ended.
    pub(super) fn ended(&self, error: Option<&Error>) {
        let Some(taken) = &self.0 else {
            return;
        };
        match error {
            None => taken.change(|window, _| window.refusals = 0),
            // Not sent, or sent back at the door.
            Some(
                Error::CannotConnect { .. }
                | Error::Dns { .. }
                | Error::Tls { .. }
                | Error::Unauthorized { .. }
                | Error::PaymentRequired { .. }
                | Error::Forbidden { .. },
            ) => taken.change(|window, _| {
                if let Some(place) = window.asked.iter().position(|asked| *asked == taken.asked) {
                    window.asked.remove(place);
                }
            }),
            Some(Error::RateLimited {
                limit,
                retry_after_s,
                asked: true,
                ..
            }) => taken.change(|window, now| window.bar(*limit, *retry_after_s, now)),
            Some(_) => (),
        }
    }
}

impl Window {
    fn bar(&mut self, limit: Limit, retry_after_s: Option<u64>, now: Instant) {
        let said = retry_after_s.map(Duration::from_secs);
        let time = match (limit, said) {
            (_, Some(said)) => said.min(RETRY_AFTER_MAX),
            (Limit::Moment, None) => BARRED_SHORTLY,
            (Limit::Hour, None) => BARRED_MIN
                .saturating_mul(1 << self.refusals.min(8))
                .min(BARRED_MAX),
        };
        if limit == Limit::Hour {
            self.refusals += 1;
        }
        let until = now + time;
        if self.barred.is_none_or(|bar| bar.until < until) {
            self.barred = Some(Bar { until, limit });
        }
    }
}

impl Taken {
    /// Changes the window, and lets those who wait look again.
    fn change(&self, change: impl FnOnce(&mut Window, Instant)) {
        let mut state = self.quotas.lock();
        let Some(window) = state.windows.get_mut(&self.key) else {
            return;
        };
        change(window, Instant::now());
        let stops: Vec<Stop> = match window.barred {
            // All of them give up.
            Some(_) => window
                .waiting
                .iter()
                .map(|next| next.stop.clone())
                .collect(),
            None => window
                .waiting
                .front()
                .map(|next| next.stop.clone())
                .into_iter()
                .collect(),
        };
        drop(state);
        for stop in stops {
            stop.wake();
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.change(|window, _| window.running = window.running.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        per_hour: 3,
        per_second: 0,
        at_once: 5,
    };

    /// What stands in the way of a request after `later`, in seconds, where requests began at these seconds.
    #[track_caller]
    fn check(asked: &[u64], later: u64, expected: Option<u64>) {
        let start = Instant::now();
        let mut window = Window::new(start);
        window.asked = asked
            .iter()
            .map(|at| start + Duration::from_secs(*at))
            .collect();
        let now = start + Duration::from_secs(later);
        let error = window.check(Api::Query, LIMITS, now).err();
        assert_eq!(error.and_then(|error| error.retry_after_s()), expected);
    }

    #[test]
    fn the_hour_rolls() {
        check(&[0, 10, 20], 100, Some(3_500));
        check(&[0, 10, 20], 3_599, Some(1));
        check(&[0, 10, 20], 3_600, None);
        check(&[0, 10], 100, None);
        // One too many, as after a smaller limit: the second one's hour counts.
        check(&[0, 10, 20, 30], 100, Some(3_510));
    }

    #[test]
    fn a_429_without_a_time_bars_for_longer_each_time_and_at_most_a_quarter_of_an_hour() {
        let now = Instant::now();
        let mut window = Window::new(now);
        let mut bars = Vec::new();
        for _ in 0..6 {
            window.barred = None;
            window.bar(Limit::Hour, None, now);
            bars.push(seconds_until(window.barred.unwrap().until, now));
        }
        assert_eq!(bars, [60, 120, 240, 480, 900, 900]);
        window.barred = None;
        window.bar(Limit::Hour, Some(1_000_000), now);
        assert_eq!(seconds_until(window.barred.unwrap().until, now), 3600);
    }

    #[test]
    fn turns_are_given_in_the_order_of_asking_and_a_stop_ends_the_wait() {
        let quotas = Arc::new(Quotas::new(0, 1));
        let project = ProjectId::parse("7");
        let turn = |stop: &Stop| quotas.turn(Api::Query, Region::Us, project.as_ref(), stop);
        let waiting = || {
            let state = quotas.lock();
            state
                .windows
                .values()
                .next()
                .map_or(0, |window| window.waiting.len())
        };
        let first = turn(&Stop::new()).unwrap();
        let order = Mutex::new(Vec::new());
        let stop = Stop::new();
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (turn, order, stop) = (&turn, &order, &stop);
                scope.spawn(move || {
                    let own = Stop::new();
                    match turn(if number == 1 { stop } else { &own }) {
                        Ok(_turn) => order.lock().unwrap().push(number),
                        Err(error) => assert_eq!((number, error), (1, Error::Cancelled)),
                    }
                });
                while waiting() < number + 1 {
                    std::thread::yield_now();
                }
            }
            stop.stop();
            while waiting() > 3 {
                std::thread::yield_now();
            }
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 2, 3]);
    }

    #[test]
    fn an_export_waits_for_its_second_and_the_projects_kept_in_mind_are_bounded() {
        let quotas = Arc::new(Quotas::new(0, 0));
        let begun = Instant::now();
        for _ in 0..4 {
            let project = ProjectId::parse("7");
            quotas
                .turn(Api::Export, Region::Us, project.as_ref(), &Stop::new())
                .unwrap();
        }
        assert!(begun.elapsed() >= SECOND);
        for number in 0..WINDOWS_MAX + 10 {
            let project = ProjectId::parse(&number.to_string());
            quotas
                .turn(Api::Query, Region::Us, project.as_ref(), &Stop::new())
                .unwrap();
        }
        assert_eq!(quotas.lock().windows.len(), WINDOWS_MAX);
    }
}
