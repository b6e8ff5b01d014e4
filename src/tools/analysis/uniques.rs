//! How many different users there are, in all and in each group: exactly while they are few, then by sketches.
//!
//! A sketch is a HyperLogLog over a 64-bit hash with Ertl's estimator ("New cardinality estimation algorithms for
//! HyperLogLog sketches", 2017), which has no bias for small or large numbers.

use std::collections::HashSet;

use foldhash::fast::RandomState;

/// So many users, and as many users of groups, are counted exactly.
pub(super) const EXACT_MAX: usize = 100_000;
/// A group's sketch has 2 to this power registers of a byte: 2 KiB, standard error 2.3 %.
const GROUP_BITS: u32 = 11;
/// The sketch of all: 16 KiB, standard error 0.8 %.
const ALL_BITS: u32 = 14;

/// The users of an answer.
pub(super) struct Uniques {
    exact_max: usize,
    all: HashSet<u64, RandomState>,
    all_sketch: Option<Sketch>,
    groups: HashSet<(u32, u64), RandomState>,
    /// By group, once there are too many.
    group_sketches: Option<Vec<Sketch>>,
}

impl Uniques {
    pub(super) fn new() -> Uniques {
        Uniques::exact_to(EXACT_MAX)
    }

    fn exact_to(exact_max: usize) -> Uniques {
        Uniques {
            exact_max,
            all: HashSet::default(),
            all_sketch: None,
            groups: HashSet::default(),
            group_sketches: None,
        }
    }

    /// Notes that a user, by its number, was seen in a group. Groups are numbered from 0.
    pub(super) fn note(&mut self, group: u32, user: u64) {
        match &mut self.all_sketch {
            Some(sketch) => sketch.note(user),
            None => {
                self.all.insert(user);
                if self.all.len() > self.exact_max {
                    let mut sketch = Sketch::new(ALL_BITS);
                    std::mem::take(&mut self.all)
                        .into_iter()
                        .for_each(|user| sketch.note(user));
                    self.all_sketch = Some(sketch);
                }
            }
        }
        match &mut self.group_sketches {
            Some(sketches) => note_in(sketches, group, user),
            None => {
                self.groups.insert((group, user));
                if self.groups.len() > self.exact_max {
                    let mut sketches = Vec::new();
                    for (group, user) in std::mem::take(&mut self.groups) {
                        note_in(&mut sketches, group, user);
                    }
                    self.group_sketches = Some(sketches);
                }
            }
        }
    }

    /// All users, and whether that is exact.
    pub(super) fn all(&self) -> (u64, bool) {
        match &self.all_sketch {
            Some(sketch) => (sketch.estimate(), false),
            None => (self.all.len() as u64, true),
        }
    }

    /// The users of these groups together.
    pub(super) fn of(&self, groups: &HashSet<u32>) -> u64 {
        if let Some(sketches) = &self.group_sketches {
            let mut together = Sketch::new(GROUP_BITS);
            for group in groups {
                if let Some(sketch) = sketches.get(*group as usize) {
                    together.merge(sketch);
                }
            }
            return together.estimate();
        }
        let users: HashSet<u64> = self
            .groups
            .iter()
            .filter(|(group, _)| groups.contains(group))
            .map(|(_, user)| *user)
            .collect();
        users.len() as u64
    }

    /// The users of each group, by its number, up to `groups` of them.
    pub(super) fn by_group(&self, groups: usize) -> Vec<u64> {
        let mut users = vec![0; groups];
        match &self.group_sketches {
            Some(sketches) => {
                for (users, sketch) in users.iter_mut().zip(sketches) {
                    *users = sketch.estimate();
                }
            }
            None => {
                for (group, _) in &self.groups {
                    if let Some(users) = users.get_mut(*group as usize) {
                        *users += 1;
                    }
                }
            }
        }
        users
    }

    /// Whether the users of groups are exact.
    pub(super) fn groups_are_exact(&self) -> bool {
        self.group_sketches.is_none()
    }
}

fn note_in(sketches: &mut Vec<Sketch>, group: u32, user: u64) {
    let group = group as usize;
    while sketches.len() <= group {
        sketches.push(Sketch::new(GROUP_BITS));
    }
    if let Some(sketch) = sketches.get_mut(group) {
        sketch.note(user);
    }
}

