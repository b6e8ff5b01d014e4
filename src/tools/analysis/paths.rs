//! What users do after an event, or before it: event by event, and as whole ways.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::{Value, json};

use super::funnel::{days_over, length_ms, percent};
use super::users::{Moment, Users, Walk, user_number};
use crate::mcp::args::{Arg as _, Date, Id, Int, List, Text, args, choice};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::LengthUnit;
use crate::tools::ask::{Ask, bad_arguments, counted, quoted};
use crate::tools::stream::{Event, Plan, Reading, place, read};

const DEPTH_MAX: usize = 10;
const DEPTH_DEFAULT: usize = 3;
const LIMIT_DEFAULT: usize = 5;
const LENGTH_DAYS_DEFAULT: i64 = 1;
/// More names than this are one event together.
const NAMES_MAX: usize = 10_000;
/// The name of those.
const OTHERS: &str = "(others)";

const WAY: Field = Field::always(
    "events",
    Shape::List {
        item: &Shape::Words,
        min: 0,
        max: DEPTH_MAX,
    },
);

pub(super) const ANALYZE_PATHS: Tool<Ask> = Tool {
    name: "mixpanel_analyze_paths",
    title: "Paths after or before an event",
    about: "Tells what users do after (or before) the first time they do an event in the range: the most frequent events at each step, and the most frequent whole paths. Reads one raw export of all events, so keep the range short or name event_names: costs 1 export of the 60 an hour and no query.",
    effect: Effect::Reads,
    params: AnalyzePaths::FIELDS,
    output: &[
        Field::always("users", Shape::Count).about("Who did the event."),
        Field::always(
            "steps",
            Shape::List {
                item: &Shape::Object(&[
                    Field::always("step", Shape::Count),
                    Field::always(
                        "events",
                        Shape::List {
                            item: &Shape::Object(&[
                                Field::always("event", Shape::Words),
                                Field::always("users", Shape::Count),
                                Field::always("percent", Shape::Number),
                            ]),
                            min: 0,
                            max: 50,
                        },
                    ),
                    Field::always("other_users", Shape::Count),
                    Field::always("users_without", Shape::Count)
                        .about("Who did nothing more (or nothing before)."),
                ]),
                min: 0,
                max: DEPTH_MAX,
            },
        ),
        Field::always(
            "paths",
            Shape::List {
                item: &Shape::Object(&[
                    WAY,
                    Field::always("users", Shape::Count),
                    Field::always("percent", Shape::Number),
                ]),
                min: 0,
                max: 50,
            },
        )
        .about("In the order of time, without the event itself."),
        Field::always("sampled_1_in", Shape::Count),
        Reading::FIELD,
    ],
    run: |ask, arguments| analyze_paths(ask, AnalyzePaths::read(arguments)),
};

