//! Tool arguments that clients mirror into header fields (2026-07-28), so that whoever stands between can route by them.
//! A tool asks for it with `x-mcp-header` in its input schema; what the header says must then be what the body says.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::era;
use super::headers::Headers;
use super::jsonrpc::Fault;

const ANNOTATION: &str = "x-mcp-header";
const FIELD_PREFIX: &str = "mcp-param-";

/// What each tool wants mirrored, by its name; tools that want nothing are left out.
#[derive(Default)]
pub(super) struct Mirrored(HashMap<String, Vec<Parameter>>);

struct Parameter {
    /// The header field, in lower case.
    field: String,
    /// Member by member from the arguments to the value.
    path: Vec<String>,
}

impl Mirrored {
    /// Reads the annotations out of the definitions that `tools/list` shows.
    pub(super) fn of(tools: &str) -> Mirrored {
        // Reading all definitions takes far longer than looking through them.
        if !tools.contains(ANNOTATION) {
            return Mirrored::default();
        }
        let tools: Vec<Value> = serde_json::from_slice(tools.as_bytes()).unwrap_or_default();
        let parameters = |tool: &Value| {
            let mut found = Vec::new();
            collect(tool.get("inputSchema")?, &[], &mut found);
            let name = tool.get("name")?.as_str()?.to_owned();
            (!found.is_empty()).then_some((name, found))
        };
        Mirrored(tools.iter().filter_map(parameters).collect())
    }

    /// Compares the header fields of a `tools/call` with its arguments.
    pub(super) fn check(
        &self,
        params: &Map<String, Value>,
        headers: &Headers,
    ) -> Result<(), Fault> {
        let tool = params.get("name").and_then(Value::as_str);
        let parameters = tool.and_then(|name| self.0.get(name));
        for Parameter { field, path } in parameters.into_iter().flatten() {
            let value = path
                .iter()
                .try_fold(params.get("arguments"), |value, name| {
                    value.map(|value| value.get(name))
                })
                .flatten();
            era::check_mirrored(headers, field, value)?;
        }
        Ok(())
    }
}

/// The annotated properties that are reached by names alone: only those may be annotated.
fn collect(schema: &Value, path: &[String], found: &mut Vec<Parameter>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let path = [path, std::slice::from_ref(name)].concat();
        if let Some(token) = property.get(ANNOTATION).and_then(Value::as_str) {
            let field = format!("{FIELD_PREFIX}{}", token.to_ascii_lowercase());
            found.push(Parameter {
                field,
                path: path.clone(),
            });
        }
        collect(property, &path, found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(fields: &[(&str, &str)], arguments: Value, is_taken: bool) {
        let tools = json!([{"name": "report", "inputSchema": {"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "page": {"type": "object", "properties": {"number": {"type": "integer", "x-mcp-header": "Page"}}},
            "fresh": {"type": "boolean", "x-mcp-header": "Fresh"},
        }}}]);
        let params = json!({"name": "report", "arguments": arguments});
        let result = Mirrored::of(&tools.to_string()).check(
            params.as_object().unwrap(),
            &Headers::new(fields.iter().copied()),
        );
        assert_eq!(result.is_ok(), is_taken, "{params} {result:?}");
    }

    #[test]
    fn a_mirrored_argument_must_be_what_its_header_says() {
        check(&[("Mcp-Param-Region", "eu")], json!({"region": "eu"}), true);
        check(
            &[("Mcp-Param-Region", "=?base64?ZXU=?=")],
            json!({"region": "eu"}),
            true,
        );
        check(
            &[("Mcp-Param-Region", "us")],
            json!({"region": "eu"}),
            false,
        );
        check(
            &[("Mcp-Param-Region", "=?base64?ZXU?=")],
            json!({"region": "eu"}),
            false,
        );
        check(&[("Mcp-Param-Fresh", "true")], json!({"fresh": true}), true);
        check(&[("Mcp-Param-Fresh", "1")], json!({"fresh": true}), false);
    }

    #[test]
    fn an_integer_is_compared_as_a_number_also_inside_of_an_object() {
        check(
            &[("Mcp-Param-Page", "42.0")],
            json!({"page": {"number": 42}}),
            true,
        );
        check(
            &[("Mcp-Param-Page", "43")],
            json!({"page": {"number": 42}}),
            false,
        );
        check(
            &[("Mcp-Param-Page", "x")],
            json!({"page": {"number": 42}}),
            false,
        );
    }

    #[test]
    fn a_header_is_there_exactly_when_its_argument_is() {
        check(&[], json!({}), true);
        check(&[], json!({"region": null}), true);
        check(&[], json!({"region": "eu"}), false);
        check(&[("Mcp-Param-Region", "eu")], json!({}), false);
        check(&[("Mcp-Param-Other", "eu")], json!({}), true);
    }
}
