//! Events go in: the recent ones with the project's token, if one is set, all others as an import.
//!
//! `/track` answers 1 whatever becomes of the events, so they are checked before. `/import` judges each event itself.

use serde_json::{Map, Value};

use super::destination::place;
use super::event::{STRING_CHARS_MAX, Stamp, complete, faults, identity, is_recent, long_strings};
use super::import::{Import, Refused};
use crate::mcp::args::{Arg as _, Id, List, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::Error;
use crate::tools::ask::{Ask, bad_arguments, counted};

/// The most events of a batch.
const BATCH_MAX: usize = 50;
/// The most strings that a warning names.
const CUTS_TOLD_MAX: usize = 5;

pub(super) const TRACK_EVENT: Tool<Ask> = Tool {
    name: "mixpanel_track_event",
    title: "Track an event",
    about: "Sends one event, by default of now. For several take mixpanel_track_batch_events. Costs no query quota.",
    effect: Effect::Adds,
    params: TrackEvent::FIELDS,
    output: SENT,
    run: |ask, arguments| track_event(ask, TrackEvent::read(arguments)),
};

pub(super) const TRACK_BATCH_EVENTS: Tool<Ask> = Tool {
    name: "mixpanel_track_batch_events",
    title: "Track several events",
    about: "Sends 1 to 50 events, by default of now; none is sent if one is not well formed. For more or older ones take mixpanel_import_events. Costs no query quota.",
    effect: Effect::Adds,
    params: TrackBatchEvents::FIELDS,
    output: SENT,
    run: |ask, arguments| track_batch_events(ask, TrackBatchEvents::read(arguments)),
};

pub(super) const IMPORT_EVENTS: Tool<Ask> = Tool {
    name: "mixpanel_import_events",
    title: "Import events",
    about: "Imports 1 to 2000 events of any age. Good ones are stored also where others are refused, here or by Mixpanel: the result tells which and why, send only those again. Needs a service account that may import (owner or admin). Costs no query quota.",
    effect: Effect::Adds,
    params: ImportEvents::FIELDS,
    output: &[Field::always("stored", Shape::Count)],
    run: |ask, arguments| import_events(ask, ImportEvents::read(arguments)),
};

const SENT: &[Field] = &[
    Field::always("accepted", Shape::Count),
    Field::always("via", Shape::OneOf(&["track", "import"])),
    Field::always(
        "events",
        Shape::List {
            item: &Shape::Object(&[
                Field::always("insert_id", Shape::Words),
                Field::always("time", Shape::Count),
            ]),
            min: 1,
            max: BATCH_MAX,
        },
    ),
];

args! {
    struct TrackEvent {
        /// Event name.
        event: Text<255>,
        /// Properties by name; among them time (seconds or milliseconds since 1970, default now) and $insert_id (up to 36 letters, digits, -; default random).
        properties: Option<Map<String, Value>>,
        /// Id of the user. Default: that in properties, else nobody.
        distinct_id: Option<Text<255>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct TrackBatchEvents {
        /// The events.
        events: List<EventInput, 1, 50>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct ImportEvents {
        /// Project id, as mixpanel_get_projects lists it.
        project_id: Id,
        /// The events.
        events: List<EventInput, 1, 2000>,
    }
}

args! {
    struct EventInput {
        /// Event name.
        event: Text<255>,
        /// Properties by name; among them time (seconds or milliseconds since 1970, default now) and $insert_id (up to 36 letters, digits, -; default random).
        properties: Option<Map<String, Value>>,
        /// Id of the user. Default: that in properties, else nobody.
        distinct_id: Option<Text<255>>,
    }
}

fn track_event(ask: &Ask, args: TrackEvent) -> Result<Answer, Failure> {
    let input = EventInput {
        event: args.event,
        properties: args.properties,
        distinct_id: args.distinct_id,
    };
    track(ask, args.project_id.as_ref(), vec![input], |_| {
        String::new()
    })
}

fn track_batch_events(ask: &Ask, args: TrackBatchEvents) -> Result<Answer, Failure> {
    track(ask, args.project_id.as_ref(), args.events.0, |index| {
        format!("events[{index}].")
    })
}

fn track(
    ask: &Ask,
    project_id: Option<&Id>,
    inputs: Vec<EventInput>,
    path: fn(usize) -> String,
) -> Result<Answer, Failure> {
    let clients = ask.mixpanel()?;
    let stamp = Stamp::new()?;
    let now_ms = stamp.now_ms;
    let events = completed(inputs, &stamp);
    let all_faults: Vec<String> = events
        .iter()
        .enumerate()
        .flat_map(|(index, event)| {
            let faults = faults(event, now_ms).into_iter();
            faults.map(move |fault| format!("{}{fault}", path(index)))
        })
        .collect();
    if !all_faults.is_empty() {
        return Err(bad_arguments(all_faults));
    }
    warn_of_cuts(ask, &events);

    // With a token alone no project need be named.
    let project = ask.project(project_id);
    let token = clients.token_in_settings(project.as_ref().ok());
    let is_recent = |event| is_recent(event, now_ms);
    let (via, summary) = match token.filter(|_| events.iter().all(is_recent)) {
        Some(token) => {
            let sent = clients.ingestion.track(token, &events);
            sent.map_err(|error| unsure(error, &events))?;
            let place = place(project.as_ref().ok());
            let summary = format!(
                "Mixpanel took {} for {place}; it does not say whether it knows the server's project token",
                counted(events.len(), "event")
            );
            ("track", summary)
        }
        None => {
            let project = project?;
            let import = Import::run(ask, &project, &events, Vec::new())?;
            let stored = import.all_stored(ask, &project, &events, &stamp);
            let stored = stored.map_err(|mut failure| {
                if token.is_some() {
                    failure.text = format!(
                        "an event is older than five days, which /track drops, so an import was tried: {}",
                        failure.text
                    );
                }
                failure
            })?;
            let summary = format!("{} stored in project {project}", counted(stored, "event"));
            ("import", summary)
        }
    };
    let identities: Vec<Value> = events.iter().map(identity).collect();
    Ok(Answer {
        summary: summary + &nobodys_in_words(&events),
        data: Data::of([
            ("accepted", events.len().into()),
            ("via", via.into()),
            ("events", identities.into()),
        ]),
    })
}

fn import_events(ask: &Ask, args: ImportEvents) -> Result<Answer, Failure> {
    let project = ask.project(Some(&args.project_id))?;
    let stamp = Stamp::new()?;
    let events = completed(args.events.0, &stamp);
    let refused = events.iter().enumerate().filter_map(|(place, event)| {
        let faults = faults(event, stamp.now_ms);
        (!faults.is_empty()).then(|| Refused::before(place, &faults))
    });
    let refused = refused.collect();
    warn_of_cuts(ask, &events);
    let import = Import::run(ask, &project, &events, refused)?;
    let stored = import.all_stored(ask, &project, &events, &stamp)?;
    let stored_words = counted(stored, "event");
    Ok(Answer {
        summary: format!("{stored_words} stored in project {project}") + &nobodys_in_words(&events),
        data: Data::of([("stored", stored.into())]),
    })
}

fn completed(inputs: Vec<EventInput>, stamp: &Stamp) -> Vec<Value> {
    let complete = |(place, input): (usize, EventInput)| {
        let distinct_id = input.distinct_id.map(|id| id.0);
        complete(input.event.0, input.properties, distinct_id, stamp, place)
    };
    inputs.into_iter().enumerate().map(complete).collect()
}

/// Says it if Mixpanel will not keep all of a string.
fn warn_of_cuts(ask: &Ask, events: &[Value]) {
    let mut number = 0;
    let mut first = Vec::new();
    for (place, event) in events.iter().enumerate() {
        for path in long_strings(event) {
            number += 1;
            if first.len() < CUTS_TOLD_MAX {
                first.push(format!("events[{place}].{path}"));
            }
        }
    }
    if number > 0 {
        let more = match number > first.len() {
            true => ", …",
            false => "",
        };
        ask.warn(format!(
            "Mixpanel keeps only the first {STRING_CHARS_MAX} characters of {}: {}{more}",
            counted(number, "string"),
            first.join(", ")
        ));
    }
}

/// A failure after which nobody knows whether the events arrived: it brings what makes them safe to send again.
fn unsure(error: Error, events: &[Value]) -> Failure {
    let may_have_arrived = error.may_have_happened();
    let mut failure = Failure::from(error);
    if !may_have_arrived {
        return failure;
    }
    failure.text += "; the events may have arrived: send them again with the time and $insert_id in `sent`, then none is counted twice";
    let sent: Vec<Value> = events.iter().map(identity).collect();
    failure.with("sent", sent)
}

/// Says so if events have no user.
fn nobodys_in_words(events: &[Value]) -> String {
    let is_nobodys = |event: &&Value| event["properties"]["distinct_id"] == "";
    match events.iter().filter(is_nobodys).count() {
        0 => String::new(),
        number => format!("; {number} without distinct_id: in counts of events, not of users"),
    }
}
