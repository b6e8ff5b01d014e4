//! What files and table say about each operation, in one plain form.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::kind::{Field, Kind};
use super::super::operation::{self, JSON, Medium, Operation};
use super::UNDOCUMENTED;
use super::files::{Files, resolve};

/// A schema that nests deeper than this refers to itself.
const NESTING_MAX: usize = 30;

/// What is said about each operation, by its id.
pub(super) type Facts = BTreeMap<String, Value>;

pub(super) fn facts_of_files(files: &Files) -> Facts {
    let mut facts = Facts::new();
    for document in files.values() {
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let Some(id) = operation["operationId"].as_str() else {
                    continue;
                };
                let said = fact_of_file(document, path, method, item, operation);
                assert!(
                    facts.insert(id.into(), said).is_none(),
                    "{id} is documented twice"
                );
            }
        }
    }
    facts
}

fn fact_of_file(
    document: &Value,
    path: &str,
    method: &str,
    item: &Value,
    operation: &Value,
) -> Value {
    let parameters = [item, operation]
        .into_iter()
        .flat_map(|place| place["parameters"].as_array());
    let parameters: Vec<&Value> = parameters
        .flatten()
        .map(|value| resolve(document, value))
        .collect();
    let at = |place: &str| -> Map<String, Value> {
        let there = parameters
            .iter()
            .filter(|parameter| parameter["in"] == place);
        let said = |parameter: &&Value| {
            let is_required = parameter["required"].as_bool().unwrap_or(false);
            let schema = plain(document, &parameter["schema"], 0);
            let name = parameter["name"].as_str().unwrap().to_owned();
            (name, json!({"required": is_required, "schema": schema}))
        };
        there.map(said).collect()
    };
    let (mut headers, body) = (at("header"), resolve(document, &operation["requestBody"]));
    let content_types = headers.remove("Content-Type");
    let mut media = Map::new();
    for (name, content) in body["content"].as_object().into_iter().flatten() {
        media.insert(name.clone(), plain(document, &content["schema"], 0));
    }
    // A media type that only the header knows has the body of the first.
    let first = media.values().next().cloned().unwrap_or_default();
    for name in content_types
        .iter()
        .filter_map(|header| header["schema"]["enum"].as_array())
        .flatten()
    {
        media
            .entry(name.as_str().unwrap())
            .or_insert_with(|| first.clone());
    }

    let security = operation
        .get("security")
        .unwrap_or(&document["security"])
        .as_array()
        .unwrap();
    let auth: BTreeSet<&String> = security
        .iter()
        .filter_map(Value::as_object)
        .flat_map(Map::keys)
        .collect();
    let server = document["servers"][0]["url"].as_str().unwrap();
    let base_path = server
        .split_once("://")
        .unwrap()
        .1
        .split_once('/')
        .map_or("", |(_, path)| path);
    json!({
        "method": method.to_uppercase(),
        // Mixpanel's pages name the variants of an endpoint by fragments, which are never sent.
        "path": path.split('#').next(),
        "base": if base_path.is_empty() { String::new() } else { format!("/{base_path}") },
        "auth": auth,
        "in path": at("path"),
        "query": at("query"),
        "headers": headers,
        "body required": body["required"].as_bool().unwrap_or(false),
        "body": media,
        "answers": answers_of_file(document, operation),
    })
}

/// By status and media type, what may be in it.
fn answers_of_file(document: &Value, operation: &Value) -> Map<String, Value> {
    let answers = operation["responses"].as_object().into_iter().flatten();
    answers
        .map(|(status, answer)| {
            let content = resolve(document, answer)["content"].as_object();
            let said = |(name, content): (&String, &Value)| {
                (name.clone(), plain(document, &content["schema"], 0))
            };
            let media: Map<String, Value> = content.into_iter().flatten().map(said).collect();
            (status.clone(), media.into())
        })
        .collect()
}

