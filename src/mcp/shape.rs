//! What a JSON value must look like: said once, published as JSON Schema, checked on arrival.
//!
//! The schemas are flat (no `anyOf`, no lists of types, no `null`), because several clients and model
//! providers refuse a whole tool list over one of these.

use std::fmt;

use serde_json::{Map, Value};

use super::day::{DAY_WORDS, Day};
use super::object::Object;

/// The most characters of a rejected value that a fault repeats.
const GOT_CHARS_MAX: usize = 80;

/// The form of a value. A limit that is checked is a limit that is published.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Any JSON, for answers that the source itself leaves open.
    Any,
    /// True or false.
    Flag,
    /// An integer from zero.
    Count,
    /// A number, with or without a fraction.
    Number,
    /// An integer within bounds, both inclusive.
    Int {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A string that is not empty.
    Text {
        /// The most characters.
        max: usize,
    },
    /// A string that may be empty: for answers.
    Words,
    /// A decimal id. Published as a string; an integer is taken and read as one.
    Id,
    /// A calendar day, `2026-01-31`, or a word for one, as `yesterday`.
    Date,
    /// One of a few words.
    OneOf(&'static [&'static str]),
    /// A list.
    List {
        /// What each item looks like.
        item: &'static Shape,
        /// The fewest items.
        min: usize,
        /// The most items.
        max: usize,
    },
    /// An object whose keys are data, such as one count per day.
    MapOf(&'static Shape),
    /// An object with known members.
    Object(&'static [Field]),
}

/// One named value inside an object.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The member's name.
    pub name: &'static str,
    /// What it means, with unit, format and default. Empty in answers where the name says it all.
    pub about: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
}

impl Field {
    /// A member that an answer always has.
    pub const fn always(name: &'static str, shape: Shape) -> Field {
        Field {
            name,
            about: "",
            shape,
            required: true,
        }
    }

    /// A member that an answer has at times.
    pub const fn sometimes(name: &'static str, shape: Shape) -> Field {
        Field {
            name,
            about: "",
            shape,
            required: false,
        }
    }

    /// The same member with a description.
    pub const fn about(self, about: &'static str) -> Field {
        Field { about, ..self }
    }
}

/// Whether an object may have members that its shape does not name.
#[derive(Clone, Copy, PartialEq)]
pub enum Unknown {
    /// Published as `additionalProperties: false`: what a call may bring.
    Refused,
    /// Left open: what an answer has today, and may have more of tomorrow.
    Open,
}

impl Shape {
    /// A list of any length: for answers.
    pub const fn list(item: &'static Shape) -> Shape {
        Shape::List {
            item,
            min: 0,
            max: usize::MAX,
        }
    }

    /// Writes the JSON Schema that [`Shape::faults`] enforces, its members in the order of their names.
    pub fn write_schema(&self, about: &str, unknown: Unknown, text: &mut Vec<u8>) {
        if let Shape::Object(fields) = self {
            return write_object_schema(fields, about, unknown, text);
        }
        let mut schema = Object::begin(text);
        match self {
            // An empty schema is legal and means the same, but some clients warn of it.
            Shape::MapOf(Shape::Any) => schema.put("additionalProperties", &true),
            Shape::MapOf(item) => {
                item.write_schema("", unknown, schema.member("additionalProperties"));
            }
            _ => (),
        }
        if !about.is_empty() {
            schema.put("description", about);
        }
        let kind = match self {
            Shape::Any => return schema.end(),
            Shape::Flag => "boolean",
            Shape::Count => {
                // What an answer can only be need not be said in a model's context.
                if unknown == Unknown::Refused {
                    schema.put("minimum", &0);
                }
                "integer"
            }
            Shape::Number => "number",
            Shape::Int { min, max } => {
                schema.put("maximum", max);
                schema.put("minimum", min);
                "integer"
            }
            Shape::Text { max } => {
                schema.put("maxLength", max);
                schema.put("minLength", &1);
                "string"
            }
            // Which days there are is in the description: a pattern of them all costs a model more than it tells.
            Shape::Words | Shape::Date => "string",
            Shape::Id => {
                if unknown == Unknown::Refused {
                    schema.put("pattern", "^[0-9]{1,19}$");
                }
                "string"
            }
            Shape::OneOf(choices) => {
                schema.put("enum", choices);
                "string"
            }
            Shape::List { item, min, max } => {
                item.write_schema("", unknown, schema.member("items"));
                if *max < usize::MAX {
                    schema.put("maxItems", max);
                }
                if *min > 0 {
                    schema.put("minItems", min);
                }
                "array"
            }
            Shape::MapOf(_) | Shape::Object(_) => "object",
        };
        schema.put("type", kind);
        schema.end();
    }

