//! Saved funnels: `/funnels` and `/funnels/list`.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::event::Event;
use super::fault::Fault;
use super::http::{Request, Response};
use super::packed::Symbol;
use super::parameters::{self, CALENDAR_UNITS};
use super::saved::Funnel;
use super::store::{Filter, Project};
use super::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Unit};
use crate::mixpanel::expression::Expression;

const LENGTH_MS_MAX: i64 = 90 * DAY_MS;
const SEGMENTS_DEFAULT: u32 = 255;
const SEGMENTS_MAX: u32 = 10_000;
/// The segment of everybody, beside those of `on`.
const OVERALL: &str = "$overall";

/// `GET /funnels/list`
pub(super) fn list(project: &Project, _request: &Request) -> Result<Response, Fault> {
    let funnels: Vec<Value> = project
        .saved
        .funnels
        .iter()
        .map(|funnel| json!({"funnel_id": funnel.id, "name": funnel.name}))
        .collect();
    Ok(Response::json(200, &json!(funnels)))
}

/// How far somebody came: the moment of each step.
#[derive(Clone)]
struct Attempt<'p> {
    first: &'p Event,
    times_ms: Vec<i64>,
}

/// Sums over all attempts of a segment.
struct Tally {
    steps: Vec<StepTally>,
}

#[derive(Clone, Default)]
struct StepTally {
    count: u64,
    from_previous_ms: i64,
    from_start_ms: i64,
}

impl Tally {
    fn new(steps: usize) -> Tally {
        Tally {
            steps: vec![StepTally::default(); steps],
        }
    }

    fn add(&mut self, attempt: &Attempt<'_>) {
        let start = attempt.first.time_ms;
        let mut previous = start;
        for (step, time) in self.steps.iter_mut().zip(&attempt.times_ms) {
            step.count += 1;
            step.from_previous_ms += time - previous;
            step.from_start_ms += time - start;
            previous = *time;
        }
    }

    /// The steps as Mixpanel tells them. Times are in whole seconds.
    fn steps_json(&self, funnel: &Funnel) -> Vec<Value> {
        let started = self.steps.first().map_or(0, |step| step.count);
        let mut previous = started;
        let mut steps = Vec::new();
        for (at, (step, event)) in self.steps.iter().zip(funnel.steps).enumerate() {
            let mean = |sum_ms: i64| {
                let count = i64::try_from(step.count).unwrap_or(i64::MAX).max(1);
                sum_ms / count / SECOND_MS
            };
            let avg_time = if at == 0 {
                Value::Null
            } else {
                json!(mean(step.from_previous_ms))
            };
            steps.push(json!({
                "count": step.count,
                "avg_time": avg_time,
                "avg_time_from_start": mean(step.from_start_ms),
                "step_conv_ratio": ratio(step.count, previous, at == 0),
                "overall_conv_ratio": ratio(step.count, started, at == 0),
                "goal": event,
                "event": event,
                "step_label": event,
            }));
            previous = step.count;
        }
        steps
    }

    fn analysis_json(&self) -> Value {
        let counts: Vec<u64> = self.steps.iter().map(|step| step.count).collect();
        let mut worst = (0, f64::INFINITY);
        for (at, pair) in counts.windows(2).enumerate() {
            if let [before, after] = pair {
                let ratio = *after as f64 / (*before).max(1) as f64;
                if ratio < worst.1 {
                    worst = (at + 1, ratio);
                }
            }
        }
        json!({
            "completion": counts.last(),
            "starting_amount": counts.first(),
            "steps": counts.len(),
            "worst": worst.0,
        })
    }
}

fn ratio(part: u64, whole: u64, is_first: bool) -> Value {
    match whole {
        _ if is_first => json!(1),
        0 => json!(0),
        _ => json!(part as f64 / whole as f64),
    }
}

/// The attempt that came furthest. `events` are one user's, by time; it must begin within `span_ms` and end
/// within `length_ms` of its beginning.
fn furthest<'p>(
    events: &[&'p Event],
    steps: &[Option<Symbol>],
    span_ms: (i64, i64),
    length_ms: i64,
) -> Option<Attempt<'p>> {
    let (from, end) = span_ms;
    let mut best: Option<Attempt<'p>> = None;
    // For each number of steps, the attempt that began last: it has the most time left.
    let mut attempts: Vec<Option<Attempt<'p>>> = vec![None; steps.len()];
    let begin = events.partition_point(|event| event.time_ms < from);
    for event in events.iter().skip(begin) {
        if event.time_ms >= end.saturating_add(length_ms) {
            break;
        }
        // From the last step down, so that an event is never two steps of one attempt.
        for at in (0..steps.len()).rev() {
            if steps.get(at) != Some(&Some(event.name)) {
                continue;
            }
            let attempt = match at.checked_sub(1) {
                None if event.time_ms < end => Attempt {
                    first: event,
                    times_ms: vec![event.time_ms],
                },
                None => continue,
                Some(before) => match attempts.get(before) {
                    Some(Some(before)) if event.time_ms - before.first.time_ms <= length_ms => {
                        let mut attempt = before.clone();
                        attempt.times_ms.push(event.time_ms);
                        attempt
                    }
                    _ => continue,
                },
            };
            if best
                .as_ref()
                .is_none_or(|best| best.times_ms.len() < attempt.times_ms.len())
            {
                best = Some(attempt.clone());
            }
            if let Some(slot) = attempts.get_mut(at) {
                *slot = Some(attempt);
            }
        }
    }
    best
}