/// What a schema says about values, without prose, defaults and formats, and with references resolved.
fn plain(document: &Value, schema: &Value, nesting: usize) -> Value {
    assert!(nesting < NESTING_MAX, "a schema refers to itself");
    let schema = resolve(document, schema);
    let inner = |schema: &Value| plain(document, schema, nesting + 1);
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        for part in parts {
            let part = inner(part);
            for (key, value) in part.as_object().unwrap() {
                match (whole.get_mut(key), value) {
                    (Some(Value::Object(fields)), Value::Object(more)) => {
                        fields.extend(more.clone())
                    }
                    (Some(Value::Array(items)), Value::Array(more)) => items.extend(more.clone()),
                    _ => drop(whole.insert(key.clone(), value.clone())),
                }
            }
        }
        return Value::Object(whole);
    }
    if let Some(choices) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let is_null = |choice: &Value| choice["type"] == "null";
        let values = choices
            .iter()
            .filter(|choice| !is_null(choice))
            .map(inner)
            .collect();
        return nullable(one_of(values), choices.iter().any(is_null));
    }

    let mut said = Map::new();
    let enumerates_text = schema["enum"]
        .as_array()
        .is_some_and(|words| words.iter().all(Value::is_string));
    let kind = match schema["type"].as_str() {
        Some(kind) => kind,
        None if schema["const"].is_string() => "string",
        None if schema.get("properties").is_some() => "object",
        None if enumerates_text => "string",
        None => return json!({}),
    };
    said.insert("type".into(), kind.into());
    let limits: &[&str] = match kind {
        "string" => &["enum", "minLength", "maxLength"],
        "integer" | "number" => &["enum", "minimum", "maximum"],
        "boolean" => &["enum"],
        "array" => &["minItems", "maxItems"],
        _ => &[],
    };
    for limit in limits {
        match (schema.get(*limit), *limit) {
            // 0 and 0.0 are the same limit.
            (Some(bound), "minimum" | "maximum") => {
                drop(said.insert((*limit).into(), json!(bound.as_f64())))
            }
            (Some(value), _) => drop(said.insert((*limit).into(), value.clone())),
            (None, _) => {}
        }
    }
    if let Some(word) = schema.get("const") {
        said.insert("enum".into(), json!([word]));
    }
    if kind == "array" {
        said.insert("items".into(), inner(&schema["items"]));
    }
    let properties = schema["properties"]
        .as_object()
        .filter(|properties| !properties.is_empty());
    match (properties, &schema["additionalProperties"]) {
        (Some(properties), others) => {
            let fields = properties
                .iter()
                .map(|(name, schema)| (name.clone(), inner(schema)));
            said.insert("properties".into(), fields.collect());
            said.insert(
                "required".into(),
                sorted(schema["required"].as_array().cloned()),
            );
            if *others == json!(true) {
                said.insert("others".into(), json!(true));
            }
        }
        (None, Value::Object(_)) => {
            let values = inner(&schema["additionalProperties"]);
            if values != json!({}) {
                said.insert("values".into(), values);
            }
        }
        (None, _) => {}
    }
    nullable(Value::Object(said), schema["nullable"] == true)
}

fn one_of(mut values: Vec<Value>) -> Value {
    if values.contains(&json!({})) {
        return json!({});
    }
    if values.len() == 1 {
        return values.remove(0);
    }
    values.sort_by_key(Value::to_string);
    json!({"oneOf": values})
}

fn nullable(mut said: Value, is_nullable: bool) -> Value {
    if is_nullable && said != json!({}) {
        said["nullable"] = json!(true);
    }
    said
}

fn sorted(names: Option<Vec<Value>>) -> Value {
    let mut names = names.unwrap_or_default();
    names.sort_by_key(Value::to_string);
    names.into()
}

pub(super) fn facts_of_table() -> Facts {
    let documented = operation::all().filter(|operation| !UNDOCUMENTED.contains(&operation.id));
    documented
        .map(|operation| (operation.id.into(), fact_of_row(operation)))
        .collect()
}