args! {
    struct AnalyzePaths {
        /// First day, in UTC, or the project's zone for projects from before 2023.
        from_date: Date,
        /// Last day, inclusive, not after today.
        to_date: Date,
        /// Event at which the paths begin, or end, exact.
        event: Text<255>,
        /// after (default) or before the event.
        direction: Option<Direction>,
        /// How many steps. Default 3.
        depth: Option<Int<1, 10>>,
        /// Names of the events that can be steps, exact. Default: all events.
        event_names: Option<List<Text<255>, 1, 100>>,
        /// Filter that every event must fulfil; may use user["..."].
        r#where: Option<Text<4000>>,
        /// Farthest time from the event, in length_unit, at most 90 days. Default 1 day.
        length: Option<Int<1, 7_776_000>>,
        /// Unit of length. Default day.
        length_unit: Option<LengthUnit>,
        /// Whether the same event several times in a row is one step. Default true.
        collapse_repeats: Option<bool>,
        /// Most events a step, and most paths. Default 5.
        limit: Option<Int<1, 50>>,
        /// Project id. Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

choice! {
    enum Direction {
        After = "after",
        Before = "before",
    }
}

/// Bits of [`Moment::label`]: it is the event itself, in the range; it can be a step.
const ANCHOR: u32 = 1;
const STEP: u32 = 2;

struct Paths {
    /// Names of events; [`Moment::what`] is a place among them.
    names: Vec<Box<str>>,
    places: HashMap<Box<str>, u32>,
    direction: Direction,
    depth: usize,
    length_ms: i64,
    collapses: bool,
}

/// A user's way so far.
#[derive(Default)]
struct Way {
    /// When the event came.
    anchor_ms: Option<i64>,
    /// The last one, which is no step yet when it is the event itself.
    last: Option<u32>,
    /// At most `depth`, in the order of time.
    steps: Vec<(i64, u32)>,
}

impl Paths {
    fn new(direction: Direction, depth: usize, length_ms: i64, collapses: bool) -> Paths {
        Paths {
            names: Vec::new(),
            places: HashMap::new(),
            direction,
            depth,
            length_ms,
            collapses,
        }
    }

    fn place(&mut self, name: &str) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let name = if self.names.len() < NAMES_MAX {
            name
        } else {
            OTHERS
        };
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.into());
        self.places.insert(name.into(), place);
        place
    }

    fn name(&self, place: u32) -> &str {
        self.names.get(place as usize).map_or(OTHERS, |name| name)
    }
}

impl Walk for Paths {
    type State = Way;

    fn begins(&self, moment: &Moment) -> bool {
        self.direction == Direction::Before || moment.label & ANCHOR != 0
    }

    fn step(&self, way: &mut Way, moment: &Moment) {
        match (way.anchor_ms, self.direction) {
            (None, _) if moment.label & ANCHOR != 0 => {
                way.anchor_ms = Some(moment.time_ms);
                way.last = Some(moment.what);
                let earliest_ms = moment.time_ms.saturating_sub(self.length_ms);
                way.steps.retain(|(time_ms, _)| *time_ms >= earliest_ms);
                way.steps.shrink_to_fit();
            }
            (None, Direction::Before) if moment.label & STEP != 0 => {
                if !self.collapses || way.last != Some(moment.what) {
                    if way.steps.len() == self.depth {
                        way.steps.remove(0);
                    }
                    way.steps.push((moment.time_ms, moment.what));
                } else if let Some((time_ms, _)) = way.steps.last_mut() {
                    // Several in a row are as late as the last of them.
                    *time_ms = moment.time_ms;
                }
                way.last = Some(moment.what);
            }
            (Some(anchor_ms), Direction::After) if moment.label & STEP != 0 => {
                let is_step = way.steps.len() < self.depth
                    && moment.time_ms - anchor_ms <= self.length_ms
                    && !(self.collapses && way.last == Some(moment.what));
                if is_step {
                    way.steps.push((moment.time_ms, moment.what));
                    way.last = Some(moment.what);
                }
            }
            _ => (),
        }
    }

    /// By name: places differ with the order of the export.
    fn order(&self, a: &Moment, b: &Moment) -> Ordering {
        let key = |moment: &Moment| (self.name(moment.what).to_owned(), moment.label);
        if a.what == b.what {
            return a.label.cmp(&b.label);
        }
        key(a).cmp(&key(b))
    }
}

/// How often each comes, the most frequent first.
fn ranked<T: std::hash::Hash + Eq + Ord>(all: impl Iterator<Item = T>) -> Vec<(T, u64)> {
    let mut counts: HashMap<T, u64> = HashMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    let mut ranked: Vec<(T, u64)> = counts.into_iter().collect();
    ranked.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
    ranked
}

