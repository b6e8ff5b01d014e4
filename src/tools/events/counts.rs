//! How often events came: counted by Mixpanel, never by reading the events.
//!
//! Counts of events add up over days and over events. Unique users and averages do not: a figure of them for a
//! whole range is asked for as such, or is told as a mean of the units of time.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::mcp::args::{Arg as _, Date, Id, Int, Text, args};
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{CountType, DateRange, ProjectId, Series, Unit};
use crate::tools::ask::{Ask, bad_arguments, counted, days, object, quoted, span, whole};

/// How many names are asked for; the most common come first.
const NAMES_MAX: u32 = 2_000;
/// The most bytes of names, escaped, in the address of one query: many servers take no address over 8 KB.
const NAMES_BYTES_MAX: usize = 7_000;
/// The most queries over which the names are spread.
const NAMES_QUERIES_MAX: usize = 4;
/// The most steps of time: all minutes of a day, two months of hours, four years of days.
const STEPS_MAX: i64 = 1_500;
/// The longest range for which Mixpanel is asked to count in one bucket.
const BUCKET_DAYS_MAX: i32 = 366;
/// The most events that are listed when no event is named.
const EVENTS_LISTED_MAX: usize = 100;
const TOP_DEFAULT: usize = 10;

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

pub(super) const GET_TOP_EVENTS: Tool<Ask> = Tool {
    name: "mixpanel_get_top_events",
    title: "Top events",
    about: "Ranks the events of a range of days by count, with each one's share of all. For today alone take mixpanel_get_todays_top_events. Costs 2 queries of the 60 an hour, up to 5 where there are hundreds of events. Covers the events seen in the last 31 days.",
    effect: Effect::Reads,
    params: TopEvents::FIELDS,
    output: &[
        Field::always("measure", Shape::Words).about("What count is."),
        Field::always(
            "events",
            Shape::List {
                item: &Shape::Object(&[
                    Field::always("rank", Shape::Count),
                    Field::always("event", Shape::Words),
                    Field::always("count", Shape::Number),
                    Field::sometimes("share_percent", Shape::Number)
                        .about("Of all events. Not for users, who do several."),
                ]),
                min: 0,
                max: 100,
            },
        ),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| get_top_events(ask, TopEvents::read(arguments)),
};

pub(super) const GET_TODAYS_TOP_EVENTS: Tool<Ask> = Tool {
    name: "mixpanel_get_todays_top_events",
    title: "Today's top events",
    about: "Ranks today's events so far, each with its change on yesterday. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: TodaysTopEvents::FIELDS,
    output: &[
        Field::always(
            "events",
            Shape::List {
                item: &Shape::Object(&[
                    Field::always("rank", Shape::Count),
                    Field::always("event", Shape::Words),
                    Field::always("amount", Shape::Number),
                    Field::sometimes("change_percent", Shape::Number)
                        .about("On yesterday: 50 is half as many again."),
                ]),
                min: 0,
                max: 100,
            },
        ),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| get_todays_top_events(ask, TodaysTopEvents::read(arguments)),
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
        /// First day, YYYY-MM-DD, in the project's time zone.
        from_date: Date,
        /// Last day, YYYY-MM-DD, inclusive.
        to_date: Date,
        /// Event name, exact. Default: all events.
        event: Option<Text<255>>,
        /// Step of time. Default day. Not minute or hour for unique.
        unit: Option<Unit>,
        /// general: events (default). unique: users. average: events a user.
        r#type: Option<CountType>,
        /// Project id. Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct TopEvents {
        /// First day, YYYY-MM-DD, in the project's time zone.
        from_date: Date,
        /// Last day, YYYY-MM-DD, inclusive.
        to_date: Date,
        /// Most events. Default 10.
        limit: Option<Int<1, 100>>,
        /// general: events (default). unique: users. average: events a user.
        r#type: Option<CountType>,
        /// Project id. Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct TodaysTopEvents {
        /// Most events. Default 10.
        limit: Option<Int<1, 100>>,
        /// general: events (default). unique: users. average: events a user.
        r#type: Option<CountType>,
        /// Project id. Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn get_event_count(ask: &Ask, args: EventCount) -> Result<Answer, Failure> {
    let range = days(&args.from_date, &args.to_date)?;
    let count = args.r#type.unwrap_or(CountType::General);
    let unit = args.unit.unwrap_or(Unit::Day);
    check_steps(range, unit, count)?;
    let project = ask.project(args.project_id.as_ref())?;
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
            "no {} {place}; names are case-sensitive: look the event up with mixpanel_list_events",
            exactly(count)
        ),
        (Some(total), _) => format!("{} {measure} {place}", rounded(total)),
        (None, steps) => format!(
            "{} {measure} {place}; there is no exact figure for all {}, and adding them up would count users again",
            rounded(figure),
            counted(steps, unit.as_str()),
        ),
    };
    let mut data = object([
        ("measure", measure.into()),
        (
            "by_event",
            json!([{"event": event, "count": rounded(figure)}]),
        ),
        ("by_unit", numbers(by_unit).into()),
        ("truncated", false.into()),
    ]);
    if let Some(total) = total {
        data.insert("total".into(), rounded(total));
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
    let (items, _) = ask.fitting(items.take(EVENTS_LISTED_MAX), Value::clone);
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
    let mut data = object([
        ("measure", all.measure.as_str().into()),
        ("by_event", items.into()),
        ("truncated", (cut || all.left_out > 0).into()),
    ]);
    if count == CountType::General {
        data.insert("total".into(), rounded(all.sum()));
        data.insert("by_unit".into(), numbers(all.by_unit).into());
    }
    Ok(Answer { summary, data })
}

fn get_top_events(ask: &Ask, args: TopEvents) -> Result<Answer, Failure> {
    let range = days(&args.from_date, &args.to_date)?;
    let count = args.r#type.unwrap_or(CountType::General);
    let limit = args.limit.map_or(TOP_DEFAULT, |limit| limit.0 as usize);
    // In a whole month each user is counted once.
    let unit = if is_one(Unit::Month, range) && count != CountType::General {
        Unit::Month
    } else {
        Unit::Day
    };
    check_steps(range, unit, count)?;
    let project = ask.project(args.project_id.as_ref())?;
    let all = Counts::of_all(ask, &project, count, unit, range)?;
    let sum = all.sum();
    let items = all
        .ranked
        .iter()
        .enumerate()
        .map(|(index, (event, figure))| {
            let mut item = json!({"rank": index + 1, "event": event, "count": rounded(*figure)});
            if count == CountType::General {
                item["share_percent"] = rounded(figure / sum * 100.0);
            }
            item
        });
    let (items, _) = ask.fitting(items.take(limit), Value::clone);
    let cut = items.len() < all.ranked.len();
    let place = span(&project, range);
    let mut summary = match all.ranked.as_slice() {
        [] => all.nothing(&place),
        [(first, most), ..] => format!(
            "top {} of {} by {} in {place}: {} leads with {}",
            items.len(),
            counted(all.ranked.len(), "event"),
            all.measure,
            quoted(first),
            rounded(*most),
        ),
    };
    if count == CountType::General && sum > 0.0 {
        summary += &format!(" of {}", rounded(sum));
    }
    summary += &all.left_out_in_words();
    if cut {
        summary += "; for more raise limit (at most 100)";
    }
    Ok(Answer {
        summary,
        data: object([
            ("measure", all.measure.as_str().into()),
            ("events", items.into()),
            ("truncated", (cut || all.left_out > 0).into()),
        ]),
    })
}

fn get_todays_top_events(ask: &Ask, args: TodaysTopEvents) -> Result<Answer, Failure> {
    let count = args.r#type.unwrap_or(CountType::General);
    let limit = args.limit.map_or(TOP_DEFAULT, |limit| limit.0 as usize);
    let project = ask.project(args.project_id.as_ref())?;
    // One more than is shown tells whether there are more.
    let asked_for = limit as u32 + 1;
    let mut events = ask
        .mixpanel()?
        .query
        .top_events(&project, count, Some(asked_for))?;
    events.sort_by(|a, b| b.amount.total_cmp(&a.amount));
    let items = events.iter().enumerate().map(|(index, event)| {
        let mut item =
            json!({"rank": index + 1, "event": event.event, "amount": rounded(event.amount)});
        // Mixpanel's `percent_change` is a fraction.
        if let Some(change) = event.percent_change {
            item["change_percent"] = rounded(change * 100.0);
        }
        item
    });
    let (items, _) = ask.fitting(items.take(limit), Value::clone);
    let cut = items.len() < events.len();
    let what = exactly(count);
    let mut summary = match events.first() {
        None => format!(
            "no events came today so far in project {project}; ask mixpanel_get_top_events for earlier days"
        ),
        Some(first) => format!(
            "top {} of today so far by {what} in project {project}: {} leads with {}",
            counted(items.len(), "event"),
            quoted(&first.event),
            rounded(first.amount),
        ),
    };
    if cut {
        summary += "; there are more: raise limit (at most 100)";
    }
    Ok(Answer {
        summary,
        data: object([("events", items.into()), ("truncated", cut.into())]),
    })
}

/// The counts of all events that came in the last 31 days.
struct Counts {
    /// By event, the most first. Events that did not come are not in it.
    ranked: Vec<(String, f64)>,
    /// All events together; only a count of events may be read so.
    by_unit: BTreeMap<String, f64>,
    /// What the figures are.
    measure: String,
    /// How many names were asked about.
    asked: usize,
    /// How many rarer names were not.
    left_out: usize,
}

impl Counts {
    fn of_all(
        ask: &Ask,
        project: &ProjectId,
        count: CountType,
        unit: Unit,
        range: DateRange,
    ) -> Result<Counts, Failure> {
        let query = &ask.mixpanel()?.query;
        let names = query.event_names(project, CountType::General, Some(NAMES_MAX))?;
        let packs = packed(&names);
        let asked = packs.iter().map(|pack| pack.len()).sum();
        let mut all: Vec<(String, BTreeMap<String, f64>)> = Vec::new();
        let mut by_unit: BTreeMap<String, f64> = BTreeMap::new();
        for (index, pack) in packs.iter().enumerate() {
            ask.call().progress(
                index as f64,
                Some(packs.len() as f64),
                "counting the events",
            );
            let series = query.events(project, pack, count, unit, range)?;
            for date in &series.series {
                by_unit.entry(date.clone()).or_default();
            }
            for (event, numbers) in &series.values {
                let numbers = filled(&series, Some(numbers));
                for (date, number) in &numbers {
                    *by_unit.entry(date.clone()).or_default() += number;
                }
                all.push((event.clone(), numbers));
            }
        }
        let adds_up = count == CountType::General;
        let is_exact = adds_up || (is_one(unit, range) && by_unit.len() == 1);
        let measure = if is_exact {
            exactly(count).to_owned()
        } else {
            on_average(count, unit, by_unit.len())
        };
        let mut ranked: Vec<(String, f64)> = all
            .into_iter()
            .map(|(event, numbers)| {
                let figure = if adds_up {
                    numbers.values().sum()
                } else {
                    mean(&numbers)
                };
                (event, figure)
            })
            .filter(|(_, figure)| *figure > 0.0)
            .collect();
        ranked.sort_by(|(a_name, a), (b_name, b)| b.total_cmp(a).then_with(|| a_name.cmp(b_name)));
        Ok(Counts {
            ranked,
            by_unit,
            measure,
            asked,
            left_out: names.len() - asked,
        })
    }

    fn sum(&self) -> f64 {
        self.ranked.iter().map(|(_, figure)| figure).sum()
    }

    fn nothing(&self, place: &str) -> String {
        match self.asked {
            0 => format!(
                "no event came in the last 31 days, so none was counted in {place}; check the project, or name an older event"
            ),
            asked => format!(
                "none of the {} of the last 31 days came in {place}; check the dates, or name an older event",
                counted(asked, "event")
            ),
        }
    }

    fn left_out_in_words(&self) -> String {
        match self.left_out {
            0 => String::new(),
            left_out => format!(
                "; only the {} most common events are counted, {left_out} rarer ones are not",
                self.asked
            ),
        }
    }
}

/// Says beforehand what Mixpanel would refuse, or what nobody could read.
fn check_steps(range: DateRange, unit: Unit, count: CountType) -> Result<(), Failure> {
    let days = i64::from(range.days());
    let steps = match unit {
        Unit::Minute => days * 24 * 60,
        Unit::Hour => days * 24,
        Unit::Day => days,
        Unit::Week => days / 7 + 2,
        Unit::Month => days / 28 + 2,
    };
    let mut faults = Vec::new();
    if count == CountType::Unique && matches!(unit, Unit::Minute | Unit::Hour) {
        faults.push(format!(
            "unit: Mixpanel counts no unique users by {unit}; take day, week or month"
        ));
    }
    if steps > STEPS_MAX {
        faults.push(format!(
            "unit: {days} days are {steps} steps of a {unit}, at most {STEPS_MAX} are counted; take a longer unit or fewer days"
        ));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(bad_arguments(faults))
    }
}

/// Whether the range is just one unit, so that what is counted in the unit is counted in the range. Weeks are left
/// out: projects differ in the day on which they begin.
fn is_one(unit: Unit, range: DateRange) -> bool {
    let DateRange { from, to } = range;
    match unit {
        Unit::Day => from == to,
        Unit::Month => from.first_of_month() == from && from.last_of_month() == to,
        Unit::Minute | Unit::Hour | Unit::Week => false,
    }
}

/// The names in parts whose escaped JSON fits into an address. The rest is left out.
fn packed(names: &[String]) -> Vec<&[String]> {
    // Two quotation marks and a comma, three characters each.
    const AROUND_BYTES: usize = 9;
    let bytes_of = |name: &String| {
        let escaped = |byte: u8| if byte.is_ascii_alphanumeric() { 1 } else { 3 };
        let json = quoted(name);
        AROUND_BYTES + json.bytes().map(escaped).sum::<usize>()
    };
    let mut packs = Vec::new();
    let mut rest = names;
    while !rest.is_empty() && packs.len() < NAMES_QUERIES_MAX {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|name| {
            bytes += bytes_of(name);
            bytes <= NAMES_BYTES_MAX
        });
        // A single name is far smaller than the limit.
        let (pack, behind) = rest.split_at(fitting.count().max(1));
        packs.push(pack);
        rest = behind;
    }
    packs
}

