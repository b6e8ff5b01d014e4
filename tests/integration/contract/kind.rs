//! What a value may be: the words in which the table speaks of parameters and bodies, and the check of one value.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::expression;

/// What a value may be. As text (in a query, a form or a path) or as JSON, as the place demands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Anything.
    Any,
    /// A string; as a parameter, not empty.
    Text,
    /// A string of so many characters.
    Length(usize, usize),
    /// One of these words.
    Words(&'static [&'static str]),
    Integer,
    /// An integer in this range, inclusive.
    Range(i64, i64),
    /// An integer of at least this.
    AtLeast(i64),
    /// One of these integers.
    Integers(&'static [i64]),
    Number,
    /// A number from 0 to 1.
    Fraction,
    Boolean,
    /// Nothing but `true`.
    True,
    /// `yyyy-mm-dd`
    Date,
    /// A point in time with its offset, RFC 3339.
    Time,
    /// `yyyy-mm-dd hh:mm:ss`, in the project's time zone.
    LocalTime,
    Uuid,
    /// Mixpanel's expression language for `where` and `on`.
    Expression,
    /// A string that is JSON of this kind.
    Encoded(&'static Kind),
    /// A string whose lines are each JSON of this kind.
    Lines(&'static Kind),
    /// A list; as a parameter, the parameter may be repeated.
    List(&'static Kind),
    /// A list with an item at least.
    Filled(&'static Kind),
    /// A list with at least and at most so many items.
    ListOf(usize, usize, &'static Kind),
    /// An object with these fields and no others.
    Object(&'static [Field]),
    /// An object with these fields and any others.
    Open(&'static [Field]),
    /// Objects whose fields are a first and a second group: what variants share, and what is their own.
    Joined(&'static [Field], &'static [Field]),
    /// An object with any names, whose values are of this kind.
    Map(&'static Kind),
    /// This, or null.
    Nullable(&'static Kind),
    /// One of these.
    OneOf(&'static [Kind]),
}

/// A named value: a parameter, or a field of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) is_required: bool,
    pub(super) kind: Kind,
}

/// A field that must be there.
pub(super) const fn needs(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        is_required: true,
        kind,
    }
}

/// A field that may be there.
pub(super) const fn takes(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        is_required: false,
        kind,
    }
}

/// An object of any content.
pub(super) const FREE: Kind = Kind::Map(&Kind::Any);

impl Kind {
    /// The fields of an object of this kind.
    pub(super) fn fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        let (shared, own): (&[Field], &[Field]) = match self {
            Kind::Object(fields) | Kind::Open(fields) => (fields, &[]),
            Kind::Joined(shared, own) => (shared, own),
            _ => (&[], &[]),
        };
        shared.iter().chain(own)
    }

    /// Whether an object of this kind must have a field; an empty body is then no body.
    pub(super) fn has_required_fields(&self) -> bool {
        match self {
            Kind::OneOf(kinds) => kinds.iter().all(Kind::has_required_fields),
            kind => kind.fields().any(|field| field.is_required),
        }
    }

    /// Notes what is wrong with a text of this kind; `at` says where it stands.
    pub(super) fn check_text(&self, at: &str, text: &str, faults: &mut Vec<String>) {
        let parsed = match self {
            Kind::Any => return,
            Kind::Nullable(kind)
            | Kind::List(kind)
            | Kind::Filled(kind)
            | Kind::ListOf(_, _, kind) => {
                return kind.check_text(at, text, faults);
            }
            Kind::Text if text.is_empty() => {
                return faults.push(format!("{at}: is empty"));
            }
            Kind::Integer | Kind::Range(..) | Kind::AtLeast(_) | Kind::Integers(_) => {
                text.parse().ok().map(|integer: i64| integer.into())
            }
            Kind::Number | Kind::Fraction => {
                let number: Option<f64> = text.parse().ok();
                number
                    .and_then(serde_json::Number::from_f64)
                    .map(Value::Number)
            }
            Kind::Boolean | Kind::True => text.parse().ok().map(Value::Bool),
            Kind::Object(_) | Kind::Open(_) | Kind::Joined(..) | Kind::Map(_) | Kind::OneOf(_) => {
                serde_json::from_str(text).ok()
            }
            _ => Some(text.into()),
        };
        match parsed {
            Some(value) => self.check_value(at, &value, faults),
            None => faults.push(format!("{at}: must be {}, got {text:?}", self.wording())),
        }
    }

    /// Notes what is wrong with a JSON value of this kind; `at` says where it stands.
    pub(super) fn check_value(&self, at: &str, value: &Value, faults: &mut Vec<String>) {
        match (self, value) {
            (Kind::Nullable(_), Value::Null) => {}
            (Kind::Nullable(kind), _) => kind.check_value(at, value, faults),
            (Kind::Expression, Value::String(text)) => {
                if let Some(fault) = expression::fault(text) {
                    faults.push(format!("{at}: {fault}, in {text:?}"));
                }
            }
            (Kind::Encoded(kind), Value::String(text)) => match serde_json::from_str(text) {
                Ok(decoded) => kind.check_value(at, &decoded, faults),
                Err(_) => faults.push(format!("{at}: must be {}, got {value}", self.wording())),
            },
            (Kind::Lines(kind), Value::String(text)) => {
                for (nth, line) in text.lines().enumerate() {
                    let at = format!("{at} line {}", nth + 1);
                    match serde_json::from_str(line) {
                        Ok(decoded) => kind.check_value(&at, &decoded, faults),
                        Err(_) => faults.push(format!("{at}: is not JSON, got {line:?}")),
                    }
                }
            }
            (Kind::List(kind), Value::Array(items)) => {
                check_items(kind, 0, usize::MAX, at, items, faults);
            }
            (Kind::Filled(kind), Value::Array(items)) => {
                check_items(kind, 1, usize::MAX, at, items, faults);
            }
            (Kind::ListOf(min, max, kind), Value::Array(items)) => {
                check_items(kind, *min, *max, at, items, faults);
            }
            (Kind::Object(_) | Kind::Open(_) | Kind::Joined(..), Value::Object(object)) => {
                self.check_fields(at, object, faults);
            }
            (Kind::Map(kind), Value::Object(object)) => {
                for (name, value) in object {
                    kind.check_value(&format!("{at}.{name}"), value, faults);
                }
            }
            (Kind::OneOf(kinds), _) => {
                let told = kinds.iter().map(|kind| {
                    let mut told = Vec::new();
                    kind.check_value(at, value, &mut told);
                    told
                });
                // What is nearest to right says best what is wrong.
                faults.extend(told.min_by_key(Vec::len).unwrap_or_default());
            }
            _ if self.is_plain(value) => {}
            _ => faults.push(format!("{at}: must be {}, got {value}", self.wording())),
        }
    }

    /// Whether a value of this kind has something at each place of which the kind says what it must be: an empty list
    /// proves nothing about its items.
    pub(super) fn is_shown_by(&self, value: &Value) -> bool {
        match (self, value) {
            (Kind::Map(Kind::Any), _) => true,
            (Kind::Nullable(kind), _) => value.is_null() || kind.is_shown_by(value),
            (Kind::OneOf(kinds), _) => kinds.iter().any(|kind| {
                let mut faults = Vec::new();
                kind.check_value("", value, &mut faults);
                faults.is_empty() && kind.is_shown_by(value)
            }),
            (Kind::List(kind) | Kind::Filled(kind), Value::Array(items)) => {
                items.iter().any(|item| kind.is_shown_by(item))
            }
            (Kind::Map(kind), Value::Object(object)) => {
                object.values().any(|value| kind.is_shown_by(value))
            }
            (Kind::Lines(kind), Value::String(text)) => text.lines().any(|line| {
                serde_json::from_str(line).is_ok_and(|value: Value| kind.is_shown_by(&value))
            }),
            (Kind::Object(_) | Kind::Open(_) | Kind::Joined(..), Value::Object(object)) => {
                let mut needed = self.fields().filter(|field| field.is_required);
                needed.all(|field| {
                    let value = object.get(field.name);
                    value.is_some_and(|value| field.kind.is_shown_by(value))
                })
            }
            _ => true,
        }
    }

    /// Whether `value` is of this kind, for kinds that hold no others.
    fn is_plain(&self, value: &Value) -> bool {
        let is_text = |is_right: fn(&str) -> bool| value.as_str().is_some_and(is_right);
        match self {
            Kind::Any => true,
            Kind::Text => value.is_string(),
            Kind::Length(min, max) => {
                let length = value.as_str().map(|text| text.chars().count());
                length.is_some_and(|length| (*min..=*max).contains(&length))
            }
            Kind::Words(words) => value.as_str().is_some_and(|text| words.contains(&text)),
            Kind::Integer => value.is_i64(),
            Kind::Range(min, max) => value
                .as_i64()
                .is_some_and(|integer| (*min..=*max).contains(&integer)),
            Kind::AtLeast(min) => value.as_i64().is_some_and(|integer| integer >= *min),
            Kind::Integers(integers) => value
                .as_i64()
                .is_some_and(|integer| integers.contains(&integer)),
            Kind::Number => value.is_number(),
            Kind::Fraction => value
                .as_f64()
                .is_some_and(|number| (0.0..=1.0).contains(&number)),
            Kind::Boolean => value.is_boolean(),
            Kind::True => *value == Value::Bool(true),
            Kind::Date => is_text(is_date),
            Kind::Time => is_text(|text| text.parse::<Timestamp>().is_ok()),
            Kind::LocalTime => is_text(is_local_time),
            Kind::Uuid => is_text(is_uuid),
            _ => false,
        }
    }

    fn check_fields(&self, at: &str, object: &Map<String, Value>, faults: &mut Vec<String>) {
        for field in self.fields() {
            let at = format!("{at}.{}", field.name);
            match object.get(field.name) {
                Some(value) => field.kind.check_value(&at, value, faults),
                None if field.is_required => faults.push(format!("{at}: missing")),
                None => {}
            }
        }
        if matches!(self, Kind::Open(_)) {
            return;
        }
        for name in object.keys() {
            if !self.fields().any(|field| field.name == name) {
                faults.push(format!("{at}.{name}: unknown"));
            }
        }
    }

    fn wording(&self) -> String {
        match self {
            Kind::Any => "anything".into(),
            Kind::Text => "a string".into(),
            Kind::Length(min, max) => format!("a string of {min} to {max} characters"),
            Kind::Words(words) => format!("one of {}", words.join(", ")),
            Kind::Integer => "an integer".into(),
            Kind::Range(min, max) => format!("an integer from {min} to {max}"),
            Kind::AtLeast(min) => format!("an integer of at least {min}"),
            Kind::Integers(integers) => format!("one of {integers:?}"),
            Kind::Number => "a number".into(),
            Kind::Fraction => "a number from 0 to 1".into(),
            Kind::Boolean => "true or false".into(),
            Kind::True => "true".into(),
            Kind::Date => "a date yyyy-mm-dd".into(),
            Kind::Time => "a time in RFC 3339".into(),
            Kind::LocalTime => "a time yyyy-mm-dd hh:mm:ss".into(),
            Kind::Uuid => "a UUID".into(),
            Kind::Expression => "an expression".into(),
            Kind::Encoded(kind) => format!("a string with JSON: {}", kind.wording()),
            Kind::Lines(_) => "lines of JSON".into(),
            Kind::List(_) | Kind::Filled(_) | Kind::ListOf(..) => "a list".into(),
            Kind::Object(_) | Kind::Open(_) | Kind::Joined(..) | Kind::Map(_) => "an object".into(),
            Kind::Nullable(kind) => format!("{} or null", kind.wording()),
            Kind::OneOf(kinds) => kinds
                .iter()
                .map(Kind::wording)
                .collect::<Vec<_>>()
                .join(" or "),
        }
    }
}

/// `jiff` reads other forms as well, such as `20260131`.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text
            .parse::<Date>()
            .is_ok_and(|date| date.to_string() == text)
}

fn is_local_time(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(date, time)| {
        is_date(date) && time.len() == 8 && time.parse::<jiff::civil::Time>().is_ok()
    })
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn check_items(
    kind: &Kind,
    min: usize,
    max: usize,
    at: &str,
    items: &[Value],
    faults: &mut Vec<String>,
) {
    if items.len() < min && max == usize::MAX {
        faults.push(format!("{at}: must not be empty"));
    } else if !(min..=max).contains(&items.len()) {
        faults.push(format!(
            "{at}: must have {min} to {max} items, has {}",
            items.len()
        ));
    }
    for (nth, item) in items.iter().enumerate() {
        kind.check_value(&format!("{at}[{nth}]"), item, faults);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(kind: Kind, value: Value, expected: &[&str]) {
        let mut faults = Vec::new();
        kind.check_value("x", &value, &mut faults);
        assert_eq!(faults, expected, "for {value}");
    }

    #[track_caller]
    fn check_text(kind: Kind, text: &str, expected: &[&str]) {
        let mut faults = Vec::new();
        kind.check_text("x", text, &mut faults);
        assert_eq!(faults, expected, "for {text}");
    }

    #[test]
    fn a_parameter_of_the_wrong_form_is_told() {
        check_text(Kind::Text, "", &["x: is empty"]);
        check_text(Kind::Integer, "7", &[]);
        check_text(
            Kind::Integer,
            "7.0",
            &["x: must be an integer, got \"7.0\""],
        );
        check_text(
            Kind::Range(0, 1),
            "2",
            &["x: must be an integer from 0 to 1, got 2"],
        );
        check_text(Kind::Number, "NaN", &["x: must be a number, got \"NaN\""]);
        check_text(
            Kind::Boolean,
            "True",
            &["x: must be true or false, got \"True\""],
        );
        check_text(Kind::True, "false", &["x: must be true, got false"]);
        check_text(Kind::Date, "2026-01-31", &[]);
        check_text(
            Kind::Date,
            "2026-02-30",
            &["x: must be a date yyyy-mm-dd, got \"2026-02-30\""],
        );
        check_text(
            Kind::Date,
            "20260131",
            &["x: must be a date yyyy-mm-dd, got \"20260131\""],
        );
        check_text(
            Kind::Words(&["day", "hour"]),
            "days",
            &["x: must be one of day, hour, got \"days\""],
        );
        const NAMES: Kind = Kind::Encoded(&Kind::List(&Kind::Text));
        check_text(NAMES, "[\"Buy\"]", &[]);
        check_text(
            NAMES,
            "Buy",
            &["x: must be a string with JSON: a list, got \"Buy\""],
        );
        check_text(NAMES, "[1]", &["x[0]: must be a string, got 1"]);
        check_text(
            Kind::Uuid,
            "5d2e6c1a-0000-4000-8000-00000000000g",
            &["x: must be a UUID, got \"5d2e6c1a-0000-4000-8000-00000000000g\""],
        );
        check_text(
            Kind::Nullable(&Kind::Integer),
            "a",
            &["x: must be an integer, got \"a\""],
        );
    }

    #[test]
    fn lines_are_told_by_their_number() {
        const EVENTS: Kind = Kind::Lines(&Kind::Object(&[needs("event", Kind::Text)]));
        check_text(EVENTS, "", &[]);
        check_text(EVENTS, "{\"event\": \"a\"}\n{\"event\": \"b\"}\n", &[]);
        check_text(
            EVENTS,
            "{\"event\": 1}\nterminated early\n",
            &[
                "x line 1.event: must be a string, got 1",
                "x line 2: is not JSON, got \"terminated early\"",
            ],
        );
    }

    #[test]
    fn what_is_empty_shows_nothing_of_what_would_be_in_it() {
        const ITEM: Kind = Kind::Object(&[
            needs("names", Kind::List(&Kind::Text)),
            takes("more", Kind::List(&Kind::Text)),
            needs("free", FREE),
        ]);
        for (kind, value, is_shown) in [
            (ITEM, json!({"names": ["a"], "free": {}}), true),
            (ITEM, json!({"names": [], "free": {}}), false),
            (Kind::Map(&ITEM), json!({}), false),
            (Kind::Nullable(&ITEM), json!(null), true),
            (Kind::Lines(&Kind::Integer), json!(""), false),
            (Kind::Lines(&Kind::Integer), json!("1\n"), true),
            (
                Kind::OneOf(&[Kind::List(&Kind::Text), Kind::Integer]),
                json!([]),
                false,
            ),
            (
                Kind::OneOf(&[Kind::List(&Kind::Text), Kind::Integer]),
                json!(1),
                true,
            ),
        ] {
            assert_eq!(kind.is_shown_by(&value), is_shown, "{kind:?} {value}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_form_is_told_with_its_place() {
        const ITEM: Kind =
            Kind::Object(&[needs("id", Kind::Integer), takes("share", Kind::Fraction)]);
        check(Kind::List(&ITEM), json!([{"id": 1, "share": 0.5}]), &[]);
        check(
            Kind::List(&ITEM),
            json!([{"id": "1"}, {"share": 2}, {"id": 1, "ID": 1}]),
            &[
                "x[0].id: must be an integer, got \"1\"",
                "x[1].id: missing",
                "x[1].share: must be a number from 0 to 1, got 2",
                "x[2].ID: unknown",
            ],
        );
        check(
            Kind::ListOf(1, 2, &Kind::Any),
            json!([]),
            &["x: must have 1 to 2 items, has 0"],
        );
        check(
            Kind::Filled(&Kind::Any),
            json!([]),
            &["x: must not be empty"],
        );
        const OPEN: Kind = Kind::Open(&[needs("id", Kind::Any)]);
        check(OPEN, json!({"id": 1, "more": 2}), &[]);
        check(
            Kind::Map(&Kind::Number),
            json!({"a": "1"}),
            &["x.a: must be a number, got \"1\""],
        );
        check(Kind::Nullable(&Kind::Boolean), json!(null), &[]);
        check(
            Kind::Nullable(&Kind::Boolean),
            json!(0),
            &["x: must be true or false, got 0"],
        );
        check(Kind::OneOf(&[Kind::Text, Kind::Integer]), json!(1), &[]);
        check(
            Kind::OneOf(&[Kind::Text, Kind::Integer]),
            json!(1.5),
            &["x: must be a string, got 1.5"],
        );
        check(Kind::Length(2, 3), json!("éé"), &[]);
        check(
            Kind::Length(2, 3),
            json!("é"),
            &["x: must be a string of 2 to 3 characters, got \"é\""],
        );
        check(
            Kind::Integers(&[0, 5]),
            json!(1),
            &["x: must be one of [0, 5], got 1"],
        );
        check(
            Kind::AtLeast(1),
            json!(0),
            &["x: must be an integer of at least 1, got 0"],
        );
        check(Kind::Time, json!("2026-01-31T10:00:00Z"), &[]);
        check(
            Kind::Time,
            json!("2026-01-31"),
            &["x: must be a time in RFC 3339, got \"2026-01-31\""],
        );
        check(Kind::LocalTime, json!("2026-01-31 10:00:00"), &[]);
        check(
            Kind::LocalTime,
            json!("2026-01-31T10:00"),
            &["x: must be a time yyyy-mm-dd hh:mm:ss, got \"2026-01-31T10:00\""],
        );
    }
}
