//! Events and profiles go in.

mod change;
mod destination;
mod event;
mod group;
mod identity;
mod import;
mod profile;
mod sending;
mod user;

use super::ask::Ask;
use crate::mcp::tool::Tool;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    sending::TRACK_EVENT,
    sending::TRACK_BATCH_EVENTS,
    sending::IMPORT_EVENTS,
    user::SET_USER_PROFILE,
];

/// What few need beside: profiles by the batch and of groups, and which ids are one person.
pub(super) const PEOPLE: &[Tool<Ask>] = &[
    user::UPDATE_USER_PROFILES,
    group::SET_GROUP_PROFILE,
    group::UPDATE_GROUP_PROFILES,
    identity::CREATE_IDENTITY,
    identity::CREATE_ALIAS,
    identity::MERGE_IDENTITIES,
];
