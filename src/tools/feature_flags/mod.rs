//! Which variants users get: feature flags, their rules, and what they decide.

mod evaluation;
mod flag;
mod management;

use super::ask::Ask;
use crate::mcp::tool::Tool;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    management::LIST_FEATURE_FLAGS,
    management::GET_FEATURE_FLAG,
    management::CREATE_FEATURE_FLAG,
    management::UPDATE_FEATURE_FLAG,
    management::DELETE_FEATURE_FLAG,
    evaluation::EVALUATE_FEATURE_FLAGS,
    evaluation::GET_FLAG_DEFINITIONS,
];
