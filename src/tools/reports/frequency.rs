//! How often users come: in how many hours or days of each period they were active.

use serde_json::{Value, json};

use crate::mcp::args::{Arg as _, Date, Id, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{Frequency, FrequencyQuery, FrequencyUnit};
use crate::tools::ask::{Ask, bad_arguments, counted, quoted, span, steps_fault};

use super::split::{
    CalendarUnit, Row, SEGMENTS_ASKED, by_segment, cut_note, keep_heaviest, on_expression,
    segments, unsplit,
};

pub(super) const QUERY: Tool<Ask> = Tool {
    name: "mixpanel_query_frequency",
    title: "Frequency",
    about: "Tells how often users do an event: in how many hours or days of each day, week or month. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: QueryFrequency::FIELDS,
    output: &[
        Field::always("periods", Shape::list(&PERIOD)).about(
            "at_least: users active in at least 1, 2, 3, … addiction_units; no zeros at the end.",
        ),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| query_frequency(ask, QueryFrequency::read(arguments)),
};

const PERIOD: Shape = Shape::Object(&[
    Field::always("date", Shape::Words),
    Field::sometimes("segment", Shape::Words),
    Field::always("users", Shape::Count),
    Field::always("at_least", Shape::list(&Shape::Count)),
]);

args! {
    struct QueryFrequency {
        /// Event name, exact.
        event: Text<255>,
        /// First day: YYYY-MM-DD, or today, 7d, last_week, this_month.
        from_date: Date,
        /// Last day, inclusive.
        to_date: Date,
        /// Length of a period. Default day.
        unit: Option<CalendarUnit>,
        /// Counted in a period: active hours or days. Default hour.
        addiction_unit: Option<FrequencyUnit>,
        /// Filter, such as properties["plan"] == "pro".
        r#where: Option<Text<4000>>,
        /// Property to split by: a name, or an expression such as user["plan"].
        on: Option<Text<1000>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn query_frequency(ask: &Ask, args: QueryFrequency) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let range = ask.days(&project, &args.from_date, &args.to_date)?;
    let unit = args.unit.unwrap_or(CalendarUnit::Day);
    if let Some(fault) = steps_fault(range, unit.unit()) {
        return Err(bad_arguments(vec![fault]));
    }
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
        Frequency::Segmented(by_date) => by_segment(by_date),
    };
    let active: u64 = periods.iter().map(|row| users(&row.found)).sum();
    if active == 0 {
        let summary = format!(
            "{asked}: nobody did it in these days; {}",
            ask.about_events(&project, &[&args.event.0])
        );
        return Ok(Answer {
            summary,
            data: Data::of([("periods", json!([]).into()), ("truncated", false.into())]),
        });
    }
    // Users active in at least 1, 2, 3, … hours add up to the hours in which users were active.
    let times: u64 = periods.iter().flat_map(|row| &row.found).sum();
    let mean = (times as f64 / active as f64 * 100.0).round() / 100.0;

    let whole = keep_heaviest(&mut periods, |counts| users(counts), Vec::len);
    let (periods, fits) = ask.fitting(periods, period_json);
    let whole = whole && fits;
    let summary = format!(
        "{asked}: a user who was active was so in {mean} {addiction_unit}s of a {} on average; {}{}",
        unit.word(),
        match &on {
            Some(_) => counted(segments(&periods).len(), "segment"),
            None => counted(periods.len(), unit.word()),
        },
        cut_note(whole),
    );
    let periods: Vec<Value> = periods.iter().map(period_json).collect();
    let data = Data::of([("periods", periods.into()), ("truncated", (!whole).into())]);
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
