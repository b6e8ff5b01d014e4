//! Data pipelines, which export a project's data to storage and warehouses. Mixpanel has deprecated them: these tools
//! are for those that there are.

mod forms;
mod jobs;
mod status;

use super::ask::Ask;
use crate::mcp::tool::Tool;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    jobs::LIST_PIPELINES,
    status::GET_PIPELINE_STATUS,
    forms::CREATE_PIPELINE,
    forms::UPDATE_PIPELINE,
    jobs::CANCEL_PIPELINE,
];
