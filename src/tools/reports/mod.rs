//! Reports over events: one file a question. Each tool asks the query API once; plain counts and raw events are left
//! to the events toolset.
//!
//! What several reports share, splitting by a property and the calendar's units, is in `split.rs`.

mod frequency;
mod funnels;
mod insights;
mod retention;
mod segmentation;
mod split;

use crate::mcp::tool::Tool;

use super::ask::Ask;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    segmentation::QUERY,
    retention::QUERY,
    frequency::QUERY,
    funnels::LIST,
    funnels::QUERY,
    insights::QUERY,
];
