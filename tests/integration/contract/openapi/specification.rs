//! Recorded answers against the schemas of the files themselves, after the errata.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::super::answering::is_answered_otherwise;
use super::super::operation::{JSON, Operation};
use super::files::{corrected_files, resolve};
use crate::support::{Exchange, RecordedAnswer};

/// A schema that nests deeper than this refers to itself.
const NESTING_MAX: usize = 60;

/// What the files say about answers.
pub(in super::super) struct Specification {
    /// By operation, status and media type; an answer without a body has an empty media type and no schema.
    schemas: BTreeMap<(String, String, String), Option<jsonschema::Validator>>,
}

impl Specification {
    /// The one of the files, where they are at hand.
    pub(in super::super) fn at_hand() -> Option<&'static Specification> {
        static SPECIFICATION: OnceLock<Option<Specification>> = OnceLock::new();
        SPECIFICATION.get_or_init(Specification::read).as_ref()
    }

    fn read() -> Option<Specification> {
        let files = corrected_files()?;
        let mut schemas = BTreeMap::new();
        for document in files.values() {
            let items = document["paths"].as_object().into_iter().flatten();
            let operations = items.flat_map(|(_, item)| item.as_object().into_iter().flatten());
            for (_, operation) in operations {
                let Some(id) = operation["operationId"].as_str() else {
                    continue;
                };
                for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
                    let key = |media: &str| (id.to_owned(), status.clone(), media.to_owned());
                    let content = resolve(document, answer)["content"].as_object();
                    if content.is_none() {
                        schemas.insert(key(""), None);
                    }
                    for (media, content) in content.into_iter().flatten() {
                        let schema = json_schema(document, &content["schema"], 0);
                        schemas.insert(key(media), Some(validator(&schema)));
                    }
                }
            }
        }
        Some(Specification { schemas })
    }

    /// Each deviation of an answer from the files; `None` where they say nothing about one with its status, or to a
    /// request like its.
    pub(in super::super) fn faults(
        &self,
        operation: &Operation,
        exchange: &Exchange,
    ) -> Option<Vec<String>> {
        let Exchange { request, answer } = exchange;
        let status = answer.status.to_string();
        let documented: Vec<_> = self
            .schemas
            .iter()
            .filter(|((id, known, _), _)| id == operation.id && *known == status)
            .map(|((_, _, media), schema)| (media.as_str(), schema.as_ref()))
            .collect();
        let is_good = answer.status == operation.answer.status;
        if documented.is_empty() || (is_good && is_answered_otherwise(operation, request)) {
            return None;
        }
        let media =
            if answer.body.is_empty() && documented.iter().any(|(_, schema)| schema.is_none()) {
                ""
            } else {
                &answer.content_type
            };
        let Some((_, schema)) = documented.iter().find(|(known, _)| *known == media) else {
            return Some(vec![format!("content type {media:?}: not documented")]);
        };
        Some(schema.map_or(Vec::new(), |schema| deviations(schema, answer)))
    }
}

/// A text is also what it says: Mixpanel's `1` is documented as a number.
fn deviations(schema: &jsonschema::Validator, answer: &RecordedAnswer) -> Vec<String> {
    let text = String::from_utf8_lossy(&answer.body);
    let decoded = serde_json::from_str(&text);
    if answer.content_type != JSON && schema.is_valid(&text.as_ref().into()) {
        return Vec::new();
    }
    match decoded {
        Ok(value) => {
            let value: Value = value;
            let faults = schema.iter_errors(&value);
            faults
                .map(|fault| format!("{}: {}", fault.instance_path(), fault.masked()))
                .collect()
        }
        Err(error) => vec![format!("is not JSON: {error}")],
    }
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
}

/// A schema of OpenAPI 3.0 or 3.1 as plain JSON Schema: references resolved, `nullable` spelt out.
fn json_schema(document: &Value, schema: &Value, nesting: usize) -> Value {
    assert!(nesting < NESTING_MAX, "a schema refers to itself");
    let inner = |schema: &Value| json_schema(document, schema, nesting + 1);
    match resolve(document, schema) {
        Value::Object(members) => {
            let mut said: Map<String, Value> = members
                .iter()
                .map(|(name, member)| (name.clone(), inner(member)))
                .collect();
            if said.remove("nullable") == Some(json!(true)) {
                return json!({"anyOf": [said, {"type": "null"}]});
            }
            said.into()
        }
        Value::Array(items) => items.iter().map(inner).collect(),
        // Said of nothing: a media type without a schema.
        Value::Null if nesting == 0 => json!({}),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, body: &str, schema: &Value, expected: &[&str]) {
        let document = json!({"named": {"type": "integer"}});
        let schema = validator(&json_schema(&document, schema, 0));
        let answer = RecordedAnswer {
            status: 200,
            content_type: content_type.into(),
            body: body.into(),
        };
        assert_eq!(deviations(&schema, &answer), expected, "{body}");
    }

    #[test]
    fn a_body_is_held_against_its_schema_as_openapi_means_it() {
        const PLAIN: &str = "text/plain";
        let one_or_none = json!({"type": "integer", "enum": [1, 0]});
        check(PLAIN, "1", &one_or_none, &[]);
        let two = ": value is not one of 1 or 0";
        check(PLAIN, "2", &one_or_none, &[two]);
        check(PLAIN, "{}\n{}\n", &json!({"type": "string"}), &[]);

        let named = json!({"properties": {"a": {"$ref": "#/named"}, "b": {"type": "string", "nullable": true}}});
        check(JSON, r#"{"a": 1, "b": null}"#, &named, &[]);
        let no_integer = "/a: value is not of type \"integer\"";
        check(JSON, r#"{"a": null}"#, &named, &[no_integer]);

        let dated = json!({"type": "string", "format": "date-time"});
        check(JSON, "\"2026-01-31T10:00:00Z\"", &dated, &[]);
        let undated = ": value is not a \"date-time\"";
        check(JSON, "\"2026-01-31T10:00:00\"", &dated, &[undated]);

        check(JSON, "[{}]", &Value::Null, &[]);
        let cut = "is not JSON: EOF while parsing a list at line 1 column 3";
        check(JSON, "[{}", &Value::Null, &[cut]);
    }
}
