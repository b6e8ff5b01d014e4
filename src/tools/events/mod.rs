//! Which events there are, how often they come, and the raw events themselves.

mod counts;
mod figures;
mod names;
mod raw;
mod top;

use super::ask::Ask;
use crate::mcp::tool::Tool;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    names::LIST_EVENTS,
    names::LIST_EVENT_PROPERTIES,
    names::LIST_PROPERTY_VALUES,
    counts::GET_EVENT_COUNT,
    top::GET_TOP_EVENTS,
    top::GET_TODAYS_TOP_EVENTS,
    raw::QUERY_EVENTS,
];
