//! What makes a record an event: the rules of `/import`, and those that `/track` shares.

use serde_json::{Map, Value, json};

use super::event::Event;
use super::store::Project;
use super::time::{DAY_MS, HOUR_MS};

const EVENT_BYTES_MAX: usize = 1024 * 1024;
const PROPERTIES_MAX: usize = 255;
const DEPTH_MAX: usize = 3;
const STRING_CHARACTERS_MAX: usize = 255;
const INSERT_ID_BYTES_MAX: usize = 36;
/// 1971-01-01, in milliseconds.
const EARLIEST_MS: i64 = 365 * DAY_MS;
/// Times below are seconds, above milliseconds: as seconds it would be the year 5138.
const SECONDS_BELOW: i64 = 100_000_000_000;
/// Ids that so many clients send by mistake that Mixpanel refuses them.
const DISALLOWED_IDS: &[&str] = &[
    "00000000-0000-0000-0000-000000000000",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "<nil>",
    "0",
    "-1",
    "true",
    "false",
    "[]",
    "{}",
];

/// Whether an id is one that no user can have.
pub(super) fn is_disallowed(id: &str) -> bool {
    DISALLOWED_IDS.contains(&id)
}

/// Why a record is not an event.
#[derive(Debug, PartialEq)]
pub(super) struct Invalid {
    pub(super) field: String,
    pub(super) message: String,
}

pub(super) fn invalid(field: &str, why: &str) -> Invalid {
    Invalid {
        field: field.to_owned(),
        message: format!("'{field}' is invalid: {why}"),
    }
}

/// A record that is an event.
pub(super) struct Checked<'r> {
    pub(super) name: &'r str,
    pub(super) properties: &'r Map<String, Value>,
    pub(super) time_ms: i64,
    pub(super) user: String,
    pub(super) insert_id: String,
}

impl Checked<'_> {
    pub(super) fn into_event(
        self,
        project: &mut Project,
        received_ms: i64,
        is_import: bool,
    ) -> Event {
        const OWN_FIELDS: &[&str] = &["time", "distinct_id", "$insert_id", "token"];
        let mut properties: Vec<_> = self
            .properties
            .iter()
            .filter(|(name, _)| !OWN_FIELDS.contains(&name.as_str()))
            .map(|(name, value)| (project.intern(name), project.pack(&shortened(value))))
            .collect();
        if is_import {
            let mark = project.pack(&json!(true));
            properties.push((project.intern("$import"), mark));
        }
        Event {
            name: project.intern(self.name),
            user: project.intern_user(&self.user),
            time_ms: self.time_ms,
            received_ms,
            insert_id: self.insert_id.into(),
            properties: properties.into(),
        }
    }
}

/// Strings are cut; the rest stays.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) => text
            .chars()
            .take(STRING_CHARACTERS_MAX)
            .collect::<String>()
            .into(),
        Value::Array(items) => items.iter().map(shortened).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), shortened(value)))
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The checks that tracked and imported events have in common.
pub(super) fn named(record: &Value) -> Result<(&str, &Map<String, Value>), Invalid> {
    let name = match record.get("event") {
        Some(Value::String(name)) if !name.trim().is_empty() => name,
        Some(_) => return Err(invalid("event", "must be a non-empty string")),
        None => return Err(invalid("event", "must not be missing")),
    };
    let properties = match record.get("properties") {
        Some(Value::Object(properties)) => properties,
        Some(_) => return Err(invalid("properties", "must be an object")),
        None => return Err(invalid("properties", "must not be missing")),
    };
    if properties.len() >= PROPERTIES_MAX {
        return Err(invalid("properties", "must have fewer than 255 properties"));
    }
    if record.to_string().len() >= EVENT_BYTES_MAX {
        return Err(invalid("event", "must be smaller than 1 MB"));
    }
    for (name, value) in properties {
        nested(value, &format!("properties.{name}"), 0)?;
    }
    Ok((name, properties))
}

