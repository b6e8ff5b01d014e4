//! Who comes back, and how often: `/retention` and `/retention/addiction`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::event::Event;
use super::fault::Fault;
use super::http::{Request, Response};
use super::packed::Symbol;
use super::parameters::{self, CALENDAR_UNITS};
use super::store::{Filter, Project};
use super::time::Unit;
use crate::mixpanel::expression::Expression;

const INTERVAL_MAX: u32 = 90;
const INTERVAL_COUNT_MAX: u32 = 1_000;
const SEGMENTS_DEFAULT: u32 = 255;
const SEGMENTS_MAX: u32 = 10_000;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A user is in the cohort of their first event in the range.
    Birth,
    /// A user is in the cohort of each bucket in which they did something.
    Compounded,
}

/// Those who began in one bucket.
#[derive(Default)]
struct Cohort {
    first: u64,
    /// By segment, how many came back in each interval. Without `on` there is one segment, without a name.
    counts: HashMap<String, Vec<u64>>,
}

/// What to look for after the beginning.
struct Return {
    on: Option<Expression>,
    step_ms: i64,
    /// Intervals, the 0th included.
    intervals: usize,
    /// Who came back later counts as having come back before, too.
    is_unbounded: bool,
}

impl Return {
    fn label(&self, project: &Project, event: &Event) -> String {
        self.on
            .as_ref()
            .map_or_else(String::new, |on| project.value(on, event).label())
    }

    /// The intervals, by segment, in which a user who began with `birth` came back.
    fn intervals_of(
        &self,
        project: &Project,
        birth: &Event,
        events: &[&Event],
    ) -> BTreeMap<String, BTreeSet<usize>> {
        let mut found: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        let after = events.partition_point(|event| event.time_ms < birth.time_ms);
        for event in events.iter().skip(after) {
            if std::ptr::eq(*event, birth) {
                continue;
            }
            let interval = (event.time_ms - birth.time_ms) / self.step_ms;
            let interval = usize::try_from(interval).unwrap_or(usize::MAX);
            if self.is_unbounded {
                // Only the last return matters; the intervals before it are filled in below.
                let last = BTreeSet::from([interval.min(self.intervals - 1)]);
                let known = found.entry(self.label(project, event)).or_default();
                if known.last() < last.last() {
                    *known = last;
                }
            } else if interval < self.intervals {
                found
                    .entry(self.label(project, event))
                    .or_default()
                    .insert(interval);
            } else {
                break;
            }
        }
        if self.is_unbounded {
            for intervals in found.values_mut() {
                *intervals = (0..=intervals.last().copied().unwrap_or(0)).collect();
            }
        }
        found
    }
}

/// `GET /retention`
pub(super) fn retention(project: &Project, request: &Request) -> Result<Response, Fault> {
    let kinds = &[("birth", Kind::Birth), ("compounded", Kind::Compounded)];
    let kind = parameters::choice(request, "retention_type", kinds)?.unwrap_or(Kind::Birth);
    let unit = parameters::choice(request, "unit", CALENDAR_UNITS)?.unwrap_or(Unit::Day);
    let interval = parameters::integer(request, "interval", 1, INTERVAL_MAX)?.unwrap_or(1);
    let count = parameters::integer(request, "interval_count", 1, INTERVAL_COUNT_MAX)?.unwrap_or(1);
    let buckets = parameters::calendar_buckets(request, unit, interval)?;
    let returns = Return {
        on: parameters::segment(request)?,
        step_ms: unit.ms() * i64::from(interval),
        intervals: count as usize + 1,
        is_unbounded: parameters::flag(request, "unbounded_retention")?,
    };
    let limit = parameters::limit(request, SEGMENTS_DEFAULT, SEGMENTS_MAX)?;

    // Who began last may come back after the range.
    let mut returning = Filter::over(&buckets, parameters::condition(request, "where")?);
    returning.range_ms = Some((buckets.from_ms, i64::MAX));
    if let Some(event) = request.parameter("event") {
        returning = returning.named(project, [event]);
    }
    let returning_users: HashMap<Symbol, Vec<&Event>> =
        project.by_user(&returning).into_iter().collect();

    let born = match kind {
        Kind::Birth => {
            let event = parameters::required(request, "born_event")?;
            Filter::over(&buckets, parameters::condition(request, "born_where")?)
                .named(project, [event])
        }
        Kind::Compounded => {
            let born = Filter::over(&buckets, parameters::condition(request, "where")?);
            match request.parameter("event") {
                Some(event) => born.named(project, [event]),
                None => born,
            }
        }
    };
    let mut cohorts: Vec<Cohort> = Vec::new();
    cohorts.resize_with(buckets.len(), Cohort::default);
    for (user, births) in project.by_user(&born) {
        let events = returning_users.get(&user).map_or(&[][..], Vec::as_slice);
        let mut last_bucket = None;
        for birth in births {
            let bucket = buckets.index_of(birth.time_ms);
            if bucket == last_bucket {
                continue;
            }
            last_bucket = bucket;
            let Some(cohort) = bucket.and_then(|at| cohorts.get_mut(at)) else {
                continue;
            };
            cohort.first += 1;
            for (label, intervals) in returns.intervals_of(project, birth, events) {
                let counts = cohort
                    .counts
                    .entry(label)
                    .or_insert_with(|| vec![0; returns.intervals]);
                for interval in intervals {
                    if let Some(count) = counts.get_mut(interval) {
                        *count += 1;
                    }
                }
            }
            if kind == Kind::Birth {
                break;
            }
        }
    }
    let answer: Map<String, Value> = buckets
        .labels()
        .iter()
        .cloned()
        .zip(
            cohorts
                .iter()
                .map(|cohort| cohort_json(cohort, &returns, limit)),
        )
        .collect();
    Ok(Response::json(200, &Value::Object(answer)))
}