pub(super) fn fact_of_row(operation: &Operation) -> Value {
    let pairs = |fields: &[Field]| -> Map<String, Value> {
        let said = |field: &Field| {
            let schema = schema(&field.kind);
            (
                field.name.to_owned(),
                json!({"required": field.is_required, "schema": schema}),
            )
        };
        fields.iter().map(said).collect()
    };
    let names = operation.path_values(operation.path).unwrap();
    let in_path = names.into_iter().map(|(name, _)| {
        let (_, kind) = operation::PATH_PARAMETERS
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap();
        (
            name.to_owned(),
            json!({"required": true, "schema": schema(kind)}),
        )
    });
    let media = operation.body.iter().flat_map(|body| body.media);
    let auth: BTreeSet<String> = operation
        .auth
        .iter()
        .map(|auth| format!("{auth:?}"))
        .collect();
    json!({
        "method": operation.method,
        "path": operation.path,
        "base": operation.api.base_path(),
        "auth": auth,
        "in path": in_path.collect::<Map<_, _>>(),
        "query": pairs(operation.query),
        "headers": pairs(operation.headers),
        "body required": operation.body.is_some_and(|body| body.is_required),
        "body": schemas(media),
        "answers": answers_of_row(operation),
    })
}

fn schemas<'a>(media: impl Iterator<Item = &'a Medium>) -> Map<String, Value> {
    media
        .map(|(name, kind)| ((*name).to_owned(), schema(kind)))
        .collect()
}

fn answers_of_row(operation: &Operation) -> Map<String, Value> {
    let good = (
        operation.answer.status.to_string(),
        schemas(operation.answer.media.iter()).into(),
    );
    let refusals = operation.refusals.iter().map(|(status, kind)| {
        let media = schemas([(JSON, *kind)].iter());
        (status.to_string(), media.into())
    });
    std::iter::once(good).chain(refusals).collect()
}

/// A kind in the plain form. What is a string by its type is one here, whatever form the table wants it to have.
fn schema(kind: &Kind) -> Value {
    match kind {
        Kind::Any => json!({}),
        Kind::Text | Kind::Date | Kind::Time | Kind::LocalTime | Kind::Uuid => {
            json!({"type": "string"})
        }
        Kind::Expression | Kind::Encoded(_) | Kind::Lines(_) => json!({"type": "string"}),
        Kind::Length(0, max) => json!({"type": "string", "maxLength": max}),
        Kind::Length(min, max) => json!({"type": "string", "minLength": min, "maxLength": max}),
        Kind::Words(words) => json!({"type": "string", "enum": words}),
        Kind::Integer => json!({"type": "integer"}),
        Kind::Range(min, max) => {
            json!({"type": "integer", "minimum": *min as f64, "maximum": *max as f64})
        }
        Kind::AtLeast(min) => json!({"type": "integer", "minimum": *min as f64}),
        Kind::Integers(integers) => json!({"type": "integer", "enum": integers}),
        Kind::Number => json!({"type": "number"}),
        Kind::Fraction => json!({"type": "number", "minimum": 0.0, "maximum": 1.0}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::True => json!({"type": "boolean", "enum": [true]}),
        Kind::List(kind) => json!({"type": "array", "items": schema(kind)}),
        Kind::Filled(kind) => json!({"type": "array", "items": schema(kind), "minItems": 1}),
        Kind::ListOf(0, max, kind) => {
            json!({"type": "array", "items": schema(kind), "maxItems": max})
        }
        Kind::ListOf(min, max, kind) => {
            json!({"type": "array", "items": schema(kind), "minItems": min, "maxItems": max})
        }
        Kind::Object(_) | Kind::Open(_) | Kind::Joined(..) => {
            let required = kind
                .fields()
                .filter(|field| field.is_required)
                .map(|field| field.name.into());
            let fields = kind
                .fields()
                .map(|field| (field.name.to_owned(), schema(&field.kind)));
            let mut said = json!({
                "type": "object",
                "properties": fields.collect::<Map<_, _>>(),
                "required": sorted(Some(required.collect())),
            });
            if matches!(kind, Kind::Open(_)) {
                said["others"] = json!(true);
            }
            said
        }
        Kind::Map(Kind::Any) => json!({"type": "object"}),
        Kind::Map(kind) => json!({"type": "object", "values": schema(kind)}),
        Kind::Nullable(kind) => nullable(schema(kind), true),
        Kind::OneOf(kinds) => one_of(kinds.iter().map(schema).collect()),
    }
}
