//! What there is beside the most common questions: workspaces and cohorts, profiles of many users, the values of a
//! property over time, scripts.

mod lists;
mod profiles;
mod property;
mod script;

use super::ask::Ask;
use crate::mcp::tool::Tool;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    lists::LIST_WORKSPACES,
    lists::LIST_COHORTS,
    profiles::QUERY_PROFILES,
    property::QUERY_EVENT_PROPERTY,
    script::RUN_JQL,
];
