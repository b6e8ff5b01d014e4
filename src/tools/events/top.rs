//! Which events came most.

use serde::Serialize;
use serde_json::Value;

use super::figures::{Counts, check_steps, exactly, is_one, rounded};
use crate::mcp::args::{Arg as _, Date, Id, Int, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{CountType, ProjectId, TopEvent, Unit};
use crate::tools::ask::{Ask, counted, quoted, span};

const TOP_DEFAULT: usize = 10;

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

args! {
    struct TopEvents {
        /// First day: YYYY-MM-DD, or today, 7d, last_week, this_month.
        from_date: Date,
        /// Last day, inclusive.
        to_date: Date,
        /// Most events. Default 10.
        limit: Option<Int<1, 100>>,
        /// general: events (default). unique: users. average: events a user.
        r#type: Option<CountType>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct TodaysTopEvents {
        /// Most events. Default 10.
        limit: Option<Int<1, 100>>,
        /// general: events (default). unique: users. average: events a user.
        r#type: Option<CountType>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

#[derive(Serialize)]
struct Ranked<'a> {
    count: Value,
    event: &'a str,
    rank: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    share_percent: Option<Value>,
}

#[derive(Serialize)]
struct RankedToday<'a> {
    amount: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    change_percent: Option<Value>,
    event: &'a str,
    rank: u32,
}

fn get_top_events(ask: &Ask, args: TopEvents) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let range = ask.days(&project, &args.from_date, &args.to_date)?;
    let count = args.r#type.unwrap_or(CountType::General);
    let limit = args.limit.map_or(TOP_DEFAULT, |limit| limit.0 as usize);
    // In a whole month each user is counted once.
    let unit = if is_one(Unit::Month, range) && count != CountType::General {
        Unit::Month
    } else {
        Unit::Day
    };
    check_steps(range, unit, count)?;
    let all = Counts::of_all(ask, &project, count, unit, range)?;
    let sum = all.sum();
    let ranked = all.ranked.iter().zip(1..);
    let rows = ranked.map(|((event, figure), rank)| Ranked {
        count: rounded(*figure),
        event,
        rank,
        share_percent: (count == CountType::General).then(|| rounded(figure / sum * 100.0)),
    });
    let (rows, _) = ask.fitting_rows(rows.take(limit));
    let cut = rows.count() < all.ranked.len();
    let place = span(&project, range);
    let mut summary = match all.ranked.as_slice() {
        [] => all.nothing(&place),
        [(first, most), ..] => format!(
            "top {} of {} by {} in {place}: {} leads with {}",
            rows.count(),
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
        data: Data::of([
            ("measure", all.measure.as_str().into()),
            ("events", rows.into()),
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
    let query = &ask.mixpanel()?.query;
    Ok(
        query.top_events(&project, count, Some(asked_for), |mut events| {
            events.sort_by(|a, b| b.amount.total_cmp(&a.amount));
            ranked_today(ask, &project, count, &events, limit)
        })?,
    )
}

fn ranked_today(
    ask: &Ask,
    project: &ProjectId,
    count: CountType,
    events: &[TopEvent<'_>],
    limit: usize,
) -> Answer {
    let rows = events.iter().zip(1..).map(|(event, rank)| RankedToday {
        amount: rounded(event.amount),
        // Mixpanel's `percent_change` is a fraction.
        change_percent: event.percent_change.map(|change| rounded(change * 100.0)),
        event: &event.event,
        rank,
    });
    let (rows, _) = ask.fitting_rows(rows.take(limit));
    let cut = rows.count() < events.len();
    let what = exactly(count);
    let mut summary = match events.first() {
        None => format!(
            "no events came today so far in project {project}; ask mixpanel_get_top_events for earlier days"
        ),
        Some(first) => format!(
            "top {} of today so far by {what} in project {project}: {} leads with {}",
            counted(rows.count(), "event"),
            quoted(&first.event),
            rounded(first.amount),
        ),
    };
    if cut {
        summary += "; there are more: raise limit (at most 100)";
    }
    Answer {
        summary,
        data: Data::of([("events", rows.into()), ("truncated", cut.into())]),
    }
}
