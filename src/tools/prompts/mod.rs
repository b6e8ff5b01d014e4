//! Prompts: how to go about an analysis with the tools, for a model to follow. One file a prompt; each spells out its
//! calls, so that they can be made, and a test makes them.

mod check_tracking;
mod describe_user;
mod explain_change;
mod find_drop_off;
mod prompt;
mod weekly_report;

pub(super) use prompt::{argument, get, list};

use prompt::Prompt;

/// Every prompt, in the order in which they are listed.
const PROMPTS: &[Prompt] = &[
    weekly_report::PROMPT,
    explain_change::PROMPT,
    find_drop_off::PROMPT,
    describe_user::PROMPT,
    check_tracking::PROMPT,
];