fn length_ms(request: &Request, funnel: &Funnel) -> Result<i64, Fault> {
    let units = &[
        ("day", DAY_MS),
        ("hour", HOUR_MS),
        ("minute", MINUTE_MS),
        ("second", SECOND_MS),
    ];
    let unit = parameters::choice(request, "length_unit", units)?.unwrap_or(DAY_MS);
    let length = parameters::integer(request, "length", 1, u32::MAX)?.unwrap_or(funnel.length_days);
    let length_ms = i64::from(length) * unit;
    if length_ms > LENGTH_MS_MAX {
        return Err(Fault::bad_request("length may not be greater than 90 days"));
    }
    Ok(length_ms)
}

/// `GET /funnels`
pub(super) fn funnel(project: &Project, request: &Request) -> Result<Response, Fault> {
    parameters::required(request, "funnel_id")?;
    let id = parameters::integer(request, "funnel_id", 0, u32::MAX)?;
    let funnel = project
        .saved
        .funnels
        .iter()
        .find(|funnel| Some(funnel.id) == id)
        .ok_or_else(|| Fault::bad_request("funnel_id does not exist"))?;
    let length_ms = length_ms(request, funnel)?;
    let interval = parameters::integer(request, "interval", 1, 366)?;
    let unit = parameters::choice(request, "unit", CALENDAR_UNITS)?;
    let buckets = match (unit, interval) {
        (Some(unit), _) => parameters::calendar_buckets(request, unit, 1)?,
        (None, interval) => {
            parameters::calendar_buckets(request, Unit::Day, interval.unwrap_or(1))?
        }
    };
    let on = parameters::segment(request)?;
    let limit = parameters::limit(request, SEGMENTS_DEFAULT, SEGMENTS_MAX)?;
    let mut filter = Filter::over(&buckets, parameters::condition(request, "where")?)
        .named(project, funnel.steps.iter().copied());
    // Completions are looked for past the end of the range.
    filter.range_ms = Some((buckets.from_ms, buckets.end_ms + length_ms));
    let steps: Vec<Option<Symbol>> = funnel
        .steps
        .iter()
        .map(|step| project.symbol(step))
        .collect();
    let users = project.by_user(&filter);

    let mut data = Map::new();
    for (date, span_ms) in buckets.labels().iter().zip(buckets.spans()) {
        let attempts: Vec<Attempt<'_>> = users
            .iter()
            .filter_map(|(_, events)| furthest(events, &steps, span_ms, length_ms))
            .collect();
        data.insert(
            date.clone(),
            date_json(project, funnel, &attempts, on.as_ref(), limit),
        );
    }
    let answer = json!({"meta": {"dates": buckets.labels()}, "data": data});
    Ok(Response::json(200, &answer))
}