fn analyze_paths(ask: &Ask, args: AnalyzePaths) -> Result<Answer, Failure> {
    let direction = args.direction.unwrap_or(Direction::After);
    let depth = args.depth.map_or(DEPTH_DEFAULT, |depth| depth.0 as usize);
    let limit = args.limit.map_or(LIMIT_DEFAULT, |limit| limit.0 as usize);
    let length = args.length.as_ref().map(|length| length.0);
    let length_ms = length_ms(length, args.length_unit, LENGTH_DAYS_DEFAULT)
        .map_err(|fault| bad_arguments(vec![fault]))?;
    let collapses = args.collapse_repeats.unwrap_or(true);
    let project = ask.project(args.project_id.as_ref())?;
    let range = ask.export_days(&project, &args.from_date, &args.to_date)?;
    let more_days = days_over(length_ms);
    let mut plan = match direction {
        Direction::After => Plan::over(range, 0, more_days),
        Direction::Before => Plan::over(range, more_days, 0),
    };
    if let Some(names) = &args.event_names {
        plan.names = names.0.iter().map(|name| name.0.clone()).collect();
        if !plan.names.contains(&args.event.0) {
            plan.names.push(args.event.0.clone());
        }
    }
    plan.filter = args.r#where.map(|filter| filter.0);
    let can_be_step = |name: &str| {
        args.event_names
            .as_ref()
            .is_none_or(|names| names.0.iter().any(|known| known.0 == name))
    };
    let (from_ms, end_ms) = plan.asked_ms();

    let fresh = || Users::new(Paths::new(direction, depth, length_ms, collapses));
    let take = |users: &mut Users<Paths>, event: &Event<'_>| {
        let is_anchor = event.name == args.event.0 && (from_ms..end_ms).contains(&event.time_ms);
        let is_step = can_be_step(&event.name);
        if !is_anchor && !is_step {
            return;
        }
        let Some(user) = event.user() else {
            return;
        };
        let moment = Moment {
            time_ms: event.time_ms,
            what: users.walk.place(&event.name),
            label: if is_anchor { ANCHOR } else { 0 } | if is_step { STEP } else { 0 },
        };
        users.note(user_number(&user), moment);
    };
    let (users, reading) = read(ask, &project, &mut plan, fresh, take)?;

    let (paths, outcome) = users.finish();
    let scaled = |users| outcome.scaled(users);
    let ways: Vec<Vec<&str>> = outcome
        .states
        .iter()
        .filter(|way| way.anchor_ms.is_some())
        .map(|way| {
            let places = way.steps.iter().map(|(_, place)| *place);
            places.map(|place| paths.name(place)).collect()
        })
        .collect();
    let did = ways.len() as u64;
    let steps: Vec<Value> = (0..depth)
        .map(|at| {
            let at_step = ways.iter().filter_map(|way| match direction {
                Direction::After => way.get(at),
                // The first step is the one next to the event.
                Direction::Before => way.len().checked_sub(at + 1).and_then(|at| way.get(at)),
            });
            let events = ranked(at_step);
            let some: u64 = events.iter().map(|(_, users)| users).sum();
            let listed: u64 = events.iter().take(limit).map(|(_, users)| users).sum();
            let items: Vec<Value> = events
                .iter()
                .take(limit)
                .map(|(name, users)| {
                    json!({"event": name, "users": scaled(*users), "percent": percent(*users, did)})
                })
                .collect();
            json!({
                "step": at + 1,
                "events": items,
                "other_users": scaled(some - listed),
                "users_without": scaled(did - some),
            })
        })
        .collect();
    let whole_ways: Vec<Value> = ranked(ways.iter())
        .into_iter()
        .take(limit)
        .map(|(way, users)| {
            json!({"events": way, "users": scaled(users), "percent": percent(users, did)})
        })
        .collect();

    let event = quoted(&args.event.0);
    let place = place(&project, range);
    let first = steps.first().map(|step| &step["events"][0]);
    let mut summary = match (did, first.filter(|first| first.is_object())) {
        (0, _) => format!(
            "nobody did {event} in {place}; {}",
            ask.about_events(&project, &[&args.event.0])
        ),
        (_, None) => format!(
            "{} did {event} in {place}, and nothing {} it",
            counted(scaled(did), "user"),
            direction.word()
        ),
        (_, Some(first)) => format!(
            "{} did {event} in {place}; next {} it most often comes {} ({} %)",
            counted(scaled(did), "user"),
            direction.word(),
            first["event"],
            first["percent"]
        ),
    };
    summary += &outcome.notes();
    summary += &reading.notes();
    Ok(Answer {
        summary,
        data: Data::of([
            ("users", scaled(did).into()),
            ("steps", steps.into()),
            ("paths", whole_ways.into()),
            ("sampled_1_in", outcome.each_stands_for.into()),
            ("read", reading.json().into()),
        ]),
    })
}

