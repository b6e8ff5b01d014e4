//! Proves the table against Mixpanel's OpenAPI files: both are brought into one plain form, and compared.
//! The files are not part of this project; `MIXPANEL_OPENAPI_DIR` says where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

use super::errata::{ERRATA, Edit};
use super::kind::{Field, Kind};
use super::operation::{self, Operation};

/// In no file; the table knows them from Mixpanel's own clients.
const UNDOCUMENTED: [&str; 3] = ["get-me", "get-project", "list-workspaces"];
const FILES: [&str; 13] = [
    "annotations",
    "data-pipelines",
    "experiments",
    "export",
    "feature-flags-management",
    "feature-flags",
    "gdpr",
    "identity",
    "ingestion",
    "lexicon-schemas",
    "query",
    "service-accounts",
    "warehouse-connectors",
];
/// A schema that nests deeper than this refers to itself.
const NESTING_MAX: usize = 30;

/// The files, by name.
type Files = BTreeMap<&'static str, Value>;
/// What is said about each operation, by its id.
type Facts = BTreeMap<String, Value>;

#[test]
fn the_table_agrees_with_the_openapi_files_but_for_the_errata() {
    let Some(mut files) = read_files() else {
        return;
    };
    for erratum in ERRATA {
        for edit in erratum.edits {
            apply(&mut files, erratum.file, edit);
        }
    }

    let differences = differences(&facts_of_files(&files), &facts_of_table());

    assert!(
        differences.is_empty(),
        "file / table:\n{}",
        differences.join("\n")
    );
}

#[test]
fn each_erratum_is_still_needed() {
    let Some(files) = read_files() else { return };
    let table = facts_of_table();
    let edits = || {
        ERRATA
            .iter()
            .flat_map(|erratum| erratum.edits.iter().map(move |edit| (erratum, edit)))
    };
    for (nth, (left_out, (place, _))) in edits().enumerate() {
        let mut files = files.clone();
        for (other, (erratum, edit)) in edits().enumerate() {
            if other != nth {
                apply(&mut files, erratum.file, edit);
            }
        }
        let (id, why) = (left_out.id, left_out.why);
        assert!(
            !differences(&facts_of_files(&files), &table).is_empty(),
            "{id} ({why}) is no longer needed at {place}"
        );
    }
}

#[test]
fn each_operation_stands_in_the_table_once() {
    let ids: Vec<&str> = operation::all().map(|operation| operation.id).collect();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len());
    for id in UNDOCUMENTED {
        assert!(distinct.contains(id), "{id}");
    }
}

fn read_files() -> Option<Files> {
    let Some(folder) = env::var_os("MIXPANEL_OPENAPI_DIR") else {
        eprintln!("skipped: MIXPANEL_OPENAPI_DIR is not set");
        return None;
    };
    let names: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".openapi.yaml").map(str::to_owned))
        .collect();
    assert_eq!(
        names,
        FILES.map(str::to_owned).into(),
        "the files are not the known ones"
    );
    let read = |name: &'static str| {
        let path = Path::new(&folder).join(format!("{name}.openapi.yaml"));
        let text = fs::read_to_string(path).unwrap();
        (name, to_json(&Yaml::load_from_str(&text).unwrap()[0]))
    };
    Some(FILES.map(read).into())
}

fn to_json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(boolean)) => json!(boolean),
        Yaml::Value(Scalar::Integer(integer)) => json!(integer),
        Yaml::Value(Scalar::FloatingPoint(number)) => json!(number.into_inner()),
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Sequence(items) => items.iter().map(to_json).collect(),
        Yaml::Mapping(fields) => {
            // Keys such as the status 200 are numbers in YAML.
            let name = |key: &Yaml<'_>| match to_json(key) {
                Value::String(name) => name,
                other => other.to_string(),
            };
            fields
                .iter()
                .map(|(key, value)| (name(key), to_json(value)))
                .collect()
        }
        other => panic!("not expected in an OpenAPI file: {other:?}"),
    }
}

