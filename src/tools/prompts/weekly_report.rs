//! What happened in a week, against the week before.

use serde_json::json;

use crate::tools::completions::Known;

use super::prompt::{Argument, Filled, PROJECT_ID, Prompt, TRAPS};

pub(super) const PROMPT: Prompt = Prompt {
    name: "weekly_report",
    title: "Weekly report",
    about: "A report of the last seven whole days against the seven before: what grew, what fell, what to look at. About 11 queries.",
    arguments: &[
        Argument {
            name: "event",
            about: "Event that success is measured by, such as a purchase; exact name. Default: chosen from the most common events.",
            required: false,
            known: Some(Known::Events),
        },
        Argument {
            name: "to_date",
            about: "Last day of the week, YYYY-MM-DD. Default: yesterday.",
            required: false,
            known: None,
        },
        PROJECT_ID,
    ],
    text,
};

fn text(filled: &Filled<'_>) -> String {
    let event = filled.get("event").unwrap_or("EVENT");
    let to_date = match filled.quoted("to_date") {
        Some(day) => format!("{day}, or yesterday if that is not over yet"),
        None => "yesterday in the project's time zone".into(),
    };
    let which = match filled.quoted("event") {
        Some(event) => format!("The event that counts is {event}."),
        None => "EVENT is the event that counts: the one among the most common that is closest to success for this product (a purchase, a sign-up, a finished task), not the most frequent one. Say which you took.".into(),
    };
    let week = json!({"from_date": "FROM", "to_date": "TO"});
    let earlier = json!({"from_date": "EARLIER_FROM", "to_date": "EARLIER_TO"});
    let of_event = |days: &serde_json::Value, rest: &[(&str, &str)]| {
        let mut arguments = days.clone();
        arguments["event"] = event.into();
        for (name, value) in rest {
            arguments[*name] = (*value).into();
        }
        arguments
    };
    let both = json!({"from_date": "EARLIER_FROM", "to_date": "TO"});
    let info = filled.get("project_id").map_or_else(
        || "mixpanel_get_projects {}".into(),
        |_| filled.call("mixpanel_get_project_info", json!({})),
    );
    format!(
        "\
Write the weekly report of a Mixpanel project.

Days, as YYYY-MM-DD: TO is {to_date}, FROM is six days before TO, EARLIER_TO is the day before FROM, EARLIER_FROM is six days before EARLIER_TO.

Ask in this order:
1. {info}
   Name and time zone of the project: its days are meant.
2. {top}
   {top_earlier}
   What happened most in each of the two weeks.
3. {which}
   {by_day}
   {users}
   {users_earlier}
   Day by day, and how many users in each week.
4. Take the event of step 2 with the largest change in events (not in percent), call it MOVER, and find out which part of the users it comes from.
   {properties}
   {split}
   PROPERTY is one that tells groups of users apart, such as $os, mp_country_code, utm_source or a plan. One split is enough; a second only if the first explains nothing.

{TRAPS}

Report, in this order and on one page:
- One sentence: was it a good week, by which figure.
- A table: the event that counts (events and users) and the five most common events, each with this week, the week before, and the change as a number and in percent.
- What moved most and which group it comes from, with figures. Separate what the figures show from what you suppose.
- What is odd and may be a fault of tracking: an event that is new, gone, or 0 on a day.
- Two or three questions worth asking next, each with the prompt or the call that answers it.
Name the project, its time zone and both ranges of days.",
        top = filled.call("mixpanel_get_top_events", week.clone()),
        top_earlier = filled.call("mixpanel_get_top_events", earlier.clone()),
        by_day = filled.call("mixpanel_get_event_count", of_event(&both, &[("unit", "day")])),
        users = filled.call("mixpanel_get_event_count", of_event(&week, &[("type", "unique")])),
        users_earlier = filled.call("mixpanel_get_event_count", of_event(&earlier, &[("type", "unique")])),
        properties = filled.call("mixpanel_list_event_properties", json!({"event": "MOVER"})),
        split = filled.call(
            "mixpanel_query_segmentation",
            json!({"event": "MOVER", "from_date": "EARLIER_FROM", "to_date": "TO", "unit": "day", "on": "PROPERTY"}),
        ),
    )
}
