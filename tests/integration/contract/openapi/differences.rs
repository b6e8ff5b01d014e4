//! Where files and table say something else.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::facts::Facts;

/// Each place at which files and table say something else, as `operation: place: file / table`.
pub(super) fn differences(files: &Facts, table: &Facts) -> Vec<String> {
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
                let at = format!("{at}: {key}");
                match key.as_str() {
                    "answers" => compare_answers(&at, &file[key], &row[key], told),
                    _ => compare(&at, &file[key], &row[key], told),
                }
            }
        }
        _ if file == row => {}
        _ => told.push(format!("{at}: {file} / {row}")),
    }
}

/// The statuses and media types must be the same, and what is in them.
fn compare_answers(at: &str, file: &Value, row: &Value, told: &mut Vec<String>) {
    for status in keys(file, row) {
        let at = format!("{at}: {status}");
        for media in keys(&file[&status], &row[&status]) {
            let at = format!("{at}: {media}");
            match (file[&status].get(&media), row[&status].get(&media)) {
                (Some(file), Some(row)) => compare_values(&at, file, row, told),
                (of_file, _) => told.push(format!("{at}: is only in the {}", place(of_file))),
            }
        }
        if file.get(&status).is_none() || row.get(&status).is_none() {
            let place = place(file.get(&status));
            told.push(format!("{at}: is only in the {place}"));
        }
    }
}

/// What may be in an answer. The files leave most members out of `required` and many a form open, so the row may say
/// more about what is there; it may not leave out a member, add one, or take what the file does not.
fn compare_values(at: &str, file: &Value, row: &Value, told: &mut Vec<String>) {
    if *file == json!({}) || file == row {
        return;
    }
    if file.get("oneOf").is_some() || row.get("oneOf").is_some() {
        let (of_file, of_row) = (choices(file), choices(row));
        let fits = |file: &Value, row: &Value| {
            let mut told = Vec::new();
            compare_values(at, file, row, &mut told);
            told.is_empty()
        };
        let is_same = of_file
            .iter()
            .all(|file| of_row.iter().any(|row| fits(file, row)))
            && of_row
                .iter()
                .all(|row| of_file.iter().any(|file| fits(file, row)));
        if !is_same {
            told.push(format!("{at}: {file} / {row}"));
        }
        return;
    }
    for (key, of_file) in file.as_object().into_iter().flatten() {
        let of_row = &row[key];
        match key.as_str() {
            "properties" => compare_members(at, of_file, of_row, told),
            "items" | "values" if of_row.is_object() => {
                compare_values(&format!("{at}: {key}"), of_file, of_row, told);
            }
            "required" | "enum" => {
                let (more, fewer) = match key.as_str() {
                    "required" => (of_row, of_file),
                    _ => (of_file, of_row),
                };
                if !of_row.is_array() || !holds_all(more, fewer) {
                    told.push(format!("{at}: {key}: {of_file} / {of_row}"));
                }
            }
            // The row may be stricter than that.
            "nullable" | "others" => {}
            _ if of_file == of_row => {}
            _ => told.push(format!("{at}: {key}: {of_file} / {of_row}")),
        }
    }
    for key in ["nullable", "others"] {
        if file.get(key).is_none() && row.get(key).is_some() {
            told.push(format!("{at}: {key} is only in the table"));
        }
    }
}

fn compare_members(at: &str, file: &Value, row: &Value, told: &mut Vec<String>) {
    for name in keys(file, row) {
        let at = format!("{at}.{name}");
        match (file.get(&name), row.get(&name)) {
            (Some(file), Some(row)) => compare_values(&at, file, row, told),
            (of_file, _) => told.push(format!("{at}: is only in the {}", place(of_file))),
        }
    }
}

fn place(of_file: Option<&Value>) -> &'static str {
    of_file.map_or("table", |_| "file")
}

fn keys(file: &Value, row: &Value) -> BTreeSet<String> {
    let objects = [file, row].into_iter().filter_map(Value::as_object);
    objects.flat_map(|object| object.keys().cloned()).collect()
}

fn choices(schema: &Value) -> &[Value] {
    let choices = schema["oneOf"].as_array();
    choices.map_or(std::slice::from_ref(schema), Vec::as_slice)
}

fn holds_all(more: &Value, fewer: &Value) -> bool {
    let (more, fewer) = (more.as_array(), fewer.as_array());
    more.zip(fewer)
        .is_some_and(|(more, fewer)| fewer.iter().all(|item| more.contains(item)))
}
