//! Single users: what is known of one, and what one did.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::mcp::args::{Arg as _, Date, Id, Int, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{ActivityEvent, ProfileQuery};

use super::ask::{Ask, counted, quoted, span};

/// How many days of activity are read where the call does not say, today included.
const ACTIVITY_DAYS: i32 = 30;
/// How many events are given where the call does not say.
const ACTIVITY_DEFAULT: usize = 100;
/// How many event names are counted in one answer.
const NAMES_MAX: usize = 50;
/// How many event names a summary has.
const NAMES_NAMED: usize = 3;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    Tool {
        name: "mixpanel_get_user_profile",
        title: "User profile",
        about: "Reads the profile of one user: all properties. For what the user did use mixpanel_get_profile_event_activity. Costs 1 query of the 60 an hour.",
        effect: Effect::Reads,
        params: GetUserProfile::FIELDS,
        output: &[
            Field::always("found", Shape::Flag),
            Field::sometimes("properties", Shape::MapOf(&Shape::Any)),
            Field::always("truncated", Shape::Flag),
        ],
        run: |ask, arguments| get_user_profile(ask, GetUserProfile::read(arguments)),
    },
    Tool {
        name: "mixpanel_get_profile_event_activity",
        title: "User activity",
        about: "Lists what one user did, the newest first, and counts it by event. Costs 1 query of the 60 an hour.",
        effect: Effect::Reads,
        params: GetProfileEventActivity::FIELDS,
        output: &[
            Field::always(
                "events",
                Shape::list(&Shape::Object(&[
                    Field::always("event", Shape::Words),
                    Field::sometimes("time", Shape::Words),
                    Field::always("properties", Shape::MapOf(&Shape::Any)),
                ])),
            )
            .about("time: UTC, in projects from before 2023 the project's zone."),
            Field::always("counts", Shape::MapOf(&Shape::Count))
                .about("By event, of all in these days."),
            Field::always("truncated", Shape::Flag),
        ],
        run: |ask, arguments| {
            get_profile_event_activity(ask, GetProfileEventActivity::read(arguments))
        },
    },
];

args! {
    struct GetUserProfile {
        /// The user's id, exact.
        distinct_id: Text<255>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct GetProfileEventActivity {
        /// The user's id, exact.
        distinct_id: Text<255>,
        /// First day: YYYY-MM-DD, or a word such as 7d. Default: 29 days before to_date.
        from_date: Option<Date>,
        /// Last day, inclusive. Default: today.
        to_date: Option<Date>,
        /// Most events. Default 100.
        limit: Option<Int<1, 1000>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn get_user_profile(ask: &Ask, args: GetUserProfile) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let id = args.distinct_id.0.as_str();
    let query = ProfileQuery {
        distinct_id: Some(id),
        ..ProfileQuery::default()
    };
    let page = ask.mixpanel()?.query.engage(&project, &query)?;
    let asked = format!("profile of {}, project {project}", quoted(id));
    let Some(profile) = page.results.into_iter().next() else {
        let summary = format!(
            "{asked}: none; ids are case-sensitive, and a user without profile properties may still have events: ask mixpanel_get_profile_event_activity"
        );
        return Ok(Answer {
            summary,
            data: Data::of([("found", false.into()), ("truncated", false.into())]),
        });
    };
    let known = profile.properties.len();
    let (properties, whole) = ask.fitting(profile.properties, |(name, value)| json!([name, value]));
    let mut summary = match known {
        1 => format!("{asked}: 1 property"),
        known => format!("{asked}: {known} properties"),
    };
    let named: Vec<String> = ["$name", "$email"]
        .iter()
        .filter_map(|wanted| {
            let (_, value) = properties.iter().find(|(name, _)| name == wanted)?;
            Some(format!("{wanted} {}", quoted(value.as_str()?)))
        })
        .collect();
    if !named.is_empty() {
        summary.push_str(&format!("; {}", named.join(", ")));
    }
    let mut data = Data::of([("found", true.into()), ("truncated", (!whole).into())]);
    if !whole {
        summary.push_str(&format!(
            "; truncated, {} of them are here: the rest is more than this client takes in one answer",
            properties.len()
        ));
    }
    let properties: Map<String, Value> = properties.into_iter().collect();
    data.insert("properties", properties);
    Ok(Answer { summary, data })
}

fn get_profile_event_activity(ask: &Ask, args: GetProfileEventActivity) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let (from, to) = (args.from_date.as_ref(), args.to_date.as_ref());
    let range = ask.days_or(&project, from, to, ACTIVITY_DAYS)?;
    let ids = [args.distinct_id.0];
    let mut events = ask
        .mixpanel()?
        .query
        .activity_stream(&project, &ids, range)?;
    let asked = format!(
        "activity of {}, {}",
        quoted(&ids.concat()),
        span(&project, range)
    );
    if events.is_empty() {
        let summary = format!(
            "{asked}: no events; ids are case-sensitive, so check the id, or ask for other days"
        );
        return Ok(Answer {
            summary,
            data: Data::of([
                ("events", json!([]).into()),
                ("counts", json!({}).into()),
                ("truncated", false.into()),
            ]),
        });
    }

    let found = events.len();
    let counts = counts(&events);
    events.sort_by(|a, b| seconds(b).total_cmp(&seconds(a)));
    events.truncate(
        args.limit
            .map_or(ACTIVITY_DEFAULT, |limit| limit.0 as usize),
    );
    let (events, _) = ask.fitting(events, event_json);
    let named: Vec<String> = counts
        .iter()
        .take(NAMES_NAMED)
        .map(|(name, count)| format!("{} {count}", quoted(name)))
        .collect();
    let mut summary = format!("{asked}: {}; {}", counted(found, "event"), named.join(", "));
    if counts.len() > NAMES_MAX {
        summary.push_str(&format!(
            "; counts has the {NAMES_MAX} most common of {} names",
            counts.len()
        ));
    }
    let truncated = events.len() < found;
    if truncated {
        summary.push_str(&format!(
            "; truncated, the newest {} are here: ask with a higher limit, or for days before",
            events.len()
        ));
    }
    let counts: Map<String, Value> = counts
        .into_iter()
        .take(NAMES_MAX)
        .map(|(name, count)| (name, count.into()))
        .collect();
    let events: Vec<Value> = events.iter().map(event_json).collect();
    let data = Data::of([
        ("events", events.into()),
        ("counts", counts.into()),
        ("truncated", truncated.into()),
    ]);
    Ok(Answer { summary, data })
}

/// How many events of each name, most first.
fn counts(events: &[ActivityEvent]) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for event in events {
        *counts.entry(&event.event).or_default() += 1;
    }
    let mut counts: Vec<(String, u64)> = counts
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

/// When it happened, in seconds since 1970; 0 if that is not told.
fn seconds(event: &ActivityEvent) -> f64 {
    event
        .properties
        .get("time")
        .and_then(Value::as_f64)
        .unwrap_or_default()
}

fn event_json(event: &ActivityEvent) -> Value {
    let mut json = json!({"event": event.event, "properties": event.properties});
    let time = Timestamp::from_second(seconds(event) as i64);
    if let (true, Ok(time)) = (event.properties.contains_key("time"), time) {
        json["time"] = TimeZone::UTC.to_datetime(time).to_string().into();
    }
    json
}
