//! Events and profiles go in.

mod event;
mod import;
mod profile;
mod sending;

use super::ask::Ask;
use crate::mcp::tool::Tool;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    sending::TRACK_EVENT,
    sending::TRACK_BATCH_EVENTS,
    sending::IMPORT_EVENTS,
    profile::SET_USER_PROFILE,
];
