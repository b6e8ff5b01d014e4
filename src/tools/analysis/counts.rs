//! Events and their users, counted by event and properties.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::labels::Labels;
use super::uniques::{EXACT_MAX, Uniques};
use super::users::user_number;
use crate::mcp::args::{Arg as _, Date, Id, Int, List, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::tools::ask::{Ask, counted};
use crate::tools::stream::{Event, Plan, Reading, Wanted, place, read};

/// More groups than this are counted together. Each may take a sketch of 2 KiB.
const GROUPS_MAX: usize = 10_000;
const LIMIT_DEFAULT: usize = 20;

pub(super) const COUNT_EVENTS_BY: Tool<Ask> = Tool {
    name: "mixpanel_count_events_by",
    title: "Events by properties",
    about: "Counts events and their unique users by event and up to three properties at once, from one raw export. For one event by one property take mixpanel_query_segmentation, which is quicker. Costs 1 export of the 60 an hour and no query.",
    effect: Effect::Reads,
    params: CountEventsBy::FIELDS,
    output: &[
        Field::always("events", Shape::Count),
        Field::always("unique_users", Shape::Count),
        Field::always(
            "groups",
            Shape::List {
                item: &Shape::Object(&[
                    Field::sometimes("event", Shape::Words),
                    Field::sometimes("by", Shape::MapOf(&Shape::Words)),
                    Field::always("events", Shape::Count),
                    Field::always("unique_users", Shape::Count),
                ]),
                min: 0,
                max: 1_000,
            },
        ),
        Field::sometimes(
            "rest",
            Shape::Object(&[
                Field::always("groups", Shape::Count),
                Field::always("events", Shape::Count),
                Field::always("unique_users", Shape::Count),
            ]),
        ),
        Field::always("unique_users_exact", Shape::Flag),
        Reading::FIELD,
    ],
    run: |ask, arguments| count_events_by(ask, CountEventsBy::read(arguments)),
};

args! {
    struct CountEventsBy {
        /// First day, in UTC, or the project's zone for projects from before 2023.
        from_date: Date,
        /// Last day, inclusive, not after today.
        to_date: Date,
        /// Names of the events, exact. Default: all events.
        event_names: Option<List<Text<255>, 1, 100>>,
        /// Names of the properties to split by. Default: none.
        by: Option<List<Text<255>, 1, 3>>,
        /// Whether to split by event too. Default: only without by.
        by_event: Option<bool>,
        /// Filter, such as properties["amount"] > 10 and properties["plan"] == "pro".
        r#where: Option<Text<4000>>,
        /// Most groups; the others are counted together. Default 20.
        limit: Option<Int<1, 1000>>,
        /// Project id. Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

/// What is counted as the events pass.
struct Tally {
    labels: Labels,
    /// By the group's number; the last is of those that are one too many.
    counts: Vec<u64>,
    uniques: Uniques,
    without_user: u64,
}

/// The group of what is one group too many.
const BEYOND: u32 = GROUPS_MAX as u32;

impl Tally {
    fn new(by_event: bool, by: &[String]) -> Tally {
        Tally {
            labels: Labels::new(by_event, by, GROUPS_MAX),
            counts: vec![0; GROUPS_MAX + 1],
            uniques: Uniques::new(),
            without_user: 0,
        }
    }

    fn take(&mut self, event: &Event<'_>) {
        let group = self.labels.number(event).unwrap_or(BEYOND);
        if let Some(count) = self.counts.get_mut(group as usize) {
            *count += 1;
        }
        match event.user() {
            Some(user) => self.uniques.note(group, user_number(&user)),
            None => self.without_user += 1,
        }
    }
}

fn count_events_by(ask: &Ask, args: CountEventsBy) -> Result<Answer, Failure> {
    let limit = args.limit.map_or(LIMIT_DEFAULT, |limit| limit.0 as usize);
    let by: Vec<String> = args
        .by
        .iter()
        .flat_map(|by| &by.0)
        .map(|name| name.0.clone())
        .collect();
    let by_event = args.by_event.unwrap_or(by.is_empty());
    let project = ask.project(args.project_id.as_ref())?;
    let range = ask.export_days(&project, &args.from_date, &args.to_date)?;
    let mut plan = Plan::over(range, 0, 0);
    plan.names = args
        .event_names
        .iter()
        .flat_map(|names| &names.0)
        .map(|name| name.0.clone())
        .collect();
    plan.filter = args.r#where.map(|filter| filter.0);
    plan.wanted = Wanted::new(by.iter().map(String::as_str));

    let (tally, reading) = read(
        ask,
        &project,
        &mut plan,
        || Tally::new(by_event, &by),
        Tally::take,
    )?;

    let beyond = tally.counts.last().copied().unwrap_or(0);
    let users = tally.uniques.by_group(GROUPS_MAX);
    let mut ranked: Vec<(&str, u32, u64)> = tally
        .labels
        .sorted()
        .into_iter()
        .map(|(name, group)| {
            (
                name,
                group,
                tally.counts.get(group as usize).copied().unwrap_or(0),
            )
        })
        .collect();
    // The names are sorted already.
    ranked.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    let items = ranked.iter().take(limit).map(|(name, group, count)| {
        let mut item = tally.labels.described(name);
        item.insert("events".into(), (*count).into());
        let users = users.get(*group as usize).copied().unwrap_or(0);
        item.insert("unique_users".into(), users.into());
        Value::from(item)
    });
    let (items, _) = ask.fitting_values(items);
    let others = ranked.get(items.len()..).unwrap_or_default();
    let (all_users, all_exact) = tally.uniques.all();
    let is_exact = all_exact && tally.uniques.groups_are_exact();

    let mut summary = match reading.events {
        0 => format!(
            "no such events are in {}; {}",
            place(&project, range),
            match plan.names.as_slice() {
                [] => "check the filter and the days".into(),
                names => {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    ask.about_events(&project, &names)
                }
            }
        ),
        events => format!(
            "{} of {} in {} in {}",
            counted(events, "event"),
            counted(all_users, "unique user"),
            counted(tally.labels.len(), "group"),
            place(&project, range)
        ),
    };
    let mut data = Data::of([
        ("events", reading.events.into()),
        ("unique_users", all_users.into()),
        ("unique_users_exact", is_exact.into()),
        ("read", reading.json().into()),
    ]);
    if !others.is_empty() || beyond > 0 {
        let mut groups: HashSet<u32> = others.iter().map(|(_, group, _)| *group).collect();
        if beyond > 0 {
            groups.insert(BEYOND);
        }
        let events = beyond + others.iter().map(|(_, _, count)| count).sum::<u64>();
        let rest = json!({
            "groups": others.len(),
            "events": events,
            "unique_users": tally.uniques.of(&groups),
        });
        summary += &format!(
            "; the first {} are listed, with {events} events in the rest: raise limit (at most 1000) for more",
            items.len()
        );
        data.insert("rest", rest);
    }
    if beyond > 0 {
        summary += &format!(
            "; only the first {GROUPS_MAX} groups are told apart, {beyond} events of groups that came later are in the rest"
        );
    }
    if !is_exact {
        summary += &format!(
            "; unique users are estimated (HyperLogLog, standard error 0.8 % in all and 2.3 % in a group), as there are over {EXACT_MAX}"
        );
    }
    if tally.without_user > 0 {
        summary += &format!(
            "; {} no distinct_id",
            match tally.without_user {
                1 => "1 event has".to_owned(),
                events => format!("{events} events have"),
            }
        );
    }
    summary += &reading.notes();
    data.insert("groups", items);
    Ok(Answer { summary, data })
}