fn nested(value: &Value, field: &str, depth: usize) -> Result<(), Invalid> {
    match value {
        Value::Array(_) | Value::Object(_) if depth == DEPTH_MAX => {
            Err(invalid(field, "must not nest deeper than 3 levels"))
        }
        Value::Array(items) if items.len() >= PROPERTIES_MAX => {
            Err(invalid(field, "must have fewer than 255 elements"))
        }
        Value::Object(fields) if fields.len() >= PROPERTIES_MAX => {
            Err(invalid(field, "must have fewer than 255 keys"))
        }
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| nested(item, field, depth + 1)),
        Value::Object(fields) => fields
            .values()
            .try_for_each(|item| nested(item, field, depth + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// The moment of an event; none if it cannot be one.
pub(super) fn moment(value: &Value) -> Option<i64> {
    let number = value.as_i64().or_else(|| {
        // Some clients send seconds with a fraction.
        let number = value.as_f64()?;
        (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
    })?;
    if number.abs() < SECONDS_BELOW {
        number.checked_mul(1_000)
    } else {
        Some(number)
    }
}

/// The rules of `/import`.
pub(super) fn check(record: &Value, now_ms: i64) -> Result<Checked<'_>, Invalid> {
    let (name, properties) = named(record)?;
    let time_ms = match properties.get("time") {
        None => return Err(invalid("properties.time", "must not be missing")),
        Some(value) => moment(value).ok_or_else(|| {
            invalid(
                "properties.time",
                "must be specified as seconds since epoch",
            )
        })?,
    };
    if time_ms < EARLIEST_MS {
        return Err(invalid("properties.time", "must be after 1971-01-01"));
    }
    if time_ms > now_ms + HOUR_MS {
        return Err(invalid(
            "properties.time",
            "must not be more than an hour in the future",
        ));
    }
    let user = match properties.get("distinct_id") {
        None => return Err(invalid("properties.distinct_id", "must not be missing")),
        Some(Value::String(user)) => user,
        Some(_) => return Err(invalid("properties.distinct_id", "must be a string")),
    };
    if is_disallowed(user) {
        return Err(invalid(
            "properties.distinct_id",
            "is on the list of disallowed values",
        ));
    }
    let insert_id = match properties.get("$insert_id") {
        None => return Err(invalid("properties.$insert_id", "must not be missing")),
        Some(Value::String(insert_id)) => insert_id,
        Some(_) => return Err(invalid("properties.$insert_id", "must be a string")),
    };
    let is_shaped = (1..=INSERT_ID_BYTES_MAX).contains(&insert_id.len())
        && insert_id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_shaped {
        let why = "must be 1 to 36 bytes of alphanumeric characters or \"-\"";
        return Err(invalid("properties.$insert_id", why));
    }
    if DISALLOWED_IDS.contains(&insert_id.as_str()) {
        return Err(invalid(
            "properties.$insert_id",
            "is on the list of disallowed values",
        ));
    }
    Ok(Checked {
        name,
        properties,
        time_ms: time_ms.min(now_ms),
        user: user.clone(),
        insert_id: insert_id.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn record(change: impl FnOnce(&mut Map<String, Value>)) -> Value {
        let mut properties = Map::new();
        properties.insert("time".into(), json!(NOW / 1_000));
        properties.insert("distinct_id".into(), json!("ann"));
        properties.insert(
            "$insert_id".into(),
            json!("13c0b661-f48b-51cd-ba54-97c5999169c0"),
        );
        change(&mut properties);
        json!({"event": "Buy", "properties": properties})
    }

    #[track_caller]
    fn refuses(name: &str, value: Value, field: &str) {
        let record = record(|properties| drop(properties.insert(name.into(), value)));
        assert_eq!(
            check(&record, NOW)
                .err()
                .map(|invalid| invalid.field)
                .as_deref(),
            Some(field)
        );
    }

    #[track_caller]
    fn takes(name: &str, value: Value, time_ms: i64) {
        let record = record(|properties| drop(properties.insert(name.into(), value)));
        assert_eq!(
            check(&record, NOW).map(|checked| checked.time_ms),
            Ok(time_ms)
        );
    }

    #[test]
    fn times_are_seconds_or_milliseconds_of_the_past() {
        takes("time", json!(1_600_000_000), 1_600_000_000_000);
        takes("time", json!(1_600_000_000_123_i64), 1_600_000_000_123);
        takes("time", json!(NOW / 1_000 + 3_000), NOW);
        refuses("time", json!(NOW / 1_000 + 3_601), "properties.time");
        refuses("time", json!(31_535_999), "properties.time");
        refuses("time", json!("2026-01-01"), "properties.time");
    }

    #[test]
    fn ids_that_mean_nothing_are_refused_as_written() {
        for id in DISALLOWED_IDS {
            refuses("distinct_id", json!(id), "properties.distinct_id");
        }
        takes("distinct_id", json!(""), NOW);
        takes("distinct_id", json!("Anonymous"), NOW);
        refuses("distinct_id", json!(7), "properties.distinct_id");
    }

    #[test]
    fn insert_ids_have_a_form() {
        takes("$insert_id", json!("a-1"), NOW);
        for id in ["", "a_b", "none", "0123456789012345678901234567890123456"] {
            refuses("$insert_id", json!(id), "properties.$insert_id");
        }
    }

    #[test]
    fn properties_have_limits() {
        takes("deep", json!({"a": {"b": [1]}}), NOW);
        refuses("deep", json!({"a": {"b": [[1]]}}), "properties.deep");
        refuses("long", json!(vec![1; 255]), "properties.long");
        takes("long", json!(vec![1; 254]), NOW);
        refuses("large", json!("x".repeat(EVENT_BYTES_MAX)), "event");
    }

    #[test]
    fn what_is_missing_is_named() {
        for name in ["time", "distinct_id", "$insert_id"] {
            let record = record(|properties| drop(properties.remove(name)));
            let expected = format!("properties.{name}");
            assert_eq!(
                check(&record, NOW).err().map(|invalid| invalid.field),
                Some(expected)
            );
        }
        assert_eq!(
            check(&json!({}), NOW)
                .err()
                .map(|invalid| invalid.field)
                .as_deref(),
            Some("event")
        );
    }
}
