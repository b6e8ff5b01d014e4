//! The names that other tools take: of events, of their properties, and the values of these.

use serde_json::{Value, json};

use crate::mcp::args::{Arg as _, Id, Int, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::CountType;
use crate::tools::ask::{Ask, counted, quoted};

/// How many names are asked for, so that a search sees all of them. Mixpanel's own default is 255 events and 10
/// properties.
const NAMES_MAX: u32 = 2_000;
const LIMIT_DEFAULT: usize = 100;

pub(super) const LIST_EVENTS: Tool<Ask> = Tool {
    name: "mixpanel_list_events",
    title: "Event names",
    about: "Lists the names of the events that came in the last 31 days, the most common first. Begin here: other tools need the exact name. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: ListEvents::FIELDS,
    output: &[
        Field::always("events", Shape::list(&Shape::Words)),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| list_events(ask, ListEvents::read(arguments)),
};

pub(super) const LIST_EVENT_PROPERTIES: Tool<Ask> = Tool {
    name: "mixpanel_list_event_properties",
    title: "Properties of an event",
    about: "Lists the properties that an event carries, with how many events carry each, the most common first. Mixpanel's own begin with $. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: ListEventProperties::FIELDS,
    output: &[
        Field::always(
            "properties",
            Shape::list(&Shape::Object(&[
                Field::always("name", Shape::Words),
                Field::always("count", Shape::Count),
            ])),
        ),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| list_event_properties(ask, ListEventProperties::read(arguments)),
};

pub(super) const LIST_PROPERTY_VALUES: Tool<Ask> = Tool {
    name: "mixpanel_list_property_values",
    title: "Values of a property",
    about: "Lists the most common values of one property of one event, as text: what a filter can compare with. For counts by value take mixpanel_query_segmentation with on. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: ListPropertyValues::FIELDS,
    output: &[
        Field::always("values", Shape::list(&Shape::Words)),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| list_property_values(ask, ListPropertyValues::read(arguments)),
};

args! {
    struct ListEvents {
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
        /// Only names with this in them, in any case.
        search: Option<Text<255>>,
        /// Most names. Default 100.
        limit: Option<Int<1, 1000>>,
    }
}

args! {
    struct ListEventProperties {
        /// Event name, exact.
        event: Text<255>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
        /// Only names with this in them, in any case.
        search: Option<Text<255>>,
        /// Most properties. Default 100.
        limit: Option<Int<1, 1000>>,
    }
}

args! {
    struct ListPropertyValues {
        /// Event name, exact.
        event: Text<255>,
        /// Property name, exact; Mixpanel's own begin with $.
        property: Text<255>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
        /// Most values. Default 100.
        limit: Option<Int<1, 1000>>,
    }
}

fn list_events(ask: &Ask, args: ListEvents) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let names = ask
        .mixpanel()?
        .query
        .event_names(&project, CountType::General, Some(NAMES_MAX))?;
    let known = names.len();
    let search = Search::of(args.search.as_ref());
    let found: Vec<Value> = names
        .into_iter()
        .filter(|name| search.finds(name))
        .map(Value::from)
        .collect();
    let place = format!("in project {project} in the last 31 days");
    let what = format!("{}{}", counted(found.len(), "event"), search.in_words());
    let summary = match (found.len(), known) {
        (0, 0) => format!(
            "no event came {place}; check the project, or ask mixpanel_get_event_count for an older event by its name"
        ),
        (0, _) => format!(
            "{what} came {place}, among {}; take a shorter search or none",
            counted(known, "event")
        ),
        _ => format!("{what} came {place}, the most common first"),
    };
    Ok(listed(ask, "events", found, known, args.limit, summary))
}

fn list_event_properties(ask: &Ask, args: ListEventProperties) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let event = &args.event.0;
    let properties =
        ask.mixpanel()?
            .query
            .event_properties_top(&project, event, Some(NAMES_MAX))?;
    let known = properties.len();
    let search = Search::of(args.search.as_ref());
    let found: Vec<Value> = properties
        .into_iter()
        .filter(|property| search.finds(&property.name))
        .map(|property| json!({"name": property.name, "count": property.count}))
        .collect();
    let place = format!("the event {} in project {project}", quoted(event));
    let number = match found.len() {
        1 => "1 property".into(),
        number => format!("{number} properties"),
    };
    let what = format!("{number}{}", search.in_words());
    let summary = match (found.len(), known) {
        (0, 0) => format!(
            "Mixpanel knows no property of {place}; {}",
            ask.about_events(&project, &[event])
        ),
        (0, _) => format!("{what} of the {known} of {place}; take a shorter search or none"),
        _ => format!("{what} of {place}, the most common first"),
    };
    Ok(listed(ask, "properties", found, known, args.limit, summary))
}

fn list_property_values(ask: &Ask, args: ListPropertyValues) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let (event, property) = (&args.event.0, &args.property.0);
    let values =
        ask.mixpanel()?
            .query
            .property_values(&project, event, property, Some(NAMES_MAX))?;
    let known = values.len();
    let found: Vec<Value> = values.into_iter().map(Value::from).collect();
    let place = format!(
        "the property {} of the event {} in project {project}",
        quoted(property),
        quoted(event)
    );
    let summary = match found.len() {
        0 => format!(
            "Mixpanel knows no value of {place}; {}",
            ask.about_property(&project, event, property)
        ),
        number => format!(
            "{} of {place}, the most common first",
            counted(number, "value")
        ),
    };
    Ok(listed(ask, "values", found, known, args.limit, summary))
}

/// A part of a name, without regard to case.
struct Search<'a>(Option<&'a str>);

impl<'a> Search<'a> {
    fn of(text: Option<&'a Text<255>>) -> Search<'a> {
        Search(text.map(|text| text.0.as_str()))
    }

    fn finds(&self, name: &str) -> bool {
        self.0
            .is_none_or(|part| name.to_lowercase().contains(&part.to_lowercase()))
    }

    fn in_words(&self) -> String {
        match self.0 {
            Some(part) => format!(" with {} in the name", quoted(part)),
            None => String::new(),
        }
    }
}

/// The first of what was found, and how to get the rest. `known`: how many names Mixpanel gave, of [`NAMES_MAX`].
fn listed(
    ask: &Ask,
    name: &'static str,
    found: Vec<Value>,
    known: usize,
    limit: Option<Int<1, 1000>>,
    mut summary: String,
) -> Answer {
    let limit = limit.map_or(LIMIT_DEFAULT, |limit| limit.0 as usize);
    let number = found.len();
    let (items, _) = ask.fitting_values(found.into_iter().take(limit));
    let cut = items.len() < number;
    let all_known = known < NAMES_MAX as usize;
    if !all_known {
        summary += &format!(" (only the {NAMES_MAX} most common were looked through)");
    }
    if cut {
        summary += &format!(
            "; here are the first {}: for more raise limit (at most 1000)",
            items.len()
        );
    }
    Answer {
        summary,
        data: Data::of([
            (name, items.into()),
            ("truncated", (cut || !all_known).into()),
        ]),
    }
}
