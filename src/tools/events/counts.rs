//! How often one event or all events came, over time.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::figures::{Counts, check_steps, exactly, filled, is_one, mean, on_average, rounded};
use crate::mcp::args::{Arg as _, Date, Id, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{CountType, DateRange, ProjectId, Unit};
use crate::tools::ask::{Ask, counted, quoted, span};

/// The longest range for which Mixpanel is asked to count in one bucket.
const BUCKET_DAYS_MAX: i32 = 366;
/// The most events that are listed when no event is named.
const EVENTS_LISTED_MAX: usize = 100;

pub(super) const GET_EVENT_COUNT: Tool<Ask> = Tool {
    name: "mixpanel_get_event_count",
    title: "Event count",
    about: "Counts one event or all events: in total, by event, and by unit of time. type=unique counts users, each once in the whole range. To filter or split by a property take mixpanel_query_segmentation. Costs 1 query of the 60 an hour (2 for unique or average); without event 2 to 5, over the events seen in the last 31 days.",
    effect: Effect::Reads,
    params: EventCount::FIELDS,
    output: &[
        Field::sometimes("total", Shape::Number).about("Of the whole range; only where exact."),
        Field::always("measure", Shape::Words).about("What the counts of by_event are."),
        Field::always("by_event", BY_EVENT),
        Field::sometimes("by_unit", Shape::MapOf(&Shape::Number)),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| get_event_count(ask, EventCount::read(arguments)),
};

const BY_EVENT: Shape = Shape::List {
    item: &Shape::Object(&[
        Field::always("event", Shape::Words),
        Field::always("count", Shape::Number),
    ]),
    min: 0,
    max: EVENTS_LISTED_MAX,
};

args! {
    struct EventCount {
        /// First day: YYYY-MM-DD, or today, 7d, last_week, this_month.
        from_date: Date,
        /// Last day, inclusive.
        to_date: Date,
        /// Event name, exact. Default: all events.
        event: Option<Text<255>>,
        /// Step of time. Default day. Not minute or hour for unique.
        unit: Option<Unit>,
        /// general: events (default). unique: users. average: events a user.
        r#type: Option<CountType>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn get_event_count(ask: &Ask, args: EventCount) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let range = ask.days(&project, &args.from_date, &args.to_date)?;
    let count = args.r#type.unwrap_or(CountType::General);
    let unit = args.unit.unwrap_or(Unit::Day);
    check_steps(range, unit, count)?;
    match args.event {
        Some(event) => count_one(ask, &project, &event.0, count, unit, range),
        None => count_all(ask, &project, count, unit, range),
    }
}

fn count_one(
    ask: &Ask,
    project: &ProjectId,
    event: &str,
    count: CountType,
    unit: Unit,
    range: DateRange,
) -> Result<Answer, Failure> {
    let query = &ask.mixpanel()?.query;
    let series = query.events(project, &[event.to_owned()], count, unit, range)?;
    let by_unit = filled(&series, series.values.get(event));
    let sum: f64 = by_unit.values().sum();
    let total = if count == CountType::General || sum == 0.0 {
        Some(sum)
    } else if let (true, Some(only)) = (is_one(unit, range), only(&by_unit)) {
        Some(only)
    } else if range.days() <= BUCKET_DAYS_MAX {
        query.figure_of_range(project, event, count, range)?
    } else {
        None
    };
    let (figure, measure) = match total {
        Some(total) => (total, exactly(count).to_owned()),
        None => (mean(&by_unit), on_average(count, unit, by_unit.len())),
    };
    let place = format!("of {} in {}", quoted(event), span(project, range));
    let summary = match (total, by_unit.len()) {
        (Some(0.0), _) => format!(
            "no {} {place}; {}",
            exactly(count),
            ask.about_events(project, &[event])
        ),
        (Some(total), _) => format!("{} {measure} {place}", rounded(total)),
        (None, steps) => format!(
            "{} {measure} {place}; there is no exact figure for all {}, and adding them up would count users again",
            rounded(figure),
            counted(steps, unit.as_str()),
        ),
    };
    let mut data = Data::of([
        ("measure", measure.into()),
        (
            "by_event",
            json!([{"event": event, "count": rounded(figure)}]).into(),
        ),
        ("by_unit", numbers(by_unit).into()),
        ("truncated", false.into()),
    ]);
    if let Some(total) = total {
        data.insert("total", rounded(total));
    }
    Ok(Answer { summary, data })
}

fn count_all(
    ask: &Ask,
    project: &ProjectId,
    count: CountType,
    unit: Unit,
    range: DateRange,
) -> Result<Answer, Failure> {
    let all = Counts::of_all(ask, project, count, unit, range)?;
    let place = span(project, range);
    let items = all
        .ranked
        .iter()
        .map(|(event, figure)| json!({"event": event, "count": rounded(*figure)}));
    let (items, _) = ask.fitting_values(items.take(EVENTS_LISTED_MAX));
    let cut = items.len() < all.ranked.len();
    let mut summary = match all.ranked.as_slice() {
        [] => all.nothing(&place),
        [(first, most), ..] => {
            let most = format!("the most is {} of {}", rounded(*most), quoted(first));
            match count {
                CountType::General => format!(
                    "{} events under {} in {place}; {most}",
                    rounded(all.sum()),
                    counted(all.ranked.len(), "name"),
                ),
                _ => format!(
                    "{} of {} in {place}; {most}; users do several events, so there is no total over events",
                    all.measure,
                    counted(all.ranked.len(), "event"),
                ),
            }
        }
    };
    summary += &all.left_out_in_words();
    if cut {
        summary += &format!(
            "; by_event has the first {}, name an event to count another",
            items.len()
        );
    }
    let mut data = Data::of([
        ("measure", all.measure.as_str().into()),
        ("by_event", items.into()),
        ("truncated", (cut || all.left_out > 0).into()),
    ]);
    if count == CountType::General {
        data.insert("total", rounded(all.sum()));
        data.insert("by_unit", numbers(all.by_unit));
    }
    Ok(Answer { summary, data })
}

fn only(numbers: &BTreeMap<String, f64>) -> Option<f64> {
    let mut numbers = numbers.values();
    match (numbers.next(), numbers.next()) {
        (Some(only), None) => Some(*only),
        _ => None,
    }
}

fn numbers(by_unit: BTreeMap<String, f64>) -> Map<String, Value> {
    by_unit
        .into_iter()
        .map(|(date, number)| (date, rounded(number)))
        .collect()
}
