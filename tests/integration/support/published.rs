//! Tools and shapes as they are published.

use mixpanel_mcp_server::mcp::shape::{Shape, Unknown};
use mixpanel_mcp_server::mcp::tool::Tool;
use mixpanel_mcp_server::tools::Ask;
use serde_json::Value;

/// A tool's entry in `tools/list`.
pub(crate) fn definition(tool: &Tool<Ask>) -> Value {
    read(|text| tool.write_definition(text))
}

/// The schema of an argument of this shape.
pub(crate) fn schema(shape: &Shape) -> Value {
    read(|text| shape.write_schema("", Unknown::Refused, text))
}

fn read(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut text = Vec::new();
    write(&mut text);
    serde_json::from_slice(&text).unwrap()
}