/// With `on`, one more level: a cohort for each segment of the returning events.
fn cohort_json(cohort: &Cohort, returns: &Return, limit: usize) -> Value {
    let one = |counts: &[u64]| json!({"counts": counts, "first": cohort.first});
    if returns.on.is_none() {
        let nobody = vec![0; returns.intervals];
        return one(cohort.counts.get("").unwrap_or(&nobody));
    }
    let mut ranked: Vec<(&String, &Vec<u64>)> = cohort.counts.iter().collect();
    ranked.sort_by_key(|(label, counts)| (std::cmp::Reverse(counts.iter().sum::<u64>()), *label));
    let segments = ranked.into_iter().take(limit);
    Value::Object(
        segments
            .map(|(label, counts)| (label.clone(), one(counts)))
            .collect(),
    )
}

/// `GET /retention/addiction`: of the users of a bucket, how many were there in at least 1, 2, 3, … of its hours or days.
pub(super) fn addiction(project: &Project, request: &Request) -> Result<Response, Fault> {
    let unit = parameters::required_choice(request, "unit", CALENDAR_UNITS)?;
    let fine_units = &[("hour", Unit::Hour), ("day", Unit::Day)];
    let fine = parameters::required_choice(request, "addiction_unit", fine_units)?;
    let buckets = parameters::calendar_buckets(request, unit, 1)?;
    let on = parameters::segment(request)?;
    let limit = parameters::limit(request, SEGMENTS_DEFAULT, SEGMENTS_MAX)?;
    let mut filter = Filter::over(&buckets, parameters::condition(request, "where")?);
    if let Some(event) = request.parameter("event") {
        filter = filter.named(project, [event]);
    }
    let longest_ms = match unit {
        Unit::Month => 31 * Unit::Day.ms(),
        unit => unit.ms(),
    };
    let width = usize::try_from(longest_ms / fine.ms()).unwrap_or(1);

    let mut rows: Vec<HashMap<String, Vec<u64>>> = vec![HashMap::new(); buckets.len()];
    for (_, events) in project.by_user(&filter) {
        let mut active: HashMap<(usize, String), HashSet<i64>> = HashMap::new();
        for event in events {
            let Some(at) = buckets.index_of(event.time_ms) else {
                continue;
            };
            let label = on
                .as_ref()
                .map_or_else(String::new, |on| project.value(on, event).label());
            active
                .entry((at, label))
                .or_default()
                .insert(event.time_ms.div_euclid(fine.ms()));
        }
        for ((at, label), moments) in active {
            let Some(row) = rows.get_mut(at) else {
                continue;
            };
            let row = row.entry(label).or_insert_with(|| vec![0; width]);
            for count in row.iter_mut().take(moments.len()) {
                *count += 1;
            }
        }
    }
    let answer = buckets.labels().iter().zip(&rows).map(|(date, row)| {
        if on.is_none() {
            return (date.clone(), json!(row.get("").unwrap_or(&vec![0; width])));
        }
        let mut ranked: Vec<(&String, &Vec<u64>)> = row.iter().collect();
        ranked
            .sort_by_key(|(label, counts)| (std::cmp::Reverse(counts.iter().sum::<u64>()), *label));
        let segments = ranked.into_iter().take(limit);
        let segments = segments
            .map(|(label, counts)| (label.clone(), json!(counts)))
            .collect();
        (date.clone(), Value::Object(segments))
    });
    Ok(Response::json(
        200,
        &json!({"data": Value::Object(answer.collect())}),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::sample;

    fn shop() -> Project {
        sample::project(&[
            ("Join", "ann", "2026-01-01T10:00:00", json!({})),
            ("Open", "ann", "2026-01-01T12:00:00", json!({"os": "Linux"})),
            ("Open", "ann", "2026-01-03T11:00:00", json!({"os": "iOS"})),
            ("Join", "bob", "2026-01-01T23:00:00", json!({})),
            ("Open", "bob", "2026-01-02T22:00:00", json!({"os": "Linux"})),
            ("Join", "cid", "2026-01-02T08:00:00", json!({})),
            ("Join", "ann", "2026-01-02T08:00:00", json!({})),
        ])
    }

    #[track_caller]
    fn check(more: &[(&str, &str)], expected: Value) {
        let mut parameters = vec![("from_date", "2026-01-01"), ("to_date", "2026-01-02")];
        parameters.extend(more);
        assert_eq!(
            sample::json(retention(&shop(), &sample::request(&parameters))),
            expected
        );
    }

    #[test]
    fn a_user_belongs_to_the_day_of_their_first_birth() {
        // Ann: within 24 hours of her birth, and after 49 hours. Bob: after 23 hours, so in the 0th interval.
        check(
            &[
                ("born_event", "Join"),
                ("event", "Open"),
                ("interval_count", "2"),
            ],
            json!({
                "2026-01-01": {"counts": [2, 0, 1], "first": 2},
                "2026-01-02": {"counts": [0, 0, 0], "first": 1},
            }),
        );
    }

    #[test]
    fn unbounded_retention_counts_whoever_came_later() {
        check(
            &[
                ("born_event", "Join"),
                ("event", "Open"),
                ("interval_count", "1"),
                ("unbounded_retention", "true"),
            ],
            json!({
                "2026-01-01": {"counts": [2, 1], "first": 2},
                "2026-01-02": {"counts": [0, 0], "first": 1},
            }),
        );
    }

    #[test]
    fn on_splits_by_the_event_of_the_return() {
        check(
            &[
                ("born_event", "Join"),
                ("event", "Open"),
                ("interval_count", "2"),
                ("on", "os"),
            ],
            json!({
                "2026-01-01": {
                    "Linux": {"counts": [2, 0, 0], "first": 2},
                    "iOS": {"counts": [0, 0, 1], "first": 2},
                },
                "2026-01-02": {},
            }),
        );
    }

    #[test]
    fn compounded_retention_begins_anew_in_each_bucket() {
        check(
            &[("retention_type", "compounded"), ("event", "Open")],
            json!({
                "2026-01-01": {"counts": [0, 1], "first": 1},
                "2026-01-02": {"counts": [0, 0], "first": 1},
            }),
        );
    }

    #[test]
    fn birth_needs_its_event() {
        let parameters = [("from_date", "2026-01-01"), ("to_date", "2026-01-02")];
        let fault = retention(&shop(), &sample::request(&parameters)).err();
        assert_eq!(
            fault,
            Some(Fault::bad_request("missing required parameter: born_event"))
        );
    }

    #[test]
    fn frequency_counts_users_by_the_hours_in_which_they_were_active() {
        let parameters = [
            ("from_date", "2026-01-01"),
            ("to_date", "2026-01-02"),
            ("unit", "day"),
            ("addiction_unit", "hour"),
        ];
        let answer = sample::json(addiction(&shop(), &sample::request(&parameters)));
        let row = |first: u64, second: u64| {
            let mut row = vec![first, second];
            row.resize(24, 0);
            json!(row)
        };
        // The first day: Ann in two hours, Bob in one. The second: Bob, Cid and Ann in one each.
        assert_eq!(
            answer,
            json!({"data": {"2026-01-01": row(2, 1), "2026-01-02": row(3, 0)}})
        );
    }
}