/// One date: its steps, or with `on` the steps of each segment.
fn date_json(
    project: &Project,
    funnel: &Funnel,
    attempts: &[Attempt<'_>],
    on: Option<&Expression>,
    limit: usize,
) -> Value {
    let mut overall = Tally::new(funnel.steps.len());
    let mut segments: HashMap<String, Tally> = HashMap::new();
    for attempt in attempts {
        overall.add(attempt);
        if let Some(on) = on {
            let label = project.value(on, attempt.first).label();
            segments
                .entry(label)
                .or_insert_with(|| Tally::new(funnel.steps.len()))
                .add(attempt);
        }
    }
    if on.is_none() {
        return json!({"steps": overall.steps_json(funnel), "analysis": overall.analysis_json()});
    }
    let mut ranked: Vec<(String, Tally)> = segments.into_iter().collect();
    ranked.sort_by(|(a_name, a), (b_name, b)| {
        let started = |tally: &Tally| tally.steps.first().map_or(0, |step| step.count);
        started(b).cmp(&started(a)).then_with(|| a_name.cmp(b_name))
    });
    let segments = ranked
        .into_iter()
        .take(limit)
        .chain([(OVERALL.to_owned(), overall)]);
    Value::Object(
        segments
            .map(|(name, tally)| (name, json!(tally.steps_json(funnel))))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::sample;
    use crate::sandbox::saved::Saved;

    const FUNNELS: &[Funnel] = &[Funnel {
        id: 1,
        name: "Buying",
        steps: &["View", "Cart", "Buy"],
        length_days: 1,
    }];

    fn shop() -> Project {
        let mut project = sample::project(&[
            // Ann goes all the way, though she views twice and buys once before.
            ("Buy", "ann", "2026-01-01T09:00:00", json!({})),
            ("View", "ann", "2026-01-01T10:00:00", json!({"plan": "pro"})),
            ("View", "ann", "2026-01-01T10:01:00", json!({"plan": "pro"})),
            ("Cart", "ann", "2026-01-01T10:02:00", json!({})),
            ("Buy", "ann", "2026-01-01T10:05:00", json!({})),
            // Bob is too late with the last step.
            (
                "View",
                "bob",
                "2026-01-01T10:00:00",
                json!({"plan": "free"}),
            ),
            ("Cart", "bob", "2026-01-02T09:00:00", json!({})),
            ("Buy", "bob", "2026-01-02T10:00:01", json!({})),
            // Cid does it in the wrong order.
            ("Cart", "cid", "2026-01-01T10:00:00", json!({})),
            (
                "View",
                "cid",
                "2026-01-01T11:00:00",
                json!({"plan": "free"}),
            ),
        ]);
        project.saved = Saved {
            funnels: FUNNELS,
            ..Saved::default()
        };
        project
    }

    fn ask(more: &[(&str, &str)]) -> Result<Response, Fault> {
        let mut parameters = vec![
            ("funnel_id", "1"),
            ("from_date", "2026-01-01"),
            ("to_date", "2026-01-01"),
        ];
        parameters.extend(more);
        funnel(&shop(), &sample::request(&parameters))
    }

    #[track_caller]
    fn check_counts(more: &[(&str, &str)], pointer: &str, expected: &[u64]) {
        let answer = sample::json(ask(more));
        let steps = answer.pointer(pointer).unwrap().as_array().unwrap();
        let counts: Vec<u64> = steps
            .iter()
            .map(|step| step["count"].as_u64().unwrap())
            .collect();
        assert_eq!(counts, expected);
    }

    #[test]
    fn steps_count_in_order_and_in_time() {
        let answer = sample::json(ask(&[]));
        let step = |event: &str, count: u64, times: [Value; 2], ratios: [f64; 2]| {
            json!({
                "count": count, "avg_time": times[0], "avg_time_from_start": times[1],
                "step_conv_ratio": ratios[0], "overall_conv_ratio": ratios[1],
                "goal": event, "event": event, "step_label": event,
            })
        };
        let mut first = step("View", 3, [json!(null), json!(0)], [1.0, 1.0]);
        first["step_conv_ratio"] = json!(1);
        first["overall_conv_ratio"] = json!(1);
        // Ann took 60 seconds to the cart, Bob 23 hours.
        let mean = (60 + 23 * 3600) / 2;
        let cart = step(
            "Cart",
            2,
            [json!(mean), json!(mean)],
            [2.0 / 3.0, 2.0 / 3.0],
        );
        let buy = step("Buy", 1, [json!(180), json!(240)], [0.5, 1.0 / 3.0]);
        let analysis = json!({"completion": 1, "starting_amount": 3, "steps": 3, "worst": 2});
        let expected = json!({"2026-01-01": {"steps": [first, cart, buy], "analysis": analysis}});
        assert_eq!(
            answer,
            json!({"meta": {"dates": ["2026-01-01"]}, "data": expected})
        );
    }

    #[test]
    fn the_length_is_a_limit_for_all_steps() {
        let steps = "/data/2026-01-01/steps";
        check_counts(
            &[("length", "25"), ("length_unit", "hour")],
            steps,
            &[3, 2, 2],
        );
        check_counts(
            &[("length", "1"), ("length_unit", "minute")],
            steps,
            &[3, 1, 0],
        );
        let fault = ask(&[("length", "91")]).err().unwrap();
        assert_eq!(fault.message, "length may not be greater than 90 days");
    }

    #[test]
    fn on_splits_by_the_event_of_the_first_step_beside_everybody() {
        let on = [("on", r#"properties["plan"]"#)];
        check_counts(&on, "/data/2026-01-01/$overall", &[3, 2, 1]);
        check_counts(&on, "/data/2026-01-01/pro", &[1, 1, 1]);
        check_counts(&on, "/data/2026-01-01/free", &[2, 1, 0]);
    }

    #[test]
    fn only_saved_funnels_can_be_asked_for() {
        assert_eq!(ask(&[]).map(|response| response.status).ok(), Some(200));
        let parameters = [
            ("funnel_id", "2"),
            ("from_date", "2026-01-01"),
            ("to_date", "2026-01-01"),
        ];
        let fault = funnel(&shop(), &sample::request(&parameters)).err();
        assert_eq!(fault, Some(Fault::bad_request("funnel_id does not exist")));
        let answer = sample::json(list(&shop(), &sample::request(&[])));
        assert_eq!(answer, json!([{"funnel_id": 1, "name": "Buying"}]));
    }
}