/// Numbers by date, with a zero where Mixpanel left the date out.
fn filled(series: &Series, numbers: Option<&BTreeMap<String, f64>>) -> BTreeMap<String, f64> {
    let mut filled: BTreeMap<String, f64> = series
        .series
        .iter()
        .map(|date| (date.clone(), 0.0))
        .collect();
    if let Some(numbers) = numbers {
        filled.extend(numbers.clone());
    }
    filled
}

fn only(numbers: &BTreeMap<String, f64>) -> Option<f64> {
    let mut numbers = numbers.values();
    match (numbers.next(), numbers.next()) {
        (Some(only), None) => Some(*only),
        _ => None,
    }
}

fn mean(numbers: &BTreeMap<String, f64>) -> f64 {
    numbers.values().sum::<f64>() / numbers.len().max(1) as f64
}

fn exactly(count: CountType) -> &'static str {
    match count {
        CountType::General => "events",
        CountType::Unique => "unique users",
        CountType::Average => "events a user",
    }
}

fn on_average(count: CountType, unit: Unit, steps: usize) -> String {
    format!(
        "{} a {unit}, as a mean of {}",
        exactly(count),
        counted(steps, unit.as_str())
    )
}

/// As JSON, to two digits behind the point.
fn rounded(number: f64) -> Value {
    whole((number * 100.0).round() / 100.0)
}

fn numbers(by_unit: BTreeMap<String, f64>) -> Map<String, Value> {
    by_unit
        .into_iter()
        .map(|(date, number)| (date, rounded(number)))
        .collect()
}
