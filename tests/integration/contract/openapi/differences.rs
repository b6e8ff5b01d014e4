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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: Value, row: Value, expected: &[&str]) {
        let mut told = Vec::new();
        compare_values("x", &file, &row, &mut told);
        assert_eq!(told, expected, "{file} / {row}");
    }

    fn text() -> Value {
        json!({"type": "string"})
    }

    fn object(required: &[&str], names: &[&str]) -> Value {
        let members: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).into(), text())).collect();
        json!({"type": "object", "required": required, "properties": members})
    }

    #[test]
    fn about_answers_the_table_may_say_more_than_the_files() {
        check(json!({}), text(), &[]);
        check(text(), json!({"type": "string", "enum": ["ok"]}), &[]);
        check(object(&[], &["a"]), object(&["a"], &["a"]), &[]);
        check(json!({"type": "object"}), object(&["a"], &["a"]), &[]);
        check(json!({"type": "string", "nullable": true}), text(), &[]);
        let numbers = json!({"oneOf": [{"type": "integer"}, {"type": "number"}]});
        let other_way = json!({"oneOf": [{"type": "number"}, {"type": "integer"}]});
        check(numbers, other_way, &[]);
    }

    #[test]
    fn about_answers_the_table_may_not_say_less_or_otherwise() {
        check(text(), json!({}), &["x: type: \"string\" / null"]);
        check(
            text(),
            json!({"type": "number"}),
            &["x: type: \"string\" / \"number\""],
        );
        let nullable = json!({"type": "string", "nullable": true});
        check(text(), nullable, &["x: nullable is only in the table"]);
        check(
            object(&["a"], &["a"]),
            object(&[], &["a"]),
            &["x: required: [\"a\"] / []"],
        );
        check(
            object(&[], &["a", "b"]),
            object(&[], &["a", "c"]),
            &["x.b: is only in the file", "x.c: is only in the table"],
        );
        let word = |word: &str| json!({"type": "string", "enum": [word]});
        check(word("a"), word("b"), &["x: enum: [\"a\"] / [\"b\"]"]);
        check(word("a"), text(), &["x: enum: [\"a\"] / null"]);
        check(
            json!({"type": "array", "items": text()}),
            json!({"type": "array", "items": {"type": "integer"}}),
            &["x: items: type: \"string\" / \"integer\""],
        );
        let one_more = json!({"oneOf": [text(), {"type": "integer"}]});
        check(
            text(),
            one_more.clone(),
            &[&format!("x: {} / {one_more}", text())],
        );
        check(
            one_more.clone(),
            text(),
            &[&format!("x: {one_more} / {}", text())],
        );
    }

    #[test]
    fn statuses_and_media_types_of_answers_must_be_the_same() {
        let mut told = Vec::new();
        let file = json!({"200": {"application/json": text()}, "204": {}});
        let row = json!({"200": {"text/plain": text()}, "404": {"application/json": text()}});
        compare_answers("x", &file, &row, &mut told);
        assert_eq!(
            told,
            [
                "x: 200: application/json: is only in the file",
                "x: 200: text/plain: is only in the table",
                "x: 204: is only in the file",
                "x: 404: application/json: is only in the table",
                "x: 404: is only in the table",
            ]
        );
    }
}
