//! What each user did, in the order of time: an export gives events in hardly any order.
//!
//! Events wait until they can be put into their order, and are then walked through user by user; what is kept of a
//! user is up to the analysis. Where an export gives one day after the other, as Mixpanel does, a day can be walked
//! through when the next one begins, so that memory grows with the users and not with the events. When there is no
//! room left, users are left out by their hash: a half, a quarter, … of them stays, each with everything they did.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher as _};

use crate::tools::ask::counted;

const DAY_MS: i64 = 86_400_000;
/// The most events that wait, 24 bytes each.
const WAITING_MAX: usize = 1_000_000;
/// There is room for so many at first; it is doubled when a day holds more.
const WAITING_FIRST: usize = 65_536;
/// The most users that are kept.
const USERS_MAX: usize = 200_000;
/// A user with more waiting events than the `BUSY_PART`th part of all is left out: a robot, or an id that many share.
const BUSY_PART: usize = 16;

/// Something that a user did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    /// Milliseconds since the epoch.
    pub(super) time_ms: i64,
    /// What it is for the analysis.
    pub(super) what: u32,
    /// More about it.
    pub(super) label: u32,
}

/// An analysis, user by user.
pub(super) trait Walk {
    /// What is kept of a user.
    type State: Default;

    /// Whether a user of whom nothing is kept begins with this.
    fn begins(&self, moment: &Moment) -> bool;

    /// The next thing that a user did.
    fn step(&self, state: &mut Self::State, moment: &Moment);

    /// Which of two things at the same time is taken for the earlier one. An answer must not depend on the export's
    /// order, so only equal ones may be equal here.
    fn order(&self, a: &Moment, b: &Moment) -> Ordering {
        (a.what, a.label).cmp(&(b.what, b.label))
    }
}

/// The number that stands for a user: equal in each call, so that equal questions have equal answers.
pub(super) fn user_number(distinct_id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(distinct_id.as_bytes());
    hasher.finish()
}

#[derive(Clone, Copy)]
struct Limits {
    users: usize,
    waiting: usize,
}

/// All users of an analysis.
pub(super) struct Users<W: Walk> {
    pub(super) walk: W,
    limits: Limits,
    states: HashMap<u64, W::State>,
    waiting: Vec<(u64, Moment)>,
    /// When there are so many waiting, room is made.
    room: usize,
    /// One user in 2 to this power is kept.
    halvings: u32,
    /// Users with too many events at once.
    busy: HashSet<u64>,
    /// What is before this is walked through.
    walked_until_ms: i64,
    newest_day: i64,
    /// Whether no event came after one of a later day.
    is_in_order: bool,
    late: u64,
}

/// The users in the end.
pub(super) struct Outcome<S> {
    /// What is kept of each user that was not left out.
    pub(super) states: Vec<S>,
    /// Each of them stands for so many: a power of two, 1 where nobody was left out.
    pub(super) each_stands_for: u64,
    /// Users left out for having too many events at once.
    pub(super) busy: usize,
    /// Events that came when their time was walked through already.
    pub(super) late: u64,
}

impl<W: Walk> Users<W> {
    pub(super) fn new(walk: W) -> Users<W> {
        Users::within(
            walk,
            Limits {
                users: USERS_MAX,
                waiting: WAITING_MAX,
            },
        )
    }

    fn within(walk: W, limits: Limits) -> Users<W> {
        Users {
            walk,
            limits,
            states: HashMap::new(),
            waiting: Vec::new(),
            room: WAITING_FIRST.min(limits.waiting),
            halvings: 0,
            busy: HashSet::new(),
            walked_until_ms: i64::MIN,
            newest_day: i64::MIN,
            is_in_order: true,
            late: 0,
        }
    }

    /// Notes what a user did; in any order.
    pub(super) fn note(&mut self, user: u64, moment: Moment) {
        let day = moment.time_ms.div_euclid(DAY_MS);
        self.is_in_order &= day >= self.newest_day;
        self.newest_day = self.newest_day.max(day);
        if !is_kept(user, self.halvings) || self.busy.contains(&user) {
            return;
        }
        if moment.time_ms < self.walked_until_ms {
            self.late += 1;
            return;
        }
        self.waiting.push((user, moment));
        if self.waiting.len() >= self.room {
            self.make_room();
        }
    }

    /// Walks through what can be; if that is not enough, takes more room, and in the end leaves users out.
    fn make_room(&mut self) {
        if self.is_in_order {
            self.walk_until(self.newest_day.saturating_mul(DAY_MS));
        }
        let enough = self.room / 4 * 3;
        if self.waiting.len() > enough && self.room < self.limits.waiting {
            self.room = (self.room * 2).min(self.limits.waiting);
            return;
        }
        if self.waiting.len() > enough {
            self.leave_busy_out();
        }
        while self.waiting.len() > enough {
            self.halve();
        }
    }

