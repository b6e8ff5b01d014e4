//! Whether what is measured can be trusted.

use serde_json::json;

use super::prompt::{Filled, PROJECT_ID, Prompt, TRAPS};

pub(super) const PROMPT: Prompt = Prompt {
    name: "check_tracking",
    title: "Is tracking healthy?",
    about: "Looks for events that stopped, doubled or are named twice, and for properties that are missing or wrong. About 12 queries and 1 export.",
    arguments: &[PROJECT_ID],
    text,
};

fn text(filled: &Filled<'_>) -> String {
    format!(
        "\
Check whether the tracking of a Mixpanel project can be trusted.

Days, as YYYY-MM-DD: TO is yesterday in the project's time zone, FROM is 27 days before TO.

Ask in this order:
1. {names}
   Names: the same thing named twice (other case, blanks at an end, singular and plural, old and new), names that hold values (\"Viewed 4711\"), names of tests.
2. {counts}
   By event and day. Compare each day with the same weekday of the weeks before: events that stopped, began, doubled or halved from one day to the next, days with 0. Several on the same day point to a release: name the day.
3. {today}
   Does anything come in today? Only that: today is not over, and its change on yesterday says little.
4. For the three events that matter most, EVENT one after the other: {properties}
   A property that is on some of the events but not on all of them (its count against the largest) is optional or broken. Look at those that filters need: who, where, which plan, which price.
5. For up to four properties that look wrong, PROPERTY one after the other: {values}
   \"undefined\", \"null\", \"NaN\", empty texts, numbers as texts, the same value in several spellings, e-mail addresses and other personal data that should not be there.
6. {raw}
   Single events: the same $insert_id twice, an empty distinct_id or one that all share, times in the future or far in the past.

{TRAPS}

Report:
- One sentence: can the figures be trusted, and which not.
- A table of findings, the worst first: what, since when, how many events it touches, which reports it makes wrong, how to mend it (in the app, by a merged event, by a filter).
- What was looked at and is in order, in one line each.
- What was not looked at.
A finding needs a figure. What could be meant so is a question to the team, not a fault.",
        names = filled.call("mixpanel_list_events", json!({"limit": 1000})),
        counts = filled.call(
            "mixpanel_get_event_count",
            json!({"from_date": "FROM", "to_date": "TO", "unit": "day"}),
        ),
        today = filled.call("mixpanel_get_todays_top_events", json!({"limit": 20})),
        properties = filled.call("mixpanel_list_event_properties", json!({"event": "EVENT"})),
        values = filled.call(
            "mixpanel_list_property_values",
            json!({"event": "EVENT", "property": "PROPERTY"}),
        ),
        raw = filled.call(
            "mixpanel_query_events",
            json!({"from_date": "TO", "to_date": "TO", "limit": 100}),
        ),
    )
}
