//! The values of one property of one event, over time.

use serde_json::{Map, Value, json};

use crate::mcp::args::{Arg as _, Date, Id, Int, List, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{CountType, PropertyQuery, Unit};
use crate::tools::ask::{Ask, bad_arguments, counted, quoted, span, steps_fault, whole};

/// How many values are asked for where the call does not say.
const LIMIT_DEFAULT: u32 = 20;
/// How many values a summary has.
const VALUES_NAMED: usize = 3;

pub(super) const QUERY_EVENT_PROPERTY: Tool<Ask> = Tool {
    name: "mixpanel_query_event_property",
    title: "Values of a property over time",
    about: "Counts the values of one property of one event over time: the most common, or those that are named. To filter, or to split by an expression, take mixpanel_query_segmentation. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: QueryEventProperty::FIELDS,
    output: &[
        Field::always(
            "series",
            Shape::list(&Shape::Object(&[
                    Field::always("name", Shape::Words),
                    Field::sometimes("total", Shape::Number),
                    Field::always("values", Shape::MapOf(&Shape::Number)),
                ])),
        )
        .about("Largest first; name is the property's value. total: of the whole range, only of events."),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| query_event_property(ask, QueryEventProperty::read(arguments)),
};

args! {
    struct QueryEventProperty {
        /// Event name, exact.
        event: Text<255>,
        /// Property name, exact; Mixpanel's own begin with $.
        property: Text<255>,
        /// First day: YYYY-MM-DD, or today, 7d, last_week, this_month.
        from_date: Date,
        /// Last day, inclusive.
        to_date: Date,
        /// Only these values, as mixpanel_list_property_values lists them. Default: the most common ones.
        values: Option<List<Text<255>, 1, 100>>,
        /// Step of time. Default day.
        unit: Option<Unit>,
        /// general: events (default). unique: users. average: events a user.
        r#type: Option<CountType>,
        /// Most values. Default 20.
        limit: Option<Int<1, 255>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn query_event_property(ask: &Ask, args: QueryEventProperty) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let range = ask.days(&project, &args.from_date, &args.to_date)?;
    let unit = args.unit.unwrap_or(Unit::Day);
    if let Some(fault) = steps_fault(range, unit) {
        return Err(bad_arguments(vec![fault]));
    }
    let count = args.r#type.unwrap_or(CountType::General);
    let limit = args.limit.map_or(LIMIT_DEFAULT, |limit| limit.0 as u32);
    let values: Option<Vec<String>> = args
        .values
        .map(|List(values)| values.into_iter().map(|value| value.0).collect());
    let (event, property) = (args.event.0.as_str(), args.property.0.as_str());
    let found = ask.mixpanel()?.query.event_property(
        &project,
        &PropertyQuery {
            event,
            property,
            values: values.as_deref(),
            range,
            unit,
            count,
            limit: Some(limit),
        },
    )?;

    let mut series: Vec<(f64, String, Map<String, Value>)> = found
        .values
        .iter()
        .map(|(value, numbers)| {
            // Mixpanel may leave out a date with nothing.
            let by_date = found.series.iter().map(|date| {
                let number = numbers.get(date).copied().unwrap_or_default();
                (date.clone(), whole(number))
            });
            (numbers.values().sum(), value.clone(), by_date.collect())
        })
        .collect();
    series
        .sort_by(|(a, a_name, _), (b, b_name, _)| b.total_cmp(a).then_with(|| a_name.cmp(b_name)));
    let adds_up = count == CountType::General;
    let asked = format!(
        "{count} counts of {} by {}, {}",
        quoted(event),
        quoted(property),
        span(&project, range)
    );
    let number = series.len();
    let named: Vec<String> = series
        .iter()
        .take(VALUES_NAMED)
        .map(|(sum, value, _)| match adds_up {
            true => format!("{} {}", quoted(value), whole(*sum)),
            false => quoted(value),
        })
        .collect();
    let mut summary = match named.as_slice() {
        [] => format!("{asked}: none; {}", ask.about_events(&project, &[event])),
        named => format!(
            "{asked}: {}; {}",
            counted(number, "value"),
            named.join(", ")
        ),
    };
    let items = series
        .into_iter()
        .take(limit as usize)
        .map(|(sum, value, by_date)| {
            let mut json = json!({"name": value, "values": by_date});
            if adds_up {
                json["total"] = whole(sum);
            }
            json
        });
    let (items, _) = ask.fitting_values(items);
    let is_cut = items.len() < number;
    // So many values as were asked for: there may be more.
    let may_be_more = values.is_none() && number >= limit as usize;
    if is_cut {
        summary += &format!("; truncated, the first {} are here", items.len());
    } else if may_be_more {
        summary += "; there may be more values: raise limit (at most 255)";
    }
    Ok(Answer {
        summary,
        data: Data::of([
            ("series", items.into()),
            ("truncated", (is_cut || may_be_more).into()),
        ]),
    })
}