    fn leave_busy_out(&mut self) {
        self.waiting.sort_unstable_by_key(|(user, _)| *user);
        let most = (self.limits.waiting / BUSY_PART).max(1);
        let found = self
            .waiting
            .chunk_by(|(a, _), (b, _)| a == b)
            .filter(|events| events.len() > most)
            .filter_map(|events| events.first().map(|(user, _)| *user));
        self.busy.extend(found);
        let busy = &self.busy;
        self.waiting.retain(|(user, _)| !busy.contains(user));
        self.states.retain(|user, _| !busy.contains(user));
    }

    fn halve(&mut self) {
        self.halvings += 1;
        let halvings = self.halvings;
        self.waiting.retain(|(user, _)| is_kept(*user, halvings));
        self.states.retain(|user, _| is_kept(*user, halvings));
    }

    fn walk_until(&mut self, end_ms: i64) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let walk = &self.walk;
        waiting.sort_unstable_by(|(a_user, a), (b_user, b)| {
            (a_user, a.time_ms)
                .cmp(&(b_user, b.time_ms))
                .then_with(|| walk.order(a, b))
        });
        for events in waiting.chunk_by(|(a, _), (b, _)| a == b) {
            for (user, moment) in events
                .iter()
                .take_while(|(_, moment)| moment.time_ms < end_ms)
            {
                if let Some(state) = self.states.get_mut(user) {
                    self.walk.step(state, moment);
                } else if is_kept(*user, self.halvings) && self.walk.begins(moment) {
                    let mut state = W::State::default();
                    self.walk.step(&mut state, moment);
                    self.states.insert(*user, state);
                    while self.states.len() > self.limits.users {
                        self.halvings += 1;
                        let halvings = self.halvings;
                        self.states.retain(|user, _| is_kept(*user, halvings));
                    }
                }
            }
        }
        let halvings = self.halvings;
        waiting.retain(|(user, moment)| moment.time_ms >= end_ms && is_kept(*user, halvings));
        self.waiting = waiting;
        self.walked_until_ms = self.walked_until_ms.max(end_ms);
    }

    /// Walks through the rest.
    pub(super) fn finish(mut self) -> (W, Outcome<W::State>) {
        self.walk_until(i64::MAX);
        let outcome = Outcome {
            states: self.states.into_values().collect(),
            each_stands_for: 1 << self.halvings.min(63),
            busy: self.busy.len(),
            late: self.late,
        };
        (self.walk, outcome)
    }
}

fn is_kept(user: u64, halvings: u32) -> bool {
    user.checked_shr(64_u32.saturating_sub(halvings))
        .unwrap_or(0)
        == 0
}

impl<S> Outcome<S> {
    /// A number of users, as the kept ones let expect it of all.
    pub(super) fn scaled(&self, users: u64) -> u64 {
        users.saturating_mul(self.each_stands_for)
    }