#[cfg(test)]
mod tests {
    use super::super::users::tests::shuffle;
    use super::*;
    use crate::sandbox::random::Random;

    const NAMES: [&str; 4] = ["A", "B", "C", "D"];

    /// Time, name, and whether it may be the event.
    type Happening = (i64, &'static str, bool);

    /// The way of a user, said plainly.
    fn plainly(paths: &Paths, events: &[Happening]) -> Option<Vec<&'static str>> {
        let mut events = events.to_vec();
        events.sort();
        let anchor = events.iter().position(|(_, _, is_anchor)| *is_anchor)?;
        let (anchor_ms, anchor_name, _) = events[anchor];
        let near: Vec<&str> = match paths.direction {
            Direction::After => events[anchor..].to_vec(),
            Direction::Before => events[..anchor].to_vec(),
        }
        .iter()
        .filter(|(time_ms, _, _)| (time_ms - anchor_ms).abs() <= paths.length_ms)
        .map(|(_, name, _)| *name)
        .collect();
        let mut way = near;
        if paths.collapses {
            way.dedup();
        }
        match paths.direction {
            Direction::After => {
                assert_eq!(way.remove(0), anchor_name);
                way.truncate(paths.depth);
            }
            Direction::Before => {
                way.drain(..way.len().saturating_sub(paths.depth));
            }
        }
        Some(way)
    }

    #[test]
    fn ways_are_those_of_the_definition_in_any_order() {
        let mut random = Random::new(23);
        let mut found_steps = 0;
        for round in 0..20_000 {
            let direction = if round % 2 == 0 {
                Direction::After
            } else {
                Direction::Before
            };
            let depth = 1 + random.below(4) as usize;
            let make = |length_ms| Paths::new(direction, depth, length_ms, round % 3 > 0);
            let length_ms = random.between(1, 40);
            let mut events: Vec<Happening> = (0..random.below(12))
                .map(|_| {
                    let name = random.pick(&NAMES);
                    let time_ms = random.between(0, 50);
                    (time_ms, name, name == "A" && (10..40).contains(&time_ms))
                })
                .collect();
            let expected = plainly(&make(length_ms), &events);
            shuffle(&mut events, &mut random);
            let mut users = Users::new(make(length_ms));
            for (time_ms, name, is_anchor) in &events {
                let moment = Moment {
                    time_ms: *time_ms,
                    what: users.walk.place(name),
                    label: STEP | (u32::from(*is_anchor) * ANCHOR),
                };
                users.note(9, moment);
            }
            let (paths, outcome) = users.finish();
            let found = outcome
                .states
                .first()
                .filter(|way| way.anchor_ms.is_some())
                .map(|way| {
                    let places = way.steps.iter().map(|(_, place)| *place);
                    places.map(|place| paths.name(place)).collect::<Vec<_>>()
                });
            assert_eq!(found, expected, "{events:?}");
            found_steps += found.map_or(0, |way| way.len());
        }
        assert!(found_steps > 10_000);
    }

    #[test]
    fn more_names_than_can_be_told_apart_are_one() {
        let mut paths = Paths::new(Direction::After, 1, 1, true);
        for number in 0..NAMES_MAX + 5 {
            paths.place(&number.to_string());
        }
        let places = ["0", "10003", "10004"].map(|name| paths.place(name));
        assert_eq!(
            places.map(|place| paths.name(place).to_owned()),
            ["0", OTHERS, OTHERS]
        );
    }
}
