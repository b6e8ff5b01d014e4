//! Answers that are given again: to those who ask the same while it is being asked, and for a short while after.
//!
//! Nobody is answered from another's data: a key has the credentials (as a fingerprint), the region and the whole
//! request. Only good answers of reads come here, and what they mean is left to whoever asked.
//!
//! Locks: the cache before a flight; nobody is woken while either is locked, as whoever waits asks with its [`Stop`]
//! locked.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::credentials::{ProjectId, Secret, ServiceAccount};
use super::error::{Error, Phase};
use super::region::Region;
use super::stop::Stop;

/// How long is kept what changes rarely: names, properties, closed ranges of dates.
const LASTING: Duration = Duration::from_secs(600);
/// What an entry costs beside its bytes.
const ENTRY_BYTES: usize = 512;
/// A single answer takes at most this part of the cache.
const SHARE: usize = 4;
/// How many tokens are known by their project; then all are forgotten.
const TOKENS_MAX: usize = 1024;

/// How long an answer may be given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Not at all: it is no read, or it is a stream.
    Never,
    /// What is still growing.
    Briefly,
    /// What changes rarely.
    Lasting,
}

/// Which question of whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) who: Fingerprint,
    pub(super) region: Region,
    /// Whose data it is about, if it is about one project's.
    pub(super) project: Option<ProjectId>,
    /// Method, address and body.
    pub(super) request: String,
}

/// Tells secrets apart without holding them: 128 bits, keyed by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u64; 2]);

/// An answer, and whether it was kept.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) body: Arc<[u8]>,
    /// How old it is, if it was kept from before this question.
    pub(super) age: Option<Duration>,
}

/// Why there is no answer, and which request failed.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) error: Error,
    pub(super) request_id: Option<String>,
}

/// The answers of all callers.
pub(super) struct Cache {
    /// How long what is still growing is kept; zero turns the cache off.
    briefly: Duration,
    bytes_max: usize,
    hashers: [RandomState; 2],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: HashMap<Arc<Key>, Entry>,
    /// By last use, the oldest first.
    by_use: BTreeMap<u64, Arc<Key>>,
    next_use: u64,
    bytes: usize,
    /// What is being asked: at most one for each running call.
    flights: HashMap<Arc<Key>, Arc<Flight>>,
    tokens: HashMap<Fingerprint, ProjectId>,
}

struct Entry {
    body: Arc<[u8]>,
    asked: Instant,
    answered: Instant,
    until: Instant,
    bytes: usize,
    used: u64,
}

/// One question on its way, and those who wait for its answer.
struct Flight(Mutex<Course>);

struct Course {
    place: Place,
    waiting: Vec<Stop>,
    /// The data were changed meanwhile: the answer is good for those who wait, but not for later.
    outdated: bool,
}

enum Place {
    /// Somebody asks.
    Up,
    /// Who asked was stopped: another one may take over.
    Free,
    Landed(Result<Arc<[u8]>, Refused>),
}

impl Cache {
    pub(super) fn new(briefly: Duration, bytes_max: usize) -> Cache {
        Cache {
            briefly,
            bytes_max,
            hashers: Default::default(),
            state: Mutex::default(),
        }
    }

    /// Tells this caller from every other.
    pub(super) fn fingerprint(&self, account: Option<&ServiceAccount>) -> Fingerprint {
        self.hashed(account.map(|account| (account.username.as_str(), account.secret.expose())))
    }

    fn hashed(&self, value: impl std::hash::Hash) -> Fingerprint {
        Fingerprint([0, 1].map(|place: usize| match self.hashers.get(place) {
            Some(hasher) => hasher.hash_one(&value),
            None => 0,
        }))
    }

    fn time(&self, keep: Keep) -> Duration {
        match keep {
            Keep::Never => Duration::ZERO,
            _ if self.bytes_max == 0 || self.briefly.is_zero() => Duration::ZERO,
            Keep::Briefly => self.briefly,
            Keep::Lasting => self.briefly.max(LASTING),
        }
    }

