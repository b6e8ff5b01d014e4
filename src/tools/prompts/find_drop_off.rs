//! Where users are lost on their way through a funnel.

use serde_json::json;

use crate::tools::completions::Known;

use super::prompt::{Argument, Filled, PROJECT_ID, Prompt, TRAPS};

pub(super) const PROMPT: Prompt = Prompt {
    name: "find_drop_off",
    title: "Where do users drop out?",
    about: "Finds the step of a saved funnel that loses most users, who they are, and whether it became worse. About 8 queries.",
    arguments: &[
        Argument {
            name: "funnel",
            about: "Name or id of a saved funnel. Default: chosen from the list.",
            required: false,
            known: Some(Known::Funnels),
        },
        PROJECT_ID,
    ],
    text,
};

fn text(filled: &Filled<'_>) -> String {
    let which = match filled.quoted("funnel") {
        Some(funnel) => format!("FUNNEL_ID is the id of the one whose name or id is {funnel}. If there is none, name those there are and stop."),
        None => "FUNNEL_ID is the id of the one that is closest to success for this product (a purchase, a sign-up). Say which you took and which others there are.".into(),
    };
    format!(
        "\
Find out where users drop out on their way through a Mixpanel funnel.

Days, as YYYY-MM-DD: a user has days or weeks to finish a funnel (its conversion window), so the newest have not had their time. TO is yesterday in the project's time zone less the window (7 days, if you do not know it), FROM is 27 days before TO, EARLIER_TO is the day before FROM, EARLIER_FROM is 27 days before EARLIER_TO.

Ask in this order:
1. {list}
   {which}
   If the project has no saved funnel at all, take the steps from mixpanel_list_events, ask mixpanel_get_event_count with type unique for each over the same days, and say that this knows neither order nor window: it only bounds the conversion from above. Then go on with step 4.
2. {now}
   {earlier}
   The loss at each step is its count less the next one's. Look for the largest loss in users, not only for the lowest rate, and for a rate that fell against the earlier days. Long times between steps point to hesitation, short ones to a choice made at once.
3. {properties}
   {split}
   EVENT is the event of the step before the loss. PROPERTY is one that may matter there ($os, $browser, mp_country_code, utm_source, a plan, what was looked at). Up to three, one call each. A segment matters if it is large and much worse than the others; work out how many more users would go through if it were as good as the rest.
4. If one segment is much worse: {check}
   The step that is lost, by day and in that segment only (SEGMENT is its value): since one day, or always?

{TRAPS}
- Conversions of segments must not be averaged without their sizes, and a user may be in several segments.

Report:
- One sentence: where most users are lost, how many of how many, and since when.
- A table of the steps: users, conversion from the step before, from the start, against the earlier days.
- Who is lost: the segments with their sizes and rates, and what it would bring to mend the worst.
- Two or three causes to check, each with the call, the recording or the experiment that would tell. Say what is a guess.
Name the funnel with its id and both ranges of days.",
        list = filled.call("mixpanel_list_saved_funnels", json!({})),
        now = filled.call(
            "mixpanel_query_funnel",
            json!({"funnel_id": "FUNNEL_ID", "from_date": "FROM", "to_date": "TO"}),
        ),
        earlier = filled.call(
            "mixpanel_query_funnel",
            json!({"funnel_id": "FUNNEL_ID", "from_date": "EARLIER_FROM", "to_date": "EARLIER_TO"}),
        ),
        properties = filled.call("mixpanel_list_event_properties", json!({"event": "EVENT"})),
        split = filled.call(
            "mixpanel_query_funnel",
            json!({"funnel_id": "FUNNEL_ID", "from_date": "FROM", "to_date": "TO", "on": "PROPERTY"}),
        ),
        check = filled.call(
            "mixpanel_query_segmentation",
            json!({
                "event": "EVENT",
                "from_date": "FROM",
                "to_date": "TO",
                "unit": "day",
                "where": "properties[\"PROPERTY\"] == \"SEGMENT\"",
            }),
        ),
    )
}
