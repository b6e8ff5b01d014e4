//! How many users go through steps in their order, within a time, and how long each step takes.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::conditions::{self, Condition};
use super::labels::Labels;
use super::users::{Moment, Users, Walk, user_number};
use crate::mcp::args::{Arg as _, Date, Id, Int, List, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::LengthUnit;
use crate::tools::ask::{Ask, bad_arguments, counted, object, quoted, whole};
use crate::tools::stream::{Plan, Reading, Wanted, place, read};

const STEPS_MAX: usize = 10;
const LENGTH_DAYS_DEFAULT: i64 = 14;
const DAY_MS: i64 = 86_400_000;
const LENGTH_MS_MAX: i64 = 90 * DAY_MS;
/// Users of more groups than this are in one group together.
const GROUPS_MAX: usize = 1_000;
const GROUPS_DEFAULT: usize = 20;
/// The group of those whose group is one too many.
const OTHERS: u32 = u32::MAX;

const STEPS: Shape = Shape::List {
    item: &Shape::Object(&[
        Field::always("event", Shape::Words),
        Field::always("users", Shape::Count),
        Field::always("percent_of_first", Shape::Number),
        Field::always("percent_of_previous", Shape::Number),
        Field::sometimes("median_s", Shape::Number).about("From the step before."),
    ]),
    min: 0,
    max: STEPS_MAX,
};

pub(super) const ANALYZE_FUNNEL: Tool<Ask> = Tool {
    name: "mixpanel_analyze_funnel",
    title: "Funnel of any steps",
    about: "Counts the unique users who go through 2 to 10 steps in order within a time, with conversion and median time of each step; no saved funnel is needed. Other events may come between. A user counts once, with the way that came furthest, and must begin within the days. Reads one raw export: costs 1 export of the 60 an hour and no query.",
    effect: Effect::Reads,
    params: AnalyzeFunnel::FIELDS,
    output: &[
        Field::always("steps", STEPS),
        Field::sometimes(
            "groups",
            Shape::List {
                item: &Shape::Object(&[
                    Field::sometimes("by", Shape::MapOf(&Shape::Words)),
                    Field::always("steps", STEPS),
                ]),
                min: 0,
                max: GROUPS_MAX,
            },
        ),
        Field::always("sampled_1_in", Shape::Count),
        Field::always("truncated", Shape::Flag),
        Reading::FIELD,
    ],
    run: |ask, arguments| analyze_funnel(ask, AnalyzeFunnel::read(arguments)),
};

args! {
    struct AnalyzeFunnel {
        /// First day, in UTC, or the project's zone for projects from before 2023.
        from_date: Date,
        /// Last day on which users begin, inclusive, not after today.
        to_date: Date,
        /// The steps in order.
        steps: List<Step, 2, STEPS_MAX>,
        /// Time from the first step to the last, in length_unit, at most 90 days. Default 14 days.
        length: Option<Int<1, 7_776_000>>,
        /// Unit of length. Default day.
        length_unit: Option<LengthUnit>,
        /// Filter that every event must fulfil, such as properties["plan"] == "pro"; may use user["..."].
        r#where: Option<Text<4000>>,
        /// Names of the properties of the first step's event to split by. Default: none.
        by: Option<List<Text<255>, 1, 3>>,
        /// Most groups of by. Default 20.
        limit: Option<Int<1, 1000>>,
        /// Project id. Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct Step {
        /// Event name, exact.
        event: Text<255>,
        /// Filter of this step alone, such as properties["amount"] > 10. Default: none.
        r#where: Option<Text<4000>>,
    }
}

/// The steps, as bits of [`Moment::what`]. [`BEGINS`] marks what lies in the days in which users begin.
struct Funnel {
    steps: usize,
    length_ms: i64,
}

const BEGINS: u32 = 1 << 31;
const NOT_YET: i64 = i64::MIN;

/// How far a user came: for each number of steps, the attempt of that many that began last, as it has the most time
/// left; and the one that came furthest. An attempt is its label and the time of each step.
///
/// All in one piece of memory, as there may be many of them: of n steps, n(n + 5) / 2 + 1 numbers.
#[derive(Default)]
struct Progress {
    cells: Box<[i64]>,
    /// How many steps the one that came furthest has.
    furthest: usize,
}

impl Progress {
    fn make(&mut self, steps: usize) {
        if self.cells.is_empty() {
            self.cells = vec![NOT_YET; start_of(steps) + steps + 1].into();
        }
    }

    /// The attempt that came furthest.
    fn best(&self, steps: usize) -> &[i64] {
        let start = start_of(steps);
        self.cells
            .get(start..start + self.furthest + 1)
            .unwrap_or_default()
    }

    fn set(&mut self, start: usize, at: usize, value: i64) {
        if let Some(cell) = self.cells.get_mut(start + at) {
            *cell = value;
        }
    }
}

/// Where the attempt of one more step than `before` begins.
fn start_of(before: usize) -> usize {
    before * (before + 3) / 2
}

impl Walk for Funnel {
    type State = Progress;

    fn begins(&self, moment: &Moment) -> bool {
        moment.what & (BEGINS | 1) == BEGINS | 1
    }

    fn step(&self, state: &mut Progress, moment: &Moment) {
        state.make(self.steps);
        // From the last step down, so that an event is never two steps of one attempt.
        for at in (0..self.steps)
            .rev()
            .filter(|at| moment.what & (1 << at) != 0)
        {
            let start = start_of(at);
            if at == 0 {
                if moment.what & BEGINS == 0 {
                    continue;
                }
                state.set(start, 0, i64::from(moment.label));
            } else {
                let before = start_of(at - 1);
                let began = state.cells.get(before + 1).copied().unwrap_or(NOT_YET);
                if began == NOT_YET || moment.time_ms - began > self.length_ms {
                    continue;
                }
                state.cells.copy_within(before..before + at + 1, start);
            }
            state.set(start, at + 1, moment.time_ms);
            if state.furthest < at + 1 {
                state.furthest = at + 1;
                let best = start_of(self.steps);
                state.cells.copy_within(start..start + at + 2, best);
            }
        }
    }

    /// At the same time, the steps are taken to have come in their order.
    fn order(&self, a: &Moment, b: &Moment) -> std::cmp::Ordering {
        let key = |moment: &Moment| (moment.what.trailing_zeros(), moment.what, moment.label);
        key(a).cmp(&key(b))
    }
}

/// The users of a group.
#[derive(Clone, Default)]
struct Tally {
    /// By step, how many came there.
    users: Vec<u64>,
    /// By step, how long each of them took from the step before, in milliseconds.
    took_ms: Vec<Vec<i64>>,
}

impl Tally {
    fn add(&mut self, times: &[i64], steps: usize) {
        self.users.resize(steps, 0);
        self.took_ms.resize(steps, Vec::new());
        for (at, users) in self.users.iter_mut().enumerate().take(times.len()) {
            *users += 1;
            if let (Some(took), [before, time, ..]) = (
                self.took_ms.get_mut(at),
                times.get(at.wrapping_sub(1)..).unwrap_or_default(),
            ) {
                took.push(time - before);
            }
        }
    }

    fn began(&self) -> u64 {
        self.users.first().copied().unwrap_or(0)
    }

    fn json(&mut self, names: &[String], scaled: impl Fn(u64) -> u64) -> Value {
        self.users.resize(names.len(), 0);
        self.took_ms.resize(names.len(), Vec::new());
        let first = self.began();
        let mut previous = first;
        let mut steps = Vec::new();
        for ((name, users), took) in names.iter().zip(&self.users).zip(&mut self.took_ms) {
            let mut step = json!({
                "event": name,
                "users": scaled(*users),
                "percent_of_first": percent(*users, first),
                "percent_of_previous": percent(*users, previous),
            });
            if let Some(median) = median_ms(took) {
                step["median_s"] = whole(median.round() / 1_000.0);
            }
            steps.push(step);
            previous = *users;
        }
        steps.into()
    }
}

/// A part of a whole in percent, to two digits; 0 of nothing.
pub(super) fn percent(part: u64, whole_number: u64) -> Value {
    let percent = part as f64 * 100.0 / whole_number.max(1) as f64;
    whole((percent * 100.0).round() / 100.0)
}

/// The middle one, or the mean of the two in the middle; of nothing there is none.
fn median_ms(took: &mut [i64]) -> Option<f64> {
    took.sort_unstable();
    let middle = took.len() / 2;
    let above = *took.get(middle)? as f64;
    if took.len().is_multiple_of(2) {
        Some((*took.get(middle.checked_sub(1)?)? as f64 + above) / 2.0)
    } else {
        Some(above)
    }
}

/// The time within which something must happen. Errors: it is too long.
pub(super) fn length_ms(
    length: Option<i64>,
    unit: Option<LengthUnit>,
    default_days: i64,
) -> Result<i64, String> {
    let unit_ms = match unit.unwrap_or(LengthUnit::Day) {
        LengthUnit::Day => DAY_MS,
        LengthUnit::Hour => 3_600_000,
        LengthUnit::Minute => 60_000,
        LengthUnit::Second => 1_000,
    };
    match length.map_or(Some(default_days * DAY_MS), |length| {
        length.checked_mul(unit_ms)
    }) {
        Some(ms) if ms <= LENGTH_MS_MAX => Ok(ms),
        _ => Err("length: must be at most 90 days, in the unit of length_unit".into()),
    }
}

/// So many days hold a time.
pub(super) fn days_over(length_ms: i64) -> i64 {
    (length_ms + DAY_MS - 1) / DAY_MS
}

fn analyze_funnel(ask: &Ask, args: AnalyzeFunnel) -> Result<Answer, Failure> {
    let mut faults = Vec::new();
    let mut conditions = Vec::new();
    for (at, step) in args.steps.0.iter().enumerate() {
        let filter = step.r#where.as_ref().map(|filter| filter.0.as_str());
        match Condition::new(&format!("steps[{at}].where"), Some(&step.event.0), filter) {
            Ok(condition) => conditions.push(condition),
            Err(fault) => faults.push(fault),
        }
    }
    let length = args.length.as_ref().map(|length| length.0);
    let length_ms = length_ms(length, args.length_unit, LENGTH_DAYS_DEFAULT)
        .map_err(|fault| faults.push(fault))
        .unwrap_or(0);
    if !faults.is_empty() {
        return Err(bad_arguments(faults));
    }
    let names: Vec<String> = args
        .steps
        .0
        .iter()
        .map(|step| step.event.0.clone())
        .collect();
    let by: Vec<String> = args
        .by
        .iter()
        .flat_map(|by| &by.0)
        .map(|name| name.0.clone())
        .collect();
    let limit = args.limit.map_or(GROUPS_DEFAULT, |limit| limit.0 as usize);
    let project = ask.project(args.project_id.as_ref())?;
    let range = ask.export_days(&project, &args.from_date, &args.to_date)?;

    let mut plan = Plan::over(range, 0, days_over(length_ms));
    plan.names = conditions::names(&conditions);
    plan.filter = conditions::filter(
        &conditions,
        args.r#where.as_ref().map(|filter| filter.0.as_str()),
    );
    let properties = conditions.iter().flat_map(Condition::properties);
    plan.wanted = Wanted::new(properties.chain(by.iter().map(String::as_str)));
    let (_, end_ms) = plan.asked_ms();

    let fresh = || {
        let funnel = Funnel {
            steps: conditions.len(),
            length_ms,
        };
        (Users::new(funnel), Labels::new(false, &by, GROUPS_MAX))
    };
    let ((users, labels), reading) =
        read(ask, &project, &mut plan, fresh, |(users, labels), event| {
            let fulfilled = conditions
                .iter()
                .enumerate()
                .filter(|(_, condition)| condition.holds(event));
            let mut what = fulfilled.fold(0, |what, (at, _)| what | 1 << at);
            let Some(user) = event.user().filter(|_| what != 0) else {
                return;
            };
            let mut label = 0;
            if event.time_ms < end_ms {
                what |= BEGINS;
                if what & 1 != 0 && !by.is_empty() {
                    label = labels.number(event).unwrap_or(OTHERS);
                }
            }
            let moment = Moment {
                time_ms: event.time_ms,
                what,
                label,
            };
            users.note(user_number(&user), moment);
        })?;

    let (funnel, outcome) = users.finish();
    let mut overall = Tally::default();
    let mut groups: HashMap<i64, Tally> = HashMap::new();
    for state in &outcome.states {
        if let [label, times @ ..] = state.best(funnel.steps) {
            overall.add(times, funnel.steps);
            if !by.is_empty() {
                groups.entry(*label).or_default().add(times, funnel.steps);
            }
        }
    }

    let scaled = |users| outcome.scaled(users);
    let began = overall.began();
    let last = overall.users.last().copied().unwrap_or(0);
    let mut summary = match began {
        0 => {
            let first = names.first().map_or("", String::as_str);
            format!(
                "nobody began with {} in {}; {}",
                quoted(first),
                place(&project, range),
                ask.about_events(&project, &[first])
            )
        }
        _ => format!(
            "{} of {} ({} %) went through all {} steps in {}",
            scaled(last),
            counted(scaled(began), "user"),
            percent(last, began),
            names.len(),
            place(&project, range)
        ),
    };
    if plan.days.to > range.to {
        summary += &format!("; later steps were looked for until {}", plan.days.to);
    }
    let mut data = Data::of([
        ("steps", overall.json(&names, scaled).into()),
        ("sampled_1_in", outcome.each_stands_for.into()),
        ("truncated", false.into()),
        ("read", reading.json().into()),
    ]);
    if !by.is_empty() {
        let mut ranked: Vec<(Option<&str>, Tally)> = labels
            .sorted()
            .into_iter()
            .map(|(name, number)| (Some(name), i64::from(number)))
            .chain([(None, i64::from(OTHERS))])
            .filter_map(|(name, number)| Some((name, groups.remove(&number)?)))
            .collect();
        // The names are sorted already.
        ranked.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.began()));
        let all = ranked.len();
        let items = ranked.into_iter().take(limit).map(|(name, mut tally)| {
            let mut group = match name {
                Some(name) => labels.described(name),
                None => object([("by", json!({"": "(others)"}))]),
            };
            group.insert("steps".into(), tally.json(&names, scaled));
            Value::from(group)
        });
        let (items, _) = ask.fitting_values(items);
        if items.len() < all {
            summary += &format!(
                "; {} of {all} groups are listed: raise limit (at most 1000) for more",
                items.len()
            );
            data.insert("truncated", true);
        }
        data.insert("groups", items);
    }
    summary += &outcome.notes();
    summary += &reading.notes();
    Ok(Answer { summary, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::random::Random;

    /// The times of the attempt of `steps` steps that ends with `events[last]` and whose steps came last, if there is
    /// one: the definition, said backwards.
    fn attempt(funnel: &Funnel, events: &[Moment], last: usize, steps: usize) -> Option<Vec<i64>> {
        let event = events[last];
        if event.what & (1 << (steps - 1)) == 0 {
            return None;
        }
        if steps == 1 {
            return (event.what & BEGINS != 0).then(|| vec![i64::from(event.label), event.time_ms]);
        }
        let before = (0..last)
            .rev()
            .find_map(|before| attempt(funnel, events, before, steps - 1))?;
        if event.time_ms - before[1] > funnel.length_ms {
            return None;
        }
        Some([before, vec![event.time_ms]].concat())
    }

    fn plainly(funnel: &Funnel, events: &[Moment]) -> Vec<i64> {
        for steps in (1..=funnel.steps).rev() {
            for last in 0..events.len() {
                if let Some(attempt) = attempt(funnel, events, last, steps) {
                    return attempt;
                }
            }
        }
        Vec::new()
    }

    /// Whether any choice of events makes so many steps: without a thought on which is best.
    fn is_possible(
        funnel: &Funnel,
        events: &[Moment],
        from: usize,
        at: usize,
        began: i64,
        steps: usize,
    ) -> bool {
        if at == steps {
            return true;
        }
        (from..events.len()).any(|next| {
            let event = events[next];
            let begins = at == 0;
            let fits = event.what & (1 << at) != 0
                && if begins {
                    event.what & BEGINS != 0
                } else {
                    event.time_ms - began <= funnel.length_ms
                };
            let began = if begins { event.time_ms } else { began };
            fits && is_possible(funnel, events, next + 1, at + 1, began, steps)
        })
    }

    fn history(random: &mut Random, steps: usize) -> Vec<Moment> {
        let number = random.below(14);
        let mut events: Vec<Moment> = (0..number)
            .map(|_| Moment {
                time_ms: random.between(0, 40),
                what: (random.next() as u32 & random.next() as u32 & ((1 << steps) - 1))
                    .max(1 << random.below(steps as u64)),
                label: random.below(3) as u32,
            })
            .collect();
        for event in &mut events {
            if event.time_ms < 30 {
                event.what |= BEGINS;
            }
        }
        events
    }

    #[test]
    fn whatever_a_user_does_the_furthest_way_is_found() {
        let mut random = Random::new(11);
        let mut reached = [0; 5];
        for _ in 0..20_000 {
            let funnel = Funnel {
                steps: 2 + random.below(3) as usize,
                length_ms: random.between(1, 40),
            };
            let mut events = history(&mut random, funnel.steps);
            let mut users = Users::new(Funnel { ..funnel });
            for event in &events {
                users.note(7, *event);
            }
            events.sort_by(|a, b| a.time_ms.cmp(&b.time_ms).then_with(|| funnel.order(a, b)));
            let (_, outcome) = users.finish();
            let found = outcome
                .states
                .first()
                .map_or(&[][..], |state| state.best(funnel.steps));
            assert_eq!(
                found,
                plainly(&funnel, &events),
                "{events:?} within {}",
                funnel.length_ms
            );
            let furthest = (1..=funnel.steps)
                .rev()
                .find(|steps| is_possible(&funnel, &events, 0, 0, 0, *steps))
                .unwrap_or(0);
            assert_eq!(found.len().saturating_sub(1), furthest, "{events:?}");
            reached[furthest] += 1;
        }
        assert!(reached.iter().all(|times| *times > 500), "{reached:?}");
    }

    #[test]
    fn a_median_is_the_middle_or_the_mean_of_two() {
        assert_eq!(median_ms(&mut []), None);
        assert_eq!(median_ms(&mut [7]), Some(7.0));
        assert_eq!(median_ms(&mut [9, 2, 4]), Some(4.0));
        assert_eq!(median_ms(&mut [9, 2, 4, 5]), Some(4.5));
    }

    #[test]
    fn a_length_has_its_unit_and_its_limit() {
        assert_eq!(length_ms(None, None, 14), Ok(14 * 86_400_000));
        assert_eq!(
            length_ms(Some(90), Some(LengthUnit::Minute), 1),
            Ok(5_400_000)
        );
        assert!(length_ms(Some(91), None, 1).is_err());
        assert!(length_ms(Some(i64::MAX), None, 1).is_err());
    }
}