    /// The answer to a question: kept, or that of another who asks it now, or what `ask` gives. Waiting for another
    /// ends with the own stop, and after `patience`.
    pub(super) fn answer(
        &self,
        key: Key,
        keep: Keep,
        stop: &Stop,
        patience: Duration,
        mut ask: impl FnMut() -> Result<Vec<u8>, Refused>,
    ) -> Result<Found, Refused> {
        let until = Instant::now() + patience;
        let key = Arc::new(key);
        let (flight, leads) = {
            let mut state = self.lock();
            if let Some(found) = state.find(&key) {
                return Ok(found);
            }
            match state.flights.get(&key) {
                Some(flight) => {
                    flight.lock().waiting.push(stop.clone());
                    (Arc::clone(flight), false)
                }
                None => {
                    let flight = Arc::new(Flight::up());
                    state.flights.insert(Arc::clone(&key), Arc::clone(&flight));
                    (flight, true)
                }
            }
        };
        if !leads && let Some(landed) = self.follow(&key, &flight, stop, until) {
            return landed.map(|body| Found { body, age: None });
        }
        let asked = Instant::now();
        let mut leading = Leading {
            cache: self,
            key: &key,
            flight: &flight,
            landed: None,
        };
        match ask() {
            Ok(body) => {
                let body: Arc<[u8]> = body.into();
                leading.landed = Some(Landed {
                    outcome: Ok(Arc::clone(&body)),
                    asked,
                    time: self.time(keep),
                });
                Ok(Found { body, age: None })
            }
            Err(refused) => {
                if refused.error != Error::Cancelled {
                    leading.landed = Some(Landed {
                        outcome: Err(refused.clone()),
                        asked,
                        time: Duration::ZERO,
                    });
                }
                Err(refused)
            }
        }
    }

    /// Keeps an answer that was asked anew, in place of an older one.
    pub(super) fn keep(&self, key: Key, keep: Keep, asked: Instant, body: &[u8]) {
        let time = self.time(keep);
        if time.is_zero() {
            return;
        }
        // Nothing is copied while the cache is locked, and what is forgotten goes when it is not any more.
        let (key, body) = (Arc::new(key), body.into());
        let forgotten = self.lock().keep(key, body, asked, time, self.bytes_max);
        drop(forgotten);
    }

    /// Waits for the one who asks. None: it was stopped, and it is now for the caller to ask.
    fn follow(
        &self,
        key: &Arc<Key>,
        flight: &Arc<Flight>,
        stop: &Stop,
        until: Instant,
    ) -> Option<Result<Arc<[u8]>, Refused>> {
        let stopped = stop.wait_while(until, || matches!(flight.lock().place, Place::Up));
        let mut state = self.lock();
        let mut course = flight.lock();
        if let Some(place) = course.waiting.iter().position(|waiting| waiting.is(stop)) {
            course.waiting.swap_remove(place);
        }
        let refused = |error| {
            Some(Err(Refused {
                error,
                request_id: None,
            }))
        };
        match &course.place {
            Place::Landed(landed) if !stopped => Some(landed.clone()),
            Place::Free if !stopped => {
                course.place = Place::Up;
                None
            }
            place => {
                // Nobody is left to take over.
                if matches!(place, Place::Free) && course.waiting.is_empty() {
                    state.remove_flight(key, flight);
                }
                refused(if stopped {
                    Error::Cancelled
                } else {
                    Error::TimedOut {
                        phase: Phase::Total,
                    }
                })
            }
        }
    }

    /// Remembers whose token it is, so that a write with it is known as one to that project.
    pub(super) fn belongs(&self, token: &Secret, project: &ProjectId) {
        let token = self.hashed(token.expose());
        let mut state = self.lock();
        if state.tokens.len() >= TOKENS_MAX && !state.tokens.contains_key(&token) {
            state.tokens.clear();
        }
        state.tokens.insert(token, project.clone());
    }