/// Puts an edit's JSON in its place.
fn apply(files: &mut Files, file: &str, (place, becomes): &Edit) {
    let document = files.get_mut(file).unwrap();
    let becomes: Value = serde_json::from_str(becomes).unwrap();
    let mut path = String::new();
    let keys: Vec<&str> = place.split(' ').collect();
    let (last, way) = keys.split_last().unwrap();
    for key in way {
        path = step(document, &path, key);
    }
    let path = step(document, &path, last);
    let (holder, key) = path.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(holder) {
        Some(Value::Object(fields)) => drop(fields.insert(key, becomes)),
        Some(Value::Array(items)) if key == "-" => items.push(becomes),
        Some(Value::Array(items)) => items[key.parse::<usize>().unwrap()] = becomes,
        _ => panic!("{file} has no place {place}"),
    }
}

/// The JSON pointer of `key` below `path`, after the reference at `path`, if there is one.
fn step(document: &Value, path: &str, key: &str) -> String {
    let at = document
        .pointer(path)
        .unwrap_or_else(|| panic!("there is no {path}"));
    if let Some(reference) = at["$ref"].as_str() {
        return step(document, reference.trim_start_matches('#'), key);
    }
    let Some(name) = key.strip_prefix('[').and_then(|key| key.strip_suffix(']')) else {
        return format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
    };
    let mut items = at.as_array().into_iter().flatten();
    let nth = items.position(|item| resolve(document, item)["name"] == name);
    format!(
        "{path}/{}",
        nth.unwrap_or_else(|| panic!("there is no {name} at {path}"))
    )
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let target = document.pointer(reference.trim_start_matches('#'));
            resolve(
                document,
                target.unwrap_or_else(|| panic!("there is no {reference}")),
            )
        }
        None => value,
    }
}

fn facts_of_files(files: &Files) -> Facts {
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
    })
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

fn facts_of_table() -> Facts {
    let documented = operation::all().filter(|operation| !UNDOCUMENTED.contains(&operation.id));
    documented
        .map(|operation| (operation.id.into(), fact_of_row(operation)))
        .collect()
}

fn fact_of_row(operation: &Operation) -> Value {
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
        "body": media.map(|(name, kind)| ((*name).to_owned(), schema(kind))).collect::<Map<_, _>>(),
    })
}

/// A kind in the plain form. What is a string by its type is one here, whatever form the table wants it to have.
fn schema(kind: &Kind) -> Value {
    match kind {
        Kind::Any => json!({}),
        Kind::Text | Kind::Date | Kind::Time | Kind::LocalTime | Kind::Uuid => {
            json!({"type": "string"})
        }
        Kind::Expression | Kind::Encoded(_) => json!({"type": "string"}),
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

/// Each place at which files and table say something else, as `operation: place: file / table`.
fn differences(files: &Facts, table: &Facts) -> Vec<String> {
    let mut told = Vec::new();
    let ids: BTreeSet<&String> = files.keys().chain(table.keys()).collect();
    for id in ids {
        match (files.get(id), table.get(id)) {
            (Some(file), Some(row)) => compare(id, file, row, &mut told),
            (Some(_), None) => told.push(format!("{id}: is not in the table")),
            (None, _) => told.push(format!("{id}: is in no file")),
        }
    }
    told
}

fn compare(at: &str, file: &Value, row: &Value, told: &mut Vec<String>) {
    match (file, row) {
        (Value::Object(of_file), Value::Object(of_row)) => {
            let keys: BTreeSet<&String> = of_file.keys().chain(of_row.keys()).collect();
            for key in keys {
                compare(&format!("{at}: {key}"), &file[key], &row[key], told);
            }
        }
        _ if file == row => {}
        _ => told.push(format!("{at}: {file} / {row}")),
    }
}
