//! Who comes back: retention. A fresh cohort's intervals are not over yet and look like users who stayed away; what
//! tells these apart is `is_over`.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil;
use serde_json::{Value, json};

use super::split::{
    CalendarUnit, Row, SEGMENTS_ASKED, by_segment, cut_note, keep_heaviest, on_expression, unsplit,
};
use crate::mcp::args::{Arg as _, Date, Id, Int, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{Cohort, Retention, RetentionQuery, RetentionType};
use crate::tools::ask::{Ask, bad_arguments, counted, percent, quoted, ratio, span, steps_fault};

/// The most intervals after the 0th.
const INTERVALS_MAX: i64 = 90;
/// How many intervals are asked for where the call does not say: a week of days.
const INTERVALS_DEFAULT: i64 = 7;
/// How many figures a summary has.
const FIGURES_MAX: usize = 8;

pub(super) const QUERY: Tool<Ask> = Tool {
    name: "mixpanel_query_retention",
    title: "Retention",
    about: "Tells how many users who did born_event came back to do event, by cohort (day, week or month of born_event) and interval. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: QueryRetention::FIELDS,
    output: &[
        Field::always("cohorts", Shape::list(&COHORT))
            .about("counts and rates (of users, 0 to 1) by interval, from the 0th on."),
        Field::always("overall", Shape::list(&OVERALL))
            .about("Over cohorts whose interval is over."),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| query_retention(ask, QueryRetention::read(arguments)),
};

const COHORT: Shape = Shape::Object(&[
    Field::always("date", Shape::Words),
    Field::sometimes("segment", Shape::Words),
    Field::always("users", Shape::Count),
    Field::always("counts", Shape::list(&Shape::Count)),
    Field::always("rates", Shape::list(&Shape::Number)),
]);

const OVERALL: Shape = Shape::Object(&[
    Field::sometimes("segment", Shape::Words),
    Field::always("rates", Shape::list(&Shape::Number)),
]);

args! {
    struct QueryRetention {
        /// First day: YYYY-MM-DD, or today, 7d, last_week, this_month.
        from_date: Date,
        /// Last day, inclusive.
        to_date: Date,
        /// Event that begins. Ignored when compounded.
        born_event: Text<255>,
        /// Event that counts as coming back. Default: any.
        event: Option<Text<255>>,
        /// Filter expression for born_event.
        born_where: Option<Text<4000>>,
        /// Filter expression for event, such as properties["plan"] == "pro".
        r#where: Option<Text<4000>>,
        /// birth (default): from the first born_event. compounded: from each event to the next.
        retention_type: Option<RetentionType>,
        /// Length of cohorts and intervals. Default day.
        unit: Option<CalendarUnit>,
        /// Intervals after the 0th. Default 7.
        interval_count: Option<Int<1, INTERVALS_MAX>>,
        /// Property of event to split by: a name or an expression.
        on: Option<Text<1000>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn query_retention(ask: &Ask, args: QueryRetention) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let range = ask.days(&project, &args.from_date, &args.to_date)?;
    let unit = args.unit.unwrap_or(CalendarUnit::Day);
    if let Some(fault) = steps_fault(range, unit.unit()) {
        return Err(bad_arguments(vec![fault]));
    }
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
        Retention::Segmented(by_date) => by_segment(by_date),
    };
    if cohorts.iter().all(|row| row.found.first == 0) {
        let born_event =
            (retention_type == RetentionType::Birth).then_some(args.born_event.0.as_str());
        let names: Vec<&str> = born_event.into_iter().chain(event).collect();
        let summary = format!(
            "{asked}: nobody began in these days; {}",
            ask.about_events(&project, &names)
        );
        return Ok(Answer {
            summary,
            data: Data::of([
                ("cohorts", json!([]).into()),
                ("overall", json!([]).into()),
                ("truncated", false.into()),
            ]),
        });
    }

    let whole = keep_heaviest(
        &mut cohorts,
        |cohort| cohort.counts.iter().sum(),
        |cohort| cohort.counts.len(),
    );
    let overall = overall(&cohorts, unit, ask.today(&project));
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
    let data = Data::of([
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
}
