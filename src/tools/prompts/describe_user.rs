//! Who a user is and what they did.

use serde_json::json;

use super::prompt::{Argument, Filled, PROJECT_ID, Prompt, TRAPS};

pub(super) const PROMPT: Prompt = Prompt {
    name: "describe_user",
    title: "Who is this user?",
    about: "Reads one user's profile and events and tells who it is, how the product is used, and what went wrong. About 4 queries.",
    arguments: &[
        Argument {
            name: "distinct_id",
            about: "The user's id in Mixpanel, exactly.",
            required: true,
            known: None,
        },
        Argument {
            name: "question",
            about: "What you want to know, such as: why did they cancel? Default: an overview.",
            required: false,
            known: None,
        },
        PROJECT_ID,
    ],
    text,
};

fn text(filled: &Filled<'_>) -> String {
    let distinct_id = filled.get("distinct_id").unwrap_or_default();
    let quoted = filled.quoted("distinct_id").unwrap_or_default();
    let question = match filled.quoted("question") {
        Some(question) => format!("The question is: {question}. Answer it first."),
        None => "No question was asked: give an overview.".into(),
    };
    format!(
        "\
Tell who the Mixpanel user {quoted} is. {question}

Ask in this order:
1. {profile}
   What is known: since when, plan, place, what they are worth. No profile does not mean no user: events may come without one.
2. {activity}
   What they did in the last 30 days, the newest first. If nothing came, go back by 90 days at a time with from_date and to_date, twice at most. If it was cut (truncated), raise limit or narrow the days before you count.
3. Only where a figure needs a measure: {measure}
   How often other users do the same. EVENT is what this one does most; FROM and TO are the days of step 2.

If neither a profile nor events are found: ids are exact, also in case, and an e-mail address or a name is no id unless this project uses it so. A user may also have other ids from before signing in. Say this and stop; do not guess.

{TRAPS}
- This is a person. Tell what answers the question; leave out addresses, e-mail, telephone and payment data, unless they are asked for.

Report, in half a page:
- One sentence: who this is for the product (new, loyal, leaving, a tester, a bot) and why you think so.
- Facts from the profile that matter.
- A time line: first and last seen, the steps that matter, errors and aborted attempts, long silences. Times in the project's time zone.
- How they compare with others, if step 3 was made.
- What to do or to ask next.",
        profile = filled.call("mixpanel_get_user_profile", json!({"distinct_id": distinct_id})),
        activity = filled.call(
            "mixpanel_get_profile_event_activity",
            json!({"distinct_id": distinct_id, "limit": 200}),
        ),
        measure = filled.call(
            "mixpanel_get_event_count",
            json!({"event": "EVENT", "from_date": "FROM", "to_date": "TO", "type": "average"}),
        ),
    )
}
