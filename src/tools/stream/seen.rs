//! Which events were there before: copies that a client sent twice, and what comes again when a broken export is
//! asked for again.
//!
//! An event is known by its name, time, user and `$insert_id`, as Mixpanel itself knows it; one without an
//! `$insert_id` has no copies, so that only its coming again is told, by its whole line.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::mem;

use foldhash::{fast, quality};

use super::event::Event;

/// Half of the memory: the last so many events are remembered for certain, twice as many at most. A key takes 9 to 20
/// bytes, so all together is under 40 MB.
const KEYS_MAX: usize = 900_000;
/// The most events without an `$insert_id` that are remembered.
const UNNAMED_MAX: usize = 200_000;

/// Whether an event is to be counted.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    New,
    /// Mixpanel stored it twice.
    Copy,
    /// It was read before the export broke.
    ComesAgain,
}

/// The events of the day that is being read, as hashes.
pub(super) struct Seen {
    hashes: quality::RandomState,
    keys_max: usize,
    keys: HashSet<u64, fast::RandomState>,
    /// The keys before these; forgotten when there are as many again.
    older: HashSet<u64, fast::RandomState>,
    /// How often each line without an `$insert_id` came.
    unnamed: HashMap<u64, u32, fast::RandomState>,
    /// How often it will come again.
    owed: HashMap<u64, u32, fast::RandomState>,
    comes_again: bool,
    has_forgotten: bool,
}

impl Seen {
    pub(super) fn new() -> Seen {
        Seen::of(KEYS_MAX)
    }

    fn of(keys_max: usize) -> Seen {
        Seen {
            hashes: quality::RandomState::default(),
            keys_max,
            keys: HashSet::default(),
            older: HashSet::default(),
            unnamed: HashMap::default(),
            owed: HashMap::default(),
            comes_again: false,
            has_forgotten: false,
        }
    }

    /// Judges the next event and remembers it.
    pub(super) fn judge(&mut self, event: &Event<'_>, line: &[u8]) -> Verdict {
        let Some(insert_id) = event.insert_id() else {
            return self.judge_line(line);
        };
        let key = self
            .hashes
            .hash_one((&event.name, event.time_ms, event.user(), insert_id));
        if self.older.contains(&key) || !self.keys.insert(key) {
            return if self.comes_again {
                Verdict::ComesAgain
            } else {
                Verdict::Copy
            };
        }
        if self.keys.len() >= self.keys_max {
            self.has_forgotten |= !self.older.is_empty();
            self.older = mem::take(&mut self.keys);
        }
        Verdict::New
    }

    fn judge_line(&mut self, line: &[u8]) -> Verdict {
        let key = self.hashes.hash_one(line);
        if let Some(owed) = self.owed.get_mut(&key).filter(|owed| **owed > 0) {
            *owed -= 1;
            return Verdict::ComesAgain;
        }
        if self.unnamed.len() < UNNAMED_MAX || self.unnamed.contains_key(&key) {
            let times = self.unnamed.entry(key).or_default();
            *times = times.saturating_add(1);
        } else {
            self.has_forgotten = true;
        }
        Verdict::New
    }

    /// Forgets everything: the day is over, and no event of it comes any more.
    pub(super) fn next_day(&mut self) {
        self.keys.clear();
        self.older.clear();
        self.unnamed.clear();
        self.owed.clear();
        self.comes_again = false;
        self.has_forgotten = false;
    }

    /// The day will be read again from its beginning.
    pub(super) fn begin_again(&mut self) {
        self.owed = self.unnamed.clone();
        self.comes_again = true;
    }

    /// Whether all events since the last [`Seen::next_day`] are remembered.
    pub(super) fn is_whole(&self) -> bool {
        !self.has_forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Wanted;
    use super::*;

    #[track_caller]
    fn check(seen: &mut Seen, line: &str, expected: Verdict) {
        let wanted = Wanted::default();
        let event = Event::read(line.as_bytes(), &wanted).unwrap();
        assert_eq!(seen.judge(&event, line.as_bytes()), expected, "{line}");
    }

    fn line(name: &str, id: &str) -> String {
        format!(r#"{{"event":"{name}","properties":{{"time":1,"distinct_id":"ann",{id}"x":1}}}}"#)
    }

    #[test]
    fn a_copy_is_told_by_its_insert_id_and_never_without_one() {
        let mut seen = Seen::new();
        let named = line("A", r#""$insert_id":"i","#);
        check(&mut seen, &named, Verdict::New);
        check(&mut seen, &named, Verdict::Copy);
        check(&mut seen, &line("B", r#""$insert_id":"i","#), Verdict::New);
        check(&mut seen, &line("A", ""), Verdict::New);
        check(&mut seen, &line("A", ""), Verdict::New);
        assert!(seen.is_whole());
    }

    #[test]
    fn what_comes_again_is_dropped_just_as_often_as_it_came() {
        let mut seen = Seen::new();
        for _ in 0..2 {
            check(&mut seen, &line("A", ""), Verdict::New);
        }
        check(&mut seen, &line("B", r#""$insert_id":"i","#), Verdict::New);
        for _ in 0..2 {
            seen.begin_again();
            check(&mut seen, &line("A", ""), Verdict::ComesAgain);
            check(&mut seen, &line("A", ""), Verdict::ComesAgain);
            check(
                &mut seen,
                &line("B", r#""$insert_id":"i","#),
                Verdict::ComesAgain,
            );
        }
        check(&mut seen, &line("A", ""), Verdict::New);
        seen.begin_again();
        for _ in 0..3 {
            check(&mut seen, &line("A", ""), Verdict::ComesAgain);
        }
        check(&mut seen, &line("A", ""), Verdict::New);
        seen.next_day();
        check(&mut seen, &line("A", ""), Verdict::New);
        check(&mut seen, &line("B", r#""$insert_id":"i","#), Verdict::New);
    }

    #[test]
    fn the_oldest_are_forgotten_and_that_is_known() {
        let mut seen = Seen::of(10);
        let numbered = |number: usize| line("A", &format!(r#""$insert_id":"{number}","#));
        for number in 0..19 {
            check(&mut seen, &numbered(number), Verdict::New);
        }
        assert!(seen.is_whole());
        check(&mut seen, &numbered(0), Verdict::Copy);
        check(&mut seen, &numbered(19), Verdict::New);
        assert!(!seen.is_whole());
        check(&mut seen, &numbered(10), Verdict::Copy);
        check(&mut seen, &numbered(0), Verdict::New);
    }
}