    /// Every way in which `value` breaks this shape, each with its path. Empty means it fits.
    pub fn faults(&self, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(Path::Whole, value, &mut faults);
        faults
    }

    /// Whether it is a calendar day, or has one in it.
    pub fn has_date(&self) -> bool {
        match self {
            Shape::Date => true,
            Shape::List { item, .. } | Shape::MapOf(item) => item.has_date(),
            Shape::Object(fields) => fields.iter().any(|field| field.shape.has_date()),
            _ => false,
        }
    }

    fn check(&self, path: Path<'_>, value: &Value, faults: &mut Vec<String>) {
        let fits = match (self, value) {
            (Shape::Any, _) => true,
            (Shape::Flag, value) => value.is_boolean(),
            (Shape::Count, value) => value.is_u64(),
            (Shape::Number, value) => value.is_number(),
            (Shape::Int { min, max }, value) => value
                .as_i64()
                .is_some_and(|number| (*min..=*max).contains(&number)),
            (Shape::Text { max }, Value::String(text)) => {
                (1..=*max).contains(&text.chars().count())
            }
            (Shape::Words, value) => value.is_string(),
            (Shape::Id, Value::String(text)) => {
                (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
            }
            (Shape::Id, value) => value.as_u64().is_some_and(|id| id < 10_u64.pow(19)),
            (Shape::Date, Value::String(text)) => Day::parse(text).is_some(),
            (Shape::OneOf(choices), Value::String(text)) => choices.contains(&text.as_str()),
            (Shape::List { item, min, max }, Value::Array(items)) => {
                for (index, value) in items.iter().enumerate().take(*max) {
                    item.check(Path::Item(&path, index), value, faults);
                }
                (*min..=*max).contains(&items.len())
            }
            (Shape::MapOf(item), Value::Object(entries)) => {
                for (key, value) in entries {
                    item.check(Path::Member(&path, key), value, faults);
                }
                true
            }
            (Shape::Object(fields), Value::Object(entries)) => {
                check_fields(path, &[fields], entries, faults);
                true
            }
            _ => false,
        };
        if !fits {
            faults.push(self.fault(path, value));
        }
    }

    #[cold]
    fn fault(&self, path: Path<'_>, value: &Value) -> String {
        let path = match path {
            Path::Whole => "arguments".to_owned(),
            path => path.to_string(),
        };
        let (words, got) = (self.in_words(), in_short(value));
        format!("{path}: must be {words}, got {got}")
    }

    fn in_words(&self) -> String {
        match self {
            Shape::Any => "any JSON".into(),
            Shape::Flag => "true or false".into(),
            Shape::Count => "an integer from 0".into(),
            Shape::Number => "a number".into(),
            Shape::Int { min, max } => format!("an integer from {min} to {max}"),
            Shape::Text { max } => format!("a string of 1 to {max} characters"),
            Shape::Words => "a string".into(),
            Shape::Id => "a decimal id such as \"12345\"".into(),
            Shape::Date => format!("a date like 2026-01-31, or one of {DAY_WORDS}"),
            Shape::OneOf(choices) => format!("one of {}", choices.join(", ")),
            Shape::List { item, min, max } => {
                let count = match (min, max) {
                    (0, &usize::MAX) => String::new(),
                    (0, max) => format!(" of at most {max}"),
                    (min, &usize::MAX) => format!(" of at least {min}"),
                    (min, max) => format!(" of {min} to {max}"),
                };
                format!("a list{count}, each {}", item.in_words())
            }
            Shape::MapOf(_) | Shape::Object(_) => "an object".into(),
        }
    }
}

/// Writes the JSON Schema of an object with these fields, its members in the order of their names.
pub fn write_object_schema(fields: &[Field], about: &str, unknown: Unknown, text: &mut Vec<u8>) {
    let mut schema = Object::begin(text);
    if unknown == Unknown::Refused {
        schema.put("additionalProperties", &false);
    }
    if !about.is_empty() {
        schema.put("description", about);
    }
    if !fields.is_empty() {
        let mut properties = Object::begin(schema.member("properties"));
        let mut last = "";
        let after = |last| fields.iter().filter(move |field| field.name > last);
        while let Some(field) = after(last).min_by_key(|field| field.name) {
            last = field.name;
            let text = properties.member(field.name);
            field.shape.write_schema(field.about.trim(), unknown, text);
        }
        properties.end();
    }
    let required = fields.iter().filter(|field| field.required);
    let required: Vec<&str> = required.map(|field| field.name).collect();
    if !required.is_empty() {
        schema.put("required", &required);
    }
    schema.put("type", "object");
    schema.end();
}

/// Every way in which `value` breaks the shape of an object with these members, which stand in several lists.
pub fn object_faults(fields: &[&[Field]], value: &Value) -> Vec<String> {
    match value {
        Value::Object(entries) => {
            let mut faults = Vec::new();
            check_fields(Path::Whole, fields, entries, &mut faults);
            faults
        }
        other => Shape::Object(&[]).faults(other),
    }
}

fn check_fields(
    path: Path<'_>,
    fields: &[&[Field]],
    entries: &Map<String, Value>,
    faults: &mut Vec<String>,
) {
    let fields = || fields.iter().copied().flatten();
    for field in fields() {
        let path = Path::Member(&path, field.name);
        match entries.get(field.name) {
            // Models often spell "not given" as null.
            Some(Value::Null) if !field.required => (),
            Some(value) => field.shape.check(path, value, faults),
            None if field.required => {
                faults.push(
                    format!("{path}: missing. {}", field.about.trim())
                        .trim_end()
                        .into(),
                );
            }
            None => (),
        }
    }
    // A misspelt optional argument would otherwise answer another question than the one asked.
    for name in entries.keys() {
        if fields().all(|field| field.name != name) {
            let known: Vec<&str> = fields().map(|field| field.name).collect();
            faults.push(unknown(path, name, &known));
        }
    }
}

#[cold]
fn unknown(path: Path<'_>, name: &str, known: &[&str]) -> String {
    let name = in_short(&Value::from(name)).replace('"', "");
    let path = Path::Member(&path, &name);
    match known {
        [] => format!("{path}: unknown, there are no arguments"),
        known => format!("{path}: unknown, known are {}", known.join(", ")),
    }
}

/// Where a value stands: put into words only where something is wrong with it.
#[derive(Clone, Copy)]
enum Path<'a> {
    Whole,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Whole => Ok(()),
            Path::Member(Path::Whole, name) => f.write_str(name),
            Path::Member(of, name) => write!(f, "{of}.{name}"),
            Path::Item(of, index) => write!(f, "{of}[{index}]"),
        }
    }
}

