//! Questions that the query API cannot answer, from one export that is read as a stream.
//!
//! An analysis is a file: its row, its arguments, what it keeps of each user or group, and what it says. `users` brings
//! a user's events into their order and bounds what is held; `conditions` tells apart what an event fulfils; `labels`
//! names groups; `uniques` counts users.
//!
//! **Invariant:** memory is bounded whatever the export holds, and a figure that is estimated says so.

mod conditions;
mod counts;
mod funnel;
mod labels;
mod paths;
mod retention;
mod uniques;
mod users;

use super::ask::Ask;
use crate::mcp::tool::Tool;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    counts::COUNT_EVENTS_BY,
    funnel::ANALYZE_FUNNEL,
    retention::ANALYZE_RETENTION,
    paths::ANALYZE_PATHS,
];
