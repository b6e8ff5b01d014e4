//! Who comes back, and how often: retention and frequency. A fresh cohort's intervals are not over yet; what tells
//! these apart is `is_over`.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil;
use serde_json::{Value, json};

use crate::mcp::args::{Arg as _, Date, Id, Int, Text, args};
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{
    Cohort, Frequency, FrequencyQuery, FrequencyUnit, Retention, RetentionQuery, RetentionType,
};

use super::super::ask::{Ask, counted, days, object, percent, quoted, ratio, span, today};
use super::split::{CalendarUnit, SEGMENTS_ASKED, SEGMENTS_MAX, cut_note, heaviest, on_expression};

/// The most intervals after the 0th.
const INTERVALS_MAX: i64 = 90;
/// How many intervals are asked for where the call does not say: a week of days.
const INTERVALS_DEFAULT: i64 = 7;
/// How many figures a summary has.
const FIGURES_MAX: usize = 8;

pub(super) const QUERY: Tool<Ask> = Tool {
    name: "mixpanel_query_retention",
    title: "Mixpanel retention",
    about: "Tells how many of the users who did born_event came back and did event, by cohort (the day, week or month of born_event) and interval after it. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: QueryRetention::FIELDS,
    output: &[
        Field::always("cohorts", rows(&COHORT))
            .about("counts and rates (0 to 1 of users) by interval; the first is the 0th, less than one unit after."),
        Field::always("overall", rows(&OVERALL))
            .about("Rates over all cohorts whose interval is over."),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| query_retention(ask, QueryRetention::read(arguments)),
};

pub(super) const QUERY_FREQUENCY: Tool<Ask> = Tool {
    name: "mixpanel_query_frequency",
    title: "Mixpanel frequency",
    about: "Tells how often users do an event: in how many hours or days of each day, week or month they were active. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: QueryFrequency::FIELDS,
    output: &[
        Field::always("periods", rows(&PERIOD))
            .about("at_least: users active in at least 1, 2, 3, … addiction_units; zeros at the end left out."),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| query_frequency(ask, QueryFrequency::read(arguments)),
};

const fn rows(item: &'static Shape) -> Shape {
    Shape::List {
        item,
        min: 0,
        max: usize::MAX,
    }
}

const COUNTS: Shape = rows(&Shape::Count);
const RATES: Shape = rows(&Shape::Number);

const COHORT: Shape = Shape::Object(&[
    Field::always("date", Shape::Words),
    Field::sometimes("segment", Shape::Words),
    Field::always("users", Shape::Count),
    Field::always("counts", COUNTS),
    Field::always("rates", RATES),
]);

const OVERALL: Shape = Shape::Object(&[
    Field::sometimes("segment", Shape::Words),
    Field::always("rates", RATES),
]);

const PERIOD: Shape = Shape::Object(&[
    Field::always("date", Shape::Words),
    Field::sometimes("segment", Shape::Words),
    Field::always("users", Shape::Count),
    Field::always("at_least", COUNTS),
]);

args! {
    struct QueryRetention {
        /// First day, inclusive.
        from_date: Date,
        /// Last day, inclusive.
        to_date: Date,
        /// Event that begins, as Sign Up. Ignored by Mixpanel with the type compounded.
        born_event: Text<255>,
        /// Event that counts as coming back. Default: any event.
        event: Option<Text<255>>,
        /// Expression that born_event must fulfil, as properties["plan"] == "pro".
        born_where: Option<Text<4_000>>,
        /// Expression that event must fulfil, as properties["plan"] == "pro".
        r#where: Option<Text<4_000>>,
        /// birth: from the first born_event on, compounded: from each event on to the next. Default: birth.
        retention_type: Option<RetentionType>,
        /// Length of a cohort and of an interval. Default: day.
        unit: Option<CalendarUnit>,
        /// Intervals after the 0th. Default: 7.
        interval_count: Option<Int<1, INTERVALS_MAX>>,
        /// Property of event to split by: a plain name, or an expression as user["plan"].
        on: Option<Text<1_000>>,
        /// Project id. Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct QueryFrequency {
        /// Event name, exactly as it is tracked.
        event: Text<255>,
        /// First day, inclusive.
        from_date: Date,
        /// Last day, inclusive.
        to_date: Date,
        /// Length of a period. Default: day.
        unit: Option<CalendarUnit>,
        /// What is counted within a period: hours or days in which a user was active. Default: hour.
        addiction_unit: Option<FrequencyUnit>,
        /// Expression that events must fulfil, as properties["plan"] == "pro".
        r#where: Option<Text<4_000>>,
        /// Property to split by: a plain name, or an expression as user["plan"].
        on: Option<Text<1_000>>,
        /// Project id. Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

/// One line of a report: a date, a segment if it was split, and what was found.
struct Row<T> {
    date: String,
    segment: Option<String>,
    found: T,
}

impl<T> Row<T> {
    fn segment_name(&self) -> &str {
        self.segment.as_deref().unwrap_or_default()
    }

    fn json<const N: usize>(&self, members: [(&str, Value); N]) -> Value {
        let mut json = object(members);
        json.insert("date".into(), self.date.as_str().into());
        if let Some(segment) = &self.segment {
            json.insert("segment".into(), segment.as_str().into());
        }
        json.into()
    }
}

fn unsplit<T>(by_date: BTreeMap<String, T>) -> Vec<Row<T>> {
    let rows = by_date.into_iter().map(|(date, found)| Row {
        date,
        segment: None,
        found,
    });
    rows.collect()
}

fn split<T>(by_date: BTreeMap<String, BTreeMap<String, T>>) -> Vec<Row<T>> {
    let rows = by_date.into_iter().flat_map(|(date, by_segment)| {
        by_segment.into_iter().map(move |(segment, found)| Row {
            date: date.clone(),
            segment: Some(segment),
            found,
        })
    });
    rows.collect()
}

/// Keeps the rows of the heaviest segments. True if these are all.
fn keep_heaviest<T>(rows: &mut Vec<Row<T>>, weight: impl Fn(&T) -> u64) -> bool {
    let weights = rows
        .iter()
        .map(|row| (row.segment_name(), weight(&row.found)));
    let (kept, whole) = heaviest(weights, SEGMENTS_MAX);
    let keep: Vec<bool> = rows
        .iter()
        .map(|row| kept.contains(row.segment_name()))
        .collect();
    let mut keep = keep.into_iter();
    rows.retain(|_| keep.next().unwrap_or_default());
    whole
}

fn query_retention(ask: &Ask, args: QueryRetention) -> Result<Answer, Failure> {
    let range = days(&args.from_date, &args.to_date)?;
    let project = ask.project(args.project_id.as_ref())?;
    let unit = args.unit.unwrap_or(CalendarUnit::Day);
    let retention_type = args.retention_type.unwrap_or(RetentionType::Birth);
    let intervals = args
        .interval_count
        .map_or(INTERVALS_DEFAULT, |count| count.0);
    let on = args.on.as_ref().map(|on| on_expression(&on.0));
    let event = args.event.as_ref().map(|event| event.0.as_str());
    let born_filter = args
        .born_where
        .as_ref()
        .map(|expression| expression.0.as_str());
    let filter = args
        .r#where
        .as_ref()
        .map(|expression| expression.0.as_str());
    let retention = ask.mixpanel()?.query.retention(
        &project,
        &RetentionQuery {
            range,
            retention_type,
            born_event: Some(&args.born_event.0),
            event,
            born_filter,
            filter,
            unit: unit.unit(),
            interval_count: Some(intervals as u32),
            unbounded: false,
            on: on.as_deref(),
            limit: on.is_some().then_some(SEGMENTS_ASKED),
        },
    )?;

    let came = event.map_or_else(|| "any event".into(), quoted);
    let mut asked = match retention_type {
        RetentionType::Birth => format!("from {} to {came}", quoted(&args.born_event.0)),
        RetentionType::Compounded => {
            format!("from each {came} to the next (born_event is ignored)")
        }
    };
    for (word, expression) in [("born_where", born_filter), ("where", filter)] {
        if let Some(expression) = expression {
            asked.push_str(&format!(" {word} {expression}"));
        }
    }
    if let Some(on) = &on {
        asked.push_str(&format!(" by {on}"));
    }
    let asked = format!(
        "retention {asked}, {} after the 0th, {}",
        counted(intervals, unit.word()),
        span(&project, range)
    );
    let mut cohorts = match retention {
        Retention::Whole(by_date) => unsplit(by_date),
        Retention::Segmented(by_date) => split(by_date),
    };
    if cohorts.iter().all(|row| row.found.first == 0) {
        let summary = format!(
            "{asked}: nobody began in these days; names are case-sensitive, so check them with mixpanel_list_events, or ask for other days"
        );
        return Ok(Answer {
            summary,
            data: object([
                ("cohorts", json!([])),
                ("overall", json!([])),
                ("truncated", false.into()),
            ]),
        });
    }

    let whole = keep_heaviest(&mut cohorts, |cohort| cohort.counts.iter().sum());
    let overall = overall(&cohorts, unit, today());
    let (cohorts, fits) = ask.fitting(cohorts, cohort_json);
    let whole = whole && fits;
    let summary = format!(
        "{asked}: {}; {}{}",
        match &on {
            // Every segment's cohort is the same people.
            Some(_) => counted(overall.len(), "segment"),
            None => counted(
                cohorts.iter().map(|row| row.found.first).sum::<u64>(),
                "user"
            ),
        },
        figures(&overall, unit),
        cut_note(whole),
    );
    let cohorts: Vec<Value> = cohorts.iter().map(cohort_json).collect();
    let overall: Vec<Value> = overall
        .into_iter()
        .map(|(segment, rates)| match segment {
            Some(segment) => json!({"segment": segment, "rates": rates}),
            None => json!({"rates": rates}),
        })
        .collect();
    let data = object([
        ("cohorts", cohorts.into()),
        ("overall", overall.into()),
        ("truncated", (!whole).into()),
    ]);
    Ok(Answer { summary, data })
}

fn cohort_json(row: &Row<Cohort>) -> Value {
    let Cohort { first, counts } = &row.found;
    let rates: Vec<f64> = counts.iter().map(|count| ratio(*count, *first)).collect();
    row.json([
        ("users", (*first).into()),
        ("counts", counts.as_slice().into()),
        ("rates", rates.into()),
    ])
}

/// The rates of each segment over all cohorts whose interval is over, the most retained first: an interval that still
/// runs would look like users who did not come back. The list ends where no cohort's interval is over.
fn overall(
    cohorts: &[Row<Cohort>],
    unit: CalendarUnit,
    today: civil::Date,
) -> Vec<(Option<String>, Vec<f64>)> {
    let mut segments: BTreeMap<&Option<String>, Vec<(u64, u64)>> = BTreeMap::new();
    for row in cohorts {
        let sums = segments.entry(&row.segment).or_default();
        for (interval, count) in row.found.counts.iter().enumerate() {
            if !is_over(&row.date, interval, unit, today) {
                break;
            }
            if sums.len() <= interval {
                sums.push((0, 0));
            }
            if let Some((came, began)) = sums.get_mut(interval) {
                *came += count;
                *began += row.found.first;
            }
        }
    }
    let mut ranked: Vec<(u64, Option<String>, Vec<f64>)> = segments
        .into_iter()
        .map(|(segment, sums)| {
            let came = sums.iter().map(|(came, _)| came).sum();
            let rates = sums.iter().map(|(came, began)| ratio(*came, *began));
            (came, segment.clone(), rates.collect())
        })
        .collect();
    ranked.sort_by_key(|(came, ..)| std::cmp::Reverse(*came));
    ranked
        .into_iter()
        .map(|(_, segment, rates)| (segment, rates))
        .collect()
}

/// Whether the interval is over for everyone in the cohort of this date. Who begins last in the cohort begins its
/// interval almost one unit after who begins first. The project's day may be the one before UTC's.
fn is_over(date: &str, interval: usize, unit: CalendarUnit, today: civil::Date) -> bool {
    let units = interval as i64 + 2;
    let span = match unit {
        CalendarUnit::Day => units.days(),
        CalendarUnit::Week => units.weeks(),
        CalendarUnit::Month => units.months(),
    };
    let begin = date
        .get(..10)
        .and_then(|day| day.parse::<civil::Date>().ok());
    begin
        .and_then(|begin| begin.checked_add(span).ok())
        .is_some_and(|end| end < today)
}

/// The rates of the first segment in words.
fn figures(overall: &[(Option<String>, Vec<f64>)], unit: CalendarUnit) -> String {
    let Some((segment, rates)) = overall.first().filter(|(_, rates)| !rates.is_empty()) else {
        return "no interval is over yet, so there is no overall rate".into();
    };
    let named = segment
        .as_ref()
        .map_or_else(String::new, |name| format!("{}: ", quoted(name)));
    let rates: Vec<String> = rates
        .iter()
        .enumerate()
        .take(FIGURES_MAX)
        .map(|(interval, rate)| format!("{} {interval} {}", unit.word(), percent(*rate)))
        .collect();
    format!(
        "{named}{} (over cohorts whose interval is over)",
        rates.join(", ")
    )
}

fn query_frequency(ask: &Ask, args: QueryFrequency) -> Result<Answer, Failure> {
    let range = days(&args.from_date, &args.to_date)?;
    let project = ask.project(args.project_id.as_ref())?;
    let unit = args.unit.unwrap_or(CalendarUnit::Day);
    let addiction_unit = args.addiction_unit.unwrap_or(FrequencyUnit::Hour);
    let on = args.on.as_ref().map(|on| on_expression(&on.0));
    let filter = args
        .r#where
        .as_ref()
        .map(|expression| expression.0.as_str());
    let frequency = ask.mixpanel()?.query.frequency(
        &project,
        &FrequencyQuery {
            range,
            unit: unit.unit(),
            addiction_unit,
            event: Some(&args.event.0),
            filter,
            on: on.as_deref(),
            limit: on.is_some().then_some(SEGMENTS_ASKED),
        },
    )?;

    let mut asked = format!("frequency of {}", quoted(&args.event.0));
    if let Some(filter) = filter {
        asked.push_str(&format!(" where {filter}"));
    }
    if let Some(on) = &on {
        asked.push_str(&format!(" by {on}"));
    }
    let asked = format!(
        "{asked}, {addiction_unit}s of each {}, {}",
        unit.word(),
        span(&project, range)
    );
    let mut periods = match frequency {
        Frequency::Whole(by_date) => unsplit(by_date),
        Frequency::Segmented(by_date) => split(by_date),
    };
    let active: u64 = periods.iter().map(|row| users(&row.found)).sum();
    if active == 0 {
        let summary = format!(
            "{asked}: nobody did it in these days; names are case-sensitive, so check them with mixpanel_list_events, or ask for other days"
        );
        return Ok(Answer {
            summary,
            data: object([("periods", json!([])), ("truncated", false.into())]),
        });
    }
    // Users active in at least 1, 2, 3, … hours add up to the hours in which users were active.
    let times: u64 = periods.iter().flat_map(|row| &row.found).sum();
    let mean = (times as f64 / active as f64 * 100.0).round() / 100.0;

    let whole = keep_heaviest(&mut periods, |counts| users(counts));
    let (periods, fits) = ask.fitting(periods, period_json);
    let whole = whole && fits;
    let summary = format!(
        "{asked}: a user who was active was so in {mean} {addiction_unit}s of a {} on average; {}{}",
        unit.word(),
        counted(periods.len(), "line"),
        cut_note(whole),
    );
    let periods: Vec<Value> = periods.iter().map(period_json).collect();
    let data = object([("periods", periods.into()), ("truncated", (!whole).into())]);
    Ok(Answer { summary, data })
}

fn users(counts: &[u64]) -> u64 {
    counts.first().copied().unwrap_or_default()
}

fn period_json(row: &Row<Vec<u64>>) -> Value {
    let counts = row.found.as_slice();
    let end = counts
        .iter()
        .rposition(|count| *count > 0)
        .map_or(0, |last| last + 1);
    let at_least: Vec<u64> = counts.iter().take(end).copied().collect();
    row.json([
        ("users", users(counts).into()),
        ("at_least", at_least.into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(date: &str, first: u64, counts: &[u64]) -> Row<Cohort> {
        Row {
            date: date.into(),
            segment: None,
            found: Cohort {
                first,
                counts: counts.to_vec(),
            },
        }
    }

    #[track_caller]
    fn check(cohorts: &[Row<Cohort>], today: &str, expected: &[f64]) {
        let overall = overall(cohorts, CalendarUnit::Day, today.parse().unwrap());
        assert_eq!(overall, [(None, expected.to_vec())]);
    }

    #[test]
    fn cohorts_weigh_by_their_users() {
        let cohorts = [
            row("2026-01-01", 10, &[10, 5]),
            row("2026-01-02", 30, &[30, 3]),
        ];
        check(&cohorts, "2026-02-01", &[1.0, 0.2]);
    }

    #[test]
    fn an_interval_that_still_runs_does_not_count_as_staying_away() {
        let cohorts = [
            row("2026-01-01", 10, &[10, 5]),
            row("2026-01-02", 30, &[30, 0]),
        ];
        // The last of January 1st are through with their first interval at the end of January 3rd.
        check(&cohorts, "2026-01-05", &[1.0, 0.5]);
        check(&cohorts, "2026-01-03", &[]);
    }

    #[test]
    fn zeros_at_the_end_are_left_out() {
        let period = Row {
            date: "2026-01-01".into(),
            segment: Some("pro".into()),
            found: vec![3, 0, 1, 0, 0],
        };
        assert_eq!(
            period_json(&period),
            json!({"date": "2026-01-01", "segment": "pro", "users": 3, "at_least": [3, 0, 1]})
        );
    }
}