    /// What a summary has to say of it: empty when every user was kept.
    pub(super) fn notes(&self) -> String {
        let mut notes = String::new();
        if self.each_stands_for > 1 {
            notes += &format!(
                "; there are too many users to follow all, so this is estimated from 1 in {} of them ({} in all), chosen by a hash of distinct_id",
                self.each_stands_for,
                self.states.len(),
            );
        }
        if self.busy > 0 {
            notes += &format!(
                "; {} with too many events on one day is left out",
                counted(self.busy, "distinct_id")
            );
        }
        if self.late > 0 {
            notes += &format!(
                "; {} came out of order, too late to count",
                counted(self.late, "event")
            );
        }
        notes
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sandbox::random::Random;

    /// Keeps every moment, so that the order shows.
    struct Diary;

    impl Walk for Diary {
        type State = Vec<Moment>;

        fn begins(&self, _: &Moment) -> bool {
            true
        }

        fn step(&self, state: &mut Vec<Moment>, moment: &Moment) {
            state.push(*moment);
        }
    }

    /// Shuffles.
    pub(in super::super) fn shuffle<T>(items: &mut [T], random: &mut Random) {
        for at in (1..items.len()).rev() {
            items.swap(at, random.below(at as u64 + 1) as usize);
        }
    }

    fn moments(random: &mut Random, number: u64) -> Vec<(u64, Moment)> {
        (0..number)
            .map(|_| {
                let user = user_number(&random.below(40).to_string());
                let moment = Moment {
                    time_ms: random.between(0, 10 * 24) * DAY_MS / 24,
                    what: random.below(3) as u32,
                    label: 0,
                };
                (user, moment)
            })
            .collect()
    }

    /// Each user's moments in order, said plainly.
    fn plainly(moments: &[(u64, Moment)]) -> BTreeMap<u64, Vec<Moment>> {
        let mut diaries: BTreeMap<u64, Vec<Moment>> = BTreeMap::new();
        for (user, moment) in moments {
            diaries.entry(*user).or_default().push(*moment);
        }
        for diary in diaries.values_mut() {
            diary.sort_by_key(|moment| (moment.time_ms, moment.what, moment.label));
        }
        diaries
    }

    fn walked(moments: &[(u64, Moment)], limits: Limits) -> Users<Diary> {
        let mut users = Users::within(Diary, limits);
        for (user, moment) in moments {
            users.note(*user, *moment);
        }
        users.walk_until(i64::MAX);
        users
    }

    #[track_caller]
    fn check(users: Users<Diary>, moments: &[(u64, Moment)], kept: impl Fn(u64) -> bool) {
        let found: BTreeMap<u64, Vec<Moment>> = users.states.into_iter().collect();
        let mut expected = plainly(moments);
        expected.retain(|user, _| kept(*user));
        assert_eq!(found, expected);
    }

    #[test]
    fn days_in_order_are_walked_through_one_by_one_and_nothing_is_lost() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let mut all = moments(&mut random, 400);
            shuffle(&mut all, &mut random);
            // In any order within a day.
            all.sort_by_key(|(_, moment)| moment.time_ms.div_euclid(DAY_MS));
            let limits = Limits {
                users: 100,
                waiting: 120,
            };
            let users = walked(&all, limits);
            assert!(users.late == 0 && users.halvings == 0 && users.busy.is_empty());
            check(users, &all, |_| true);
        }
    }

    #[test]
    fn any_order_gives_the_same_while_there_is_room() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let mut all = moments(&mut random, 300);
            shuffle(&mut all, &mut random);
            let limits = Limits {
                users: 100,
                waiting: 400,
            };
            let users = walked(&all, limits);
            assert!(users.late == 0 && users.halvings == 0);
            check(users, &all, |_| true);
        }
    }

    #[test]
    fn without_room_whole_users_are_left_out_by_their_hash() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let mut all = moments(&mut random, 600);
            shuffle(&mut all, &mut random);
            let limits = Limits {
                users: 10,
                waiting: 500,
            };
            let users = walked(&all, limits);
            let halvings = users.halvings;
            assert!(halvings >= 2 && users.states.len() <= 10 && users.late == 0);
            check(users, &all, |user| is_kept(user, halvings));
        }
    }

    #[test]
    fn a_robot_is_left_out_and_costs_nobody_else_a_thing() {
        let mut random = Random::new(1);
        let mut all = moments(&mut random, 200);
        let robot = user_number("robot");
        all.extend((0..5_000).map(|number| {
            let moment = Moment {
                time_ms: number,
                what: 0,
                label: 0,
            };
            (robot, moment)
        }));
        shuffle(&mut all, &mut random);
        let users = walked(
            &all,
            Limits {
                users: 100,
                waiting: 1_000,
            },
        );
        assert_eq!((users.halvings, users.busy.len()), (0, 1));
        check(users, &all, |user| user != robot);
    }

    #[test]
    fn what_comes_after_its_time_was_walked_through_is_counted_as_late() {
        let moment = |day: i64| Moment {
            time_ms: day * DAY_MS,
            what: 0,
            label: 0,
        };
        let mut users = Users::within(
            Diary,
            Limits {
                users: 10,
                waiting: 4,
            },
        );
        for (user, day) in [(1, 0), (1, 1), (2, 1), (2, 2), (1, 0), (2, 2)] {
            users.note(user, moment(day));
        }
        let (_, outcome) = users.finish();
        assert_eq!((outcome.late, outcome.each_stands_for), (1, 1));
        assert_eq!(
            outcome.notes(),
            "; 1 event came out of order, too late to count"
        );
    }

    #[test]
    fn half_of_the_users_stay_after_each_halving() {
        for halvings in 0..6 {
            let kept = (0..64_000)
                .filter(|number: &u32| is_kept(user_number(&number.to_string()), halvings))
                .count();
            let expected = 64_000 >> halvings;
            assert!(
                kept.abs_diff(expected) * 20 < expected * 3,
                "{halvings}: {kept}"
            );
        }
        assert!(!is_kept(u64::MAX, 64) && is_kept(0, 64));
    }
}
