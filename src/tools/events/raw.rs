//! Raw events, from an export that is read as a stream: only what is returned is kept. Mixpanel itself is asked for no
//! more than the limit, so an export that breaks is simply read anew.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::mcp::args::{Arg as _, Date, Id, Int, List, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{Error, ExportQuery, MixpanelExportClient, ProjectId};
use crate::tools::ask::{Ask, counted, quoted};
use crate::tools::stream;

const LIMIT_DEFAULT: usize = 100;
/// How often an export is begun before its breaking is told.
const TRIES_MAX: usize = 3;
/// Times below are seconds, above milliseconds.
const SECONDS_BELOW: i64 = 100_000_000_000;

pub(super) const QUERY_EVENTS: Tool<Ask> = Tool {
    name: "mixpanel_query_events",
    title: "Raw events",
    about: "Reads single raw events with their properties, as exported: unsorted; of events sent twice, one. For numbers take mixpanel_get_event_count or mixpanel_query_segmentation, which are cheaper and exact. Costs 1 export of the 60 an hour.",
    effect: Effect::Reads,
    params: QueryEvents::FIELDS,
    output: &[
        Field::always(
            "events",
            Shape::list(&Shape::Object(&[
                Field::always("event", Shape::Words),
                Field::sometimes("time", Shape::Words)
                    .about("In UTC, or the project's zone for projects from before 2023."),
                Field::sometimes("distinct_id", Shape::Words),
                Field::always("properties", Shape::MapOf(&Shape::Any)),
            ])),
        ),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| query_events(ask, QueryEvents::read(arguments)),
};

args! {
    struct QueryEvents {
        /// First day, in UTC, or the project's zone for projects from before 2023.
        from_date: Date,
        /// Last day, inclusive, not after today.
        to_date: Date,
        /// Event name, exact. Default: all events.
        event: Option<Text<255>>,
        /// Filter, such as properties["amount"] > 10 and properties["plan"] == "pro".
        r#where: Option<Text<4000>>,
        /// Most events. Default 100.
        limit: Option<Int<1, 10_000>>,
        /// Names of the properties to return. Default: all.
        properties: Option<List<Text<255>, 1, 100>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

/// A line of an export.
#[derive(Deserialize)]
struct Line {
    event: String,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// Why reading ended.
enum End {
    OfEvents,
    Limit,
    Bytes,
}

/// What was read of one export.
struct Gathered {
    events: Vec<Value>,
    /// Lines that are no events.
    unreadable: u64,
    /// Events that were there already.
    copies: u64,
    end: End,
}

/// Reads one export up to the limit, or as far as the client can take it.
fn gather(
    ask: &Ask,
    export: &MixpanelExportClient,
    project: &ProjectId,
    query: &ExportQuery<'_>,
    limit: usize,
    wanted: Option<&[Text<255>]>,
) -> Result<Gathered, Error> {
    let mut lines = export.export(project, query)?;
    let mut gathered = Gathered {
        events: Vec::new(),
        unreadable: 0,
        copies: 0,
        end: End::OfEvents,
    };
    let mut seen = HashSet::new();
    let mut bytes_left = ask.data_bytes_max();
    loop {
        if ask.call().cancellation().is_cancelled() {
            return Err(Error::Cancelled);
        }
        let Some(line) = lines.next_line()? else {
            break;
        };
        if seen.len() == limit {
            gathered.end = End::Limit;
            break;
        }
        let Ok(line) = serde_json::from_slice::<Line>(line) else {
            gathered.unreadable += 1;
            continue;
        };
        if !seen.insert(identity(&line, gathered.events.len())) {
            gathered.copies += 1;
            continue;
        }
        let event = described(line, wanted);
        let bytes = event.to_string().len() + 1;
        if bytes > bytes_left {
            gathered.end = End::Bytes;
            break;
        }
        bytes_left -= bytes;
        gathered.events.push(event);
        let done = gathered.events.len() as f64;
        ask.call()
            .progress(done, Some(limit as f64), "reading events");
    }
    // What came beyond the limit was copies, and Mixpanel has more of the days.
    if gathered.copies > 0 && gathered.events.len() + gathered.copies as usize > limit {
        gathered.end = End::Limit;
    }
    Ok(gathered)
}

/// What makes two lines one event, as Mixpanel's own reports count it. A line without an `$insert_id` is one of its own.
fn identity(line: &Line, nth: usize) -> String {
    let of = |name: &str| {
        line.properties
            .get(name)
            .map(Value::to_string)
            .unwrap_or_default()
    };
    match line.properties.get("$insert_id") {
        Some(id) => format!("{id} {} {} {}", of("time"), of("distinct_id"), line.event),
        None => nth.to_string(),
    }
}

fn query_events(ask: &Ask, args: QueryEvents) -> Result<Answer, Failure> {
    let limit = args.limit.map_or(LIMIT_DEFAULT, |limit| limit.0 as usize);
    let project = ask.project(args.project_id.as_ref())?;
    let range = ask.export_days(&project, &args.from_date, &args.to_date)?;
    let names: Vec<String> = args.event.iter().map(|event| event.0.clone()).collect();
    let query = ExportQuery {
        range,
        events: &names,
        filter: args.r#where.as_ref().map(|filter| filter.0.as_str()),
        // One more than is returned tells whether there are more.
        limit: Some(limit as u32 + 1),
        time_in_ms: false,
    };
    let wanted = args.properties.as_ref().map(|wanted| wanted.0.as_slice());
    let export = &ask.mixpanel()?.export;
    let mut tries = 1;
    let Gathered {
        events,
        unreadable,
        copies,
        end,
    } = loop {
        match gather(ask, export, &project, &query, limit, wanted) {
            Err(error) if stream::is_passing(&error) && tries < TRIES_MAX => tries += 1,
            gathered => break gathered?,
        }
    };

    let what = match &args.event {
        Some(event) => format!("{} events", quoted(&event.0)),
        None => "events".into(),
    };
    let place = format!(
        "project {project}, {} to {} (days in UTC, or in the project's zone for projects from before 2023)",
        range.from, range.to
    );
    let mut summary = match (&end, events.len()) {
        (End::OfEvents, 0) => {
            let filter = if args.r#where.is_some() {
                " and fulfil where"
            } else {
                ""
            };
            format!(
                "no {what} are in {place}{filter}; {}",
                match &args.event {
                    Some(event) => ask.about_events(&project, &[&event.0]),
                    None => "check the dates".into(),
                }
            )
        }
        (End::OfEvents, 1) => format!("1 event, all that there is of {what} in {place}"),
        (End::OfEvents, number) => format!("all {number} {what} in {place}"),
        (End::Limit, number) => format!(
            "{number} {what} in {place}, and there are more: raise limit (at most 10000), narrow where or the days"
        ),
        (End::Bytes, number) => format!(
            "{number} {what} in {place}; more would be too large for one answer: name the properties you need, or narrow where or the days"
        ),
    };
    if copies > 0 {
        summary += &format!(
            "; {} left out",
            if copies == 1 {
                "1 copy".into()
            } else {
                format!("{copies} copies")
            }
        );
    }
    if unreadable > 0 {
        summary += &format!(
            "; {} of the export could not be read",
            counted(unreadable, "line")
        );
    }
    Ok(Answer {
        summary,
        data: Data::of([
            ("events", events.into()),
            ("truncated", (!matches!(end, End::OfEvents)).into()),
        ]),
    })
}

/// The event with its wanted properties; who and when stand outside of them.
fn described(line: Line, wanted: Option<&[Text<255>]>) -> Value {
    let mut properties = line.properties;
    let time = properties.get("time").and_then(moment);
    let distinct_id = match properties.get("distinct_id") {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Null) | None => None,
        Some(other) => Some(other.to_string()),
    };
    if let Some(wanted) = wanted {
        properties.retain(|name, _| wanted.iter().any(|wanted| wanted.0 == *name));
    }
    let mut event = json!({"event": line.event, "properties": properties});
    for (name, value) in [("time", time), ("distinct_id", distinct_id)] {
        if let Some(value) = value {
            event[name] = value.into();
        }
    }
    event
}

/// The moment without a zone, as `2026-01-31T12:00:00`: old projects shift their times into their own zone.
fn moment(time: &Value) -> Option<String> {
    let number = time
        .as_i64()
        .or_else(|| time.as_f64().map(|number| number as i64))?;
    let moment = if number.abs() < SECONDS_BELOW {
        Timestamp::from_second(number)
    } else {
        Timestamp::from_millisecond(number)
    };
    Some(TimeZone::UTC.to_datetime(moment.ok()?).to_string())
}