    /// Drops what was answered about a project's data, as they were changed: the project that is named, else the
    /// token's, else every project of the region.
    pub(super) fn changed(
        &self,
        region: Region,
        project: Option<&ProjectId>,
        token: Option<&Secret>,
    ) {
        let token = token.map(|token| self.hashed(token.expose()));
        let mut state = self.lock();
        let known = token.and_then(|token| state.tokens.get(&token).cloned());
        let project = project.or(known.as_ref());
        let is_hit = |key: &Key| {
            key.region == region
                && match (project, &key.project) {
                    (_, None) => false,
                    (None, Some(_)) => true,
                    (Some(changed), Some(project)) => changed == project,
                }
        };
        let hit: Vec<Arc<Key>> = state
            .kept
            .keys()
            .filter(|key| is_hit(key))
            .cloned()
            .collect();
        for key in hit {
            state.remove(&key);
        }
        state.flights.retain(|key, flight| {
            let hit = is_hit(key);
            if hit {
                flight.lock().outdated = true;
            }
            !hit
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&mut self, key: &Arc<Key>) -> Option<Found> {
        let now = Instant::now();
        if self.kept.get(key)?.until <= now {
            self.remove(key);
            return None;
        }
        let used = self.next_use;
        self.next_use += 1;
        let entry = self.kept.get_mut(key)?;
        if let Some(key) = self.by_use.remove(&entry.used) {
            self.by_use.insert(used, key);
        }
        entry.used = used;
        Some(Found {
            body: Arc::clone(&entry.body),
            age: Some(now.saturating_duration_since(entry.answered)),
        })
    }

    /// Gives back the entry that was there before, if there was one.
    fn keep(
        &mut self,
        key: Arc<Key>,
        body: Arc<[u8]>,
        asked: Instant,
        time: Duration,
        bytes_max: usize,
    ) -> Option<Entry> {
        let bytes = body.len() + key.request.len() + ENTRY_BYTES;
        let is_older = self.kept.get(&key).is_some_and(|entry| entry.asked > asked);
        if time.is_zero() || bytes > bytes_max / SHARE || is_older {
            return None;
        }
        let before = self.remove(&key);
        while self.bytes + bytes > bytes_max {
            let oldest = self.by_use.first_key_value();
            let Some(oldest) = oldest.map(|(_, key)| Arc::clone(key)) else {
                break;
            };
            self.remove(&oldest);
        }
        let answered = Instant::now();
        let used = self.next_use;
        self.next_use += 1;
        self.bytes += bytes;
        self.by_use.insert(used, Arc::clone(&key));
        self.kept.insert(
            key,
            Entry {
                body,
                asked,
                answered,
                until: answered + time,
                bytes,
                used,
            },
        );
        before
    }

    fn remove(&mut self, key: &Arc<Key>) -> Option<Entry> {
        let entry = self.kept.remove(key)?;
        self.by_use.remove(&entry.used);
        self.bytes -= entry.bytes;
        Some(entry)
    }

    /// Takes a flight away, unless another has taken its place.
    fn remove_flight(&mut self, key: &Arc<Key>, flight: &Arc<Flight>) {
        if self
            .flights
            .get(key)
            .is_some_and(|known| Arc::ptr_eq(known, flight))
        {
            self.flights.remove(key);
        }
    }
}

impl Flight {
    fn up() -> Flight {
        Flight(Mutex::new(Course {
            place: Place::Up,
            waiting: Vec::new(),
            outdated: false,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Course> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a question ended.
struct Landed {
    outcome: Result<Arc<[u8]>, Refused>,
    asked: Instant,
    /// How long the answer is kept.
    time: Duration,
}

/// The one who asks. Dropped without having landed, also by a panic, it leaves the flight to another.
struct Leading<'a> {
    cache: &'a Cache,
    key: &'a Arc<Key>,
    flight: &'a Arc<Flight>,
    landed: Option<Landed>,
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        let mut state = self.cache.lock();
        let mut course = self.flight.lock();
        match self.landed.take() {
            Some(Landed {
                outcome,
                asked,
                time,
            }) => {
                state.remove_flight(self.key, self.flight);
                if let (Ok(body), false) = (&outcome, course.outdated) {
                    let (key, body) = (Arc::clone(self.key), Arc::clone(body));
                    state.keep(key, body, asked, time, self.cache.bytes_max);
                }
                course.place = Place::Landed(outcome);
            }
            None => {
                course.place = Place::Free;
                if course.waiting.is_empty() {
                    state.remove_flight(self.key, self.flight);
                }
            }
        }
        let waiting = course.waiting.clone();
        drop(course);
        drop(state);
        for stop in waiting {
            stop.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn key(cache: &Cache, project: &str, request: &str) -> Key {
        Key {
            who: cache.fingerprint(None),
            region: Region::Us,
            project: ProjectId::parse(project),
            request: request.to_owned(),
        }
    }

    /// What is answered to a question that Mixpanel answers with `answer`, and whether it was kept.
    #[track_caller]
    fn asked(cache: &Cache, project: &str, request: &str, answer: &str) -> (String, bool) {
        let key = key(cache, project, request);
        let ask = || Ok(answer.as_bytes().to_vec());
        let found = cache
            .answer(key, Keep::Briefly, &Stop::new(), PATIENCE, ask)
            .unwrap();
        let body = String::from_utf8(found.body.to_vec()).unwrap();
        (body, found.age.is_some())
    }

    fn cancelled() -> Refused {
        Refused {
            error: Error::Cancelled,
            request_id: None,
        }
    }

    #[test]
    fn when_the_one_who_asks_is_stopped_one_of_those_who_wait_asks_and_all_are_answered() {
        let cache = Cache::new(PATIENCE, 1 << 20);
        let (told, telling) = channel::<()>();
        let flight = |cache: &Cache| {
            let state = cache.lock();
            state.flights.values().next().map(Arc::clone)
        };
        thread::scope(|scope| {
            let cache = &cache;
            let leader = scope.spawn(move || {
                let ask = || {
                    telling.recv_timeout(PATIENCE).unwrap();
                    Err(cancelled())
                };
                cache.answer(
                    key(cache, "7", "q"),
                    Keep::Briefly,
                    &Stop::new(),
                    PATIENCE,
                    ask,
                )
            });
            while flight(cache).is_none() {
                thread::yield_now();
            }
            let followers = [(); 3].map(|()| scope.spawn(|| asked(cache, "7", "q", "taken over")));
            while flight(cache).is_some_and(|flight| flight.lock().waiting.len() < 3) {
                thread::yield_now();
            }
            told.send(()).unwrap();
            assert_eq!(
                leader.join().unwrap().err().unwrap().error,
                Error::Cancelled
            );
            for follower in followers {
                assert_eq!(follower.join().unwrap().0, "taken over");
            }
        });
        assert!(flight(&cache).is_none());
    }

    #[test]
    fn who_waits_leaves_with_the_own_stop_alone() {
        let cache = Cache::new(PATIENCE, 1 << 20);
        let (told, telling) = channel::<()>();
        let stop = Stop::new();
        thread::scope(|scope| {
            let cache = &cache;
            let leader = scope.spawn(move || {
                let ask = || {
                    telling.recv_timeout(PATIENCE).unwrap();
                    Ok(b"late".to_vec())
                };
                cache.answer(
                    key(cache, "7", "q"),
                    Keep::Briefly,
                    &Stop::new(),
                    PATIENCE,
                    ask,
                )
            });
            while cache.lock().flights.is_empty() {
                thread::yield_now();
            }
            let own = &stop;
            let follower = scope.spawn(move || {
                let ask = || panic!("somebody asks already");
                cache.answer(key(cache, "7", "q"), Keep::Briefly, own, PATIENCE, ask)
            });
            stop.stop();
            assert_eq!(
                follower.join().unwrap().err().unwrap().error,
                Error::Cancelled
            );
            told.send(()).unwrap();
            assert_eq!(&*leader.join().unwrap().ok().unwrap().body, b"late");
        });
    }

    #[test]
    fn a_change_drops_the_projects_answers_also_one_on_its_way_and_no_others() {
        let cache = Cache::new(PATIENCE, 1 << 20);
        let seven = ProjectId::parse("7").unwrap();
        asked(&cache, "7", "q", "old");
        asked(&cache, "8", "q", "other");
        cache.changed(Region::Eu, Some(&seven), None);
        assert_eq!(asked(&cache, "7", "q", "new"), ("old".into(), true));
        cache.changed(Region::Us, Some(&seven), None);
        let on_its_way = cache.answer(
            key(&cache, "7", "q"),
            Keep::Briefly,
            &Stop::new(),
            PATIENCE,
            || {
                cache.changed(Region::Us, Some(&seven), None);
                Ok(b"between".to_vec())
            },
        );
        assert_eq!(&*on_its_way.ok().unwrap().body, b"between");
        assert_eq!(asked(&cache, "7", "q", "new"), ("new".into(), false));
        assert_eq!(asked(&cache, "8", "q", "new"), ("other".into(), true));
    }

    #[test]
    fn a_tokens_project_is_the_one_that_changes_and_an_unknown_tokens_are_all() {
        let cache = Cache::new(PATIENCE, 1 << 20);
        let (known, unknown) = (Secret::new("k"), Secret::new("u"));
        cache.belongs(&known, &ProjectId::parse("7").unwrap());
        for project in ["7", "8"] {
            asked(&cache, project, "q", "old");
        }
        cache.changed(Region::Us, None, Some(&known));
        assert_eq!(asked(&cache, "7", "q", "new"), ("new".into(), false));
        assert_eq!(asked(&cache, "8", "q", "new"), ("old".into(), true));
        cache.changed(Region::Us, None, Some(&unknown));
        assert_eq!(asked(&cache, "8", "q", "new"), ("new".into(), false));
    }

    #[test]
    fn kept_answers_never_take_more_than_their_bytes_and_the_unused_go_first() {
        let bytes_max = 16 * 1024;
        let cache = Cache::new(PATIENCE, bytes_max);
        for number in 0..100 {
            asked(&cache, "7", &number.to_string(), &"x".repeat(1000));
            asked(&cache, "7", "0", "asked again and again");
            assert!(cache.lock().bytes <= bytes_max);
        }
        let state = cache.lock();
        assert_eq!(state.kept.len(), state.by_use.len());
        assert_eq!(
            state.bytes,
            state.kept.values().map(|entry| entry.bytes).sum::<usize>()
        );
        drop(state);
        assert!(asked(&cache, "7", "0", "").1 && asked(&cache, "7", "99", "").1);
        assert!(!asked(&cache, "7", "1", "").1);
        asked(&cache, "7", "large", &"x".repeat(bytes_max));
        assert!(!asked(&cache, "7", "large", "").1);
    }
}
