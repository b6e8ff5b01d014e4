//! Warehouse imports: tables of a data warehouse that Mixpanel reads in, by hand or on a schedule.

mod creation;
mod imports;

use super::ask::Ask;
use crate::mcp::tool::Tool;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    imports::LIST_WAREHOUSE_IMPORTS,
    imports::GET_WAREHOUSE_IMPORT,
    creation::CREATE_WAREHOUSE_IMPORT,
    imports::UPDATE_WAREHOUSE_IMPORT,
    imports::DELETE_WAREHOUSE_IMPORT,
    imports::RUN_WAREHOUSE_IMPORT,
    imports::GET_WAREHOUSE_IMPORT_HISTORY,
];
