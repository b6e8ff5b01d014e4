//! Mixpanel's OpenAPI files, read as JSON, and the errata put into them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Value, json};

use super::super::errata::{ERRATA, Edit};

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

/// The files, by name.
pub(super) type Files = BTreeMap<&'static str, Value>;

pub(super) fn read_files() -> Option<Files> {
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

/// The files after all errata.
pub(super) fn corrected_files() -> Option<Files> {
    let mut files = read_files()?;
    for erratum in ERRATA {
        for edit in erratum.edits {
            apply(&mut files, erratum.file, edit);
        }
    }
    Some(files)
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
pub(super) fn apply(files: &mut Files, file: &str, (place, becomes): &Edit) {
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

pub(super) fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
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