/// A HyperLogLog.
struct Sketch {
    bits: u32,
    /// For each part of the hashes, the most leading zeros seen, plus one.
    registers: Box<[u8]>,
}

impl Sketch {
    fn new(bits: u32) -> Sketch {
        Sketch {
            bits,
            registers: vec![0; 1 << bits].into(),
        }
    }

    fn note(&mut self, hash: u64) {
        let part = (hash >> (64 - self.bits)) as usize;
        // The bit behind the hash ends the count.
        let rest = (hash << self.bits) | (1 << (self.bits - 1));
        let rank = rest.leading_zeros() as u8 + 1;
        if let Some(register) = self.registers.get_mut(part) {
            *register = (*register).max(rank);
        }
    }

    fn merge(&mut self, other: &Sketch) {
        for (register, other) in self.registers.iter_mut().zip(&other.registers) {
            *register = (*register).max(*other);
        }
    }

    fn estimate(&self) -> u64 {
        let registers = self.registers.len() as f64;
        let rank_max = (64 - self.bits + 1) as usize;
        let mut counts = vec![0.0; rank_max + 1];
        for register in &self.registers {
            if let Some(count) = counts.get_mut(usize::from(*register)) {
                *count += 1.0;
            }
        }
        let count = |rank: usize| counts.get(rank).copied().unwrap_or(0.0);
        let mut sum = registers * tau(1.0 - count(rank_max) / registers);
        for rank in (1..rank_max).rev() {
            sum = 0.5 * (sum + count(rank));
        }
        sum += registers * sigma(count(0) / registers);
        (registers * registers / (2.0 * std::f64::consts::LN_2 * sum)).round() as u64
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * y;
        y += y;
        if sum == before {
            return sum;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        y *= 0.5;
        sum -= (1.0 - x).powi(2) * y;
        if sum == before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::users::user_number;
    use super::*;
    use crate::sandbox::random::Random;

    #[test]
    fn estimates_are_within_their_error_at_every_size() {
        for bits in [GROUP_BITS, ALL_BITS] {
            let error = 1.04 / f64::from(1 << bits).sqrt();
            // Different users each time, so that the errors are independent.
            for (round, size) in [0_u64, 1, 10, 100, 1_000, 5_000, 20_000, 60_000, 200_000]
                .into_iter()
                .enumerate()
            {
                let mut sketch = Sketch::new(bits);
                for user in 0..size {
                    sketch.note(user_number(&format!("{round}-{user}")));
                }
                let off = sketch.estimate().abs_diff(size) as f64;
                assert!(
                    off <= (4.0 * error * size as f64).max(1.0),
                    "{bits} {size}: off by {off}"
                );
            }
        }
    }

    /// Each group's users, said plainly.
    fn plainly(notes: &[(u32, u64)], groups: &HashSet<u32>) -> u64 {
        let users: HashSet<u64> = notes
            .iter()
            .filter(|(group, _)| groups.contains(group))
            .map(|(_, user)| *user)
            .collect();
        users.len() as u64
    }

    #[test]
    fn users_are_exact_up_to_the_bound_and_near_beyond_it() {
        let everything = HashSet::from_iter(0..5);
        for (people, is_exact) in [(300, true), (30_000, false)] {
            let mut random = Random::new(people);
            let mut uniques = Uniques::exact_to(2_000);
            let notes: Vec<(u32, u64)> = (0..people * 4)
                .map(|_| {
                    (
                        random.below(5) as u32,
                        user_number(&random.below(people).to_string()),
                    )
                })
                .collect();
            for (group, user) in &notes {
                uniques.note(*group, *user);
            }
            assert_eq!(uniques.groups_are_exact(), is_exact);
            let near = |found: u64, expected: u64| {
                let off = found.abs_diff(expected) as f64 / expected as f64;
                assert!(
                    if is_exact { off == 0.0 } else { off < 0.1 },
                    "{found} {expected}"
                );
            };
            assert_eq!(uniques.all().1, is_exact);
            near(uniques.all().0, plainly(&notes, &everything));
            let some = HashSet::from([1, 3]);
            near(uniques.of(&some), plainly(&notes, &some));
            for (group, users) in uniques.by_group(5).into_iter().enumerate() {
                near(users, plainly(&notes, &HashSet::from([group as u32])));
            }
        }
    }
}
