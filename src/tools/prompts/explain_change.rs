//! Why a number went up or down.

use serde_json::json;

use crate::tools::completions::Known;

use super::prompt::{Argument, Filled, PROJECT_ID, Prompt, TRAPS};

pub(super) const PROMPT: Prompt = Prompt {
    name: "explain_change",
    title: "Why did this number change?",
    about: "Finds when an event's count changed, whether users or use changed, and which part of the users it comes from. About 13 queries.",
    arguments: &[
        Argument {
            name: "event",
            about: "Event whose count changed; exact name.",
            required: true,
            known: Some(Known::Events),
        },
        Argument {
            name: "day",
            about: "Day on which it changed, YYYY-MM-DD. Default: found in the last four weeks.",
            required: false,
            known: None,
        },
        Argument {
            name: "property",
            about: "Property that is suspected; exact name. Default: chosen from those of the event.",
            required: false,
            known: Some(Known::Properties),
        },
        PROJECT_ID,
    ],
    text,
};

fn text(filled: &Filled<'_>) -> String {
    let event = filled.get("event").unwrap_or_default();
    let property = filled.get("property").unwrap_or("PROPERTY");
    let quoted = filled.quoted("event").unwrap_or_default();
    let day = match filled.quoted("day") {
        Some(day) => format!("DAY is {day}. TO is 13 days after DAY, or yesterday in the project's time zone if that comes first; FROM is 14 days before DAY."),
        None => "TO is yesterday in the project's time zone, FROM is 27 days before TO: four whole weeks. DAY is the first day of the change, which step 1 finds.".into(),
    };
    let suspects = match filled.quoted("property") {
        Some(property) => {
            format!("First {property}; if it explains nothing, up to three others that")
        }
        None => "Up to four properties, one call each, that".into(),
    };
    format!(
        "\
Find out why the count of the event {quoted} changed in Mixpanel.

Days, as YYYY-MM-DD: {day}

Ask in this order, and stop as soon as the change is explained:
1. {by_day}
   When, and what form: compare each day with the same weekday of the other weeks. A step on one day points to a release or to tracking, a spike to a campaign, a bot or an outage, a slope to season or growth, a dip every seven days to nothing at all. If nothing stands out, say so and stop.
   BEFORE_FROM to BEFORE_TO are the whole weeks before DAY, AFTER_FROM to AFTER_TO as many days with the same weekdays from DAY on.
2. {users_before}
   {users_after}
   Fewer users, or less use by each? Events divided by users, before and after, tells.
3. {top_before}
   {top_after}
   Did other events move alike? If nearly all did, look at traffic, season or tracking as a whole; if only this one, at the feature behind it; if it moved against a similar name, at a renamed event.
4. {properties}
   {split}
   Which part? {suspects} tell where users come from or what they use (such as $os, $browser, app version, mp_country_code, utm_source, a plan). For each segment compare (after - before) with that of the whole: the segments that make up most of the difference matter, not those with the largest percentage. \"undefined\" is a segment too: a property that is suddenly missing is a fault of tracking.
5. {without}
   The counter-check: SEGMENT is what was found. Without it the change must vanish; if it stays, this was not the cause.
6. Only if tracking is suspected: {raw}
   Single events of the day: twice the same, a new version, properties missing. Costs an export, not a query.

{TRAPS}

Report:
- One sentence: what changed, when, by how much (before, after, percent), and the most likely cause with how sure you are.
- The evidence: users against use, other events, the segment with its share of the difference, the counter-check.
- What was ruled out, and by which figures.
- What cannot be seen in Mixpanel (releases, campaigns, holidays, prices) and whom to ask about DAY.
Separate what the figures show from what you suppose: that two things happen together does not make one the cause.",
        by_day = filled.call(
            "mixpanel_get_event_count",
            json!({"event": event, "from_date": "FROM", "to_date": "TO", "unit": "day"}),
        ),
        users_before = filled.call(
            "mixpanel_get_event_count",
            json!({"event": event, "from_date": "BEFORE_FROM", "to_date": "BEFORE_TO", "type": "unique"}),
        ),
        users_after = filled.call(
            "mixpanel_get_event_count",
            json!({"event": event, "from_date": "AFTER_FROM", "to_date": "AFTER_TO", "type": "unique"}),
        ),
        top_before = filled.call(
            "mixpanel_get_top_events",
            json!({"from_date": "BEFORE_FROM", "to_date": "BEFORE_TO", "limit": 20}),
        ),
        top_after = filled.call(
            "mixpanel_get_top_events",
            json!({"from_date": "AFTER_FROM", "to_date": "AFTER_TO", "limit": 20}),
        ),
        properties = filled.call("mixpanel_list_event_properties", json!({"event": event})),
        split = filled.call(
            "mixpanel_query_segmentation",
            json!({"event": event, "from_date": "FROM", "to_date": "TO", "unit": "day", "on": property}),
        ),
        without = filled.call(
            "mixpanel_query_segmentation",
            json!({
                "event": event,
                "from_date": "FROM",
                "to_date": "TO",
                "unit": "day",
                "where": filter(property),
            }),
        ),
        raw = filled.call(
            "mixpanel_query_events",
            json!({"event": event, "from_date": "DAY", "to_date": "DAY", "limit": 20}),
        ),
    )
}

/// Everything but one segment.
fn filter(property: &str) -> String {
    format!(
        "{} != \"SEGMENT\"",
        crate::mixpanel::expression::property(property)
    )
}