fn in_short(value: &Value) -> String {
    let text = match value {
        Value::Object(_) => return "an object".into(),
        Value::Array(items) => return format!("a list of {}", items.len()),
        value => value.to_string(),
    };
    match text.char_indices().nth(GOT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUERY: Shape = Shape::Object(&[
        Field {
            name: "event",
            about: "Event name.",
            shape: Shape::Text { max: 5 },
            required: true,
        },
        Field {
            name: "limit",
            about: "Most rows.",
            shape: Shape::Int { min: 1, max: 9 },
            required: false,
        },
        Field {
            name: "days",
            about: "Days.",
            shape: Shape::List {
                item: &Shape::Date,
                min: 1,
                max: 2,
            },
            required: false,
        },
        Field {
            name: "project_id",
            about: "Project.",
            shape: Shape::Id,
            required: false,
        },
    ]);

    #[track_caller]
    fn check(value: Value, faults: &[&str]) {
        assert_eq!(QUERY.faults(&value), faults);
    }

    #[test]
    fn a_value_that_fits_has_no_faults() {
        check(
            json!({"event": "Buy", "limit": 9, "days": ["2026-01-31"], "project_id": "7"}),
            &[],
        );
        check(json!({"event": "Buy", "project_id": 7, "limit": null}), &[]);
    }

    #[test]
    fn every_fault_is_told_at_once() {
        check(
            json!({"limit": 10, "evnt": "Buy", "project_id": "7x"}),
            &[
                "event: missing. Event name.",
                "limit: must be an integer from 1 to 9, got 10",
                "project_id: must be a decimal id such as \"12345\", got \"7x\"",
                "evnt: unknown, known are event, limit, days, project_id",
            ],
        );
    }

    #[test]
    fn a_fault_inside_a_list_names_its_place() {
        check(
            json!({"event": "Buy", "days": ["2026-01-31", "2026-02-30"]}),
            &[
                "days[1]: must be a date like 2026-01-31, or one of today, yesterday, 7d (any number of days), this_ or last_ week, month, quarter, year, got \"2026-02-30\"",
            ],
        );
    }

    #[test]
    fn a_list_must_have_its_number_of_items() {
        check(
            json!({"event": "Buy", "days": []}),
            &[
                "days: must be a list of 1 to 2, each a date like 2026-01-31, or one of today, yesterday, 7d (any number of days), this_ or last_ week, month, quarter, year, got a list of 0",
            ],
        );
    }

    #[test]
    fn arguments_must_be_an_object() {
        check(
            json!([]),
            &["arguments: must be an object, got a list of 0"],
        );
    }

    #[test]
    fn a_long_rejected_value_is_repeated_only_in_part() {
        let faults = QUERY.faults(&json!({"event": "é".repeat(5_000)}));
        assert_eq!(faults.len(), 1);
        assert!(faults[0].chars().count() < 160, "{}", faults[0]);
    }
}
