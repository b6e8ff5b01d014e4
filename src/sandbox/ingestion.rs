//! Events that come in: `/import` with its strict checks, `/track` with its silence.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value, json};

use super::access::{self, Role};
use super::fault::{Fault, reason};
use super::http::{Request, Response};
use super::store::{self, Event, Facts, Store};
use super::time::{DAY_MS, HOUR_MS};

/// Events, or updates of profiles, in one request.
pub(super) const RECORDS_MAX: usize = 2_000;
const IMPORT_BYTES_MAX: usize = 10 * 1024 * 1024;
const EVENT_BYTES_MAX: usize = 1024 * 1024;
const PROPERTIES_MAX: usize = 255;
const DEPTH_MAX: usize = 3;
const STRING_CHARACTERS_MAX: usize = 255;
const INSERT_ID_BYTES_MAX: usize = 36;
/// 1971-01-01, in milliseconds.
const EARLIEST_MS: i64 = 365 * DAY_MS;
/// Times below are seconds, above milliseconds: as seconds it would be the year 5138.
const SECONDS_BELOW: i64 = 100_000_000_000;
/// Older events are dropped by `/track`.
const TRACK_AGE_MAX_MS: i64 = 5 * DAY_MS;

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

/// `POST /import`
pub(super) fn import(store: &Store, request: &Request) -> Result<Response, Fault> {
    let facts = import_project(request)?;
    let text = import_text(request)?;
    let records = import_records(request, &text)?;
    let is_strict = request.parameter("strict") == Some("1");

    let mut project = store
        .write(facts)
        .ok_or_else(|| Fault::new(404, "no such project"))?;
    if !project.has_room(records.len(), text.len()) {
        return Err(Fault::new(
            429,
            "Project exceeded rate limits. The sandbox holds a limited number of events and is full.",
        ));
    }
    let count = records.len();
    let bytes_each = text.len() / count.max(1);
    let mut failed = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        match check(&record, request.received_ms) {
            Ok(checked) => {
                let event = checked.into_event(&mut project, request.received_ms, true);
                project.insert(event, bytes_each);
            }
            Err(Invalid { field, message }) => {
                let insert_id = record
                    .pointer("/properties/$insert_id")
                    .and_then(Value::as_str);
                failed.push(json!({
                    "index": index,
                    "insert_id": insert_id.unwrap_or_default(),
                    "field": field,
                    "message": message,
                }));
            }
        }
    }
    if !is_strict || failed.is_empty() {
        // Without strict=1 nobody learns of what was dropped.
        let answer = json!({"code": 200, "num_records_imported": count, "status": reason(200)});
        return Ok(Response::json(200, &answer));
    }
    let answer = json!({
        "code": 400,
        "error": "some data points in the request failed validation",
        "failed_records": failed,
        "num_records_imported": count - failed.len(),
        "status": reason(400),
    });
    Ok(Response::json(400, &answer))
}

/// A service account with `project_id`, or a project token as the user.
fn import_project(request: &Request) -> Result<&'static Facts, Fault> {
    if let Some((user, secret)) = access::basic(request)
        && secret.is_empty()
        && let Some(facts) = store::facts_of_token(&user)
        && request.parameter("project_id").is_none()
    {
        return Ok(facts);
    }
    let account = access::account(request)?;
    let facts = access::project(request)?;
    match account.role {
        Role::Admin => Ok(facts),
        Role::Viewer => Err(Fault::forbidden(
            "The service account must be an owner or admin of the project",
        )),
    }
}

fn import_text(request: &Request) -> Result<String, Fault> {
    let too_large = || {
        Fault::new(
            413,
            format!("request exceeds max limit of {IMPORT_BYTES_MAX} bytes"),
        )
    };
    let mut bytes = Vec::new();
    if request.is_too_large {
        return Err(too_large());
    }
    match request.content_encoding.as_str() {
        "" | "identity" => bytes.clone_from(&request.body),
        "gzip" => {
            MultiGzDecoder::new(request.body.as_slice())
                .take(IMPORT_BYTES_MAX as u64 + 1)
                .read_to_end(&mut bytes)
                .map_err(|_| Fault::bad_request("the body is not gzip"))?;
        }
        other => {
            return Err(Fault::bad_request(format!(
                "unsupported Content-Encoding: {other}"
            )));
        }
    }
    if bytes.len() > IMPORT_BYTES_MAX {
        return Err(too_large());
    }
    String::from_utf8(bytes).map_err(|_| Fault::bad_request("the body is not UTF-8"))
}

fn import_records(request: &Request, text: &str) -> Result<Vec<Value>, Fault> {
    let invalid = |error: serde_json::Error| {
        Fault::bad_request(format!("the body is not valid JSON: {error}"))
    };
    let records: Vec<Value> = if request.content_type == "application/x-ndjson" {
        text.lines()
            .filter(|line| !line.trim().is_empty())
            .take(RECORDS_MAX + 1)
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .map_err(invalid)?
    } else {
        serde_json::from_str(text).map_err(invalid)?
    };
    match records.len() {
        0 => Err(Fault::bad_request("no events in the body")),
        1..=RECORDS_MAX => Ok(records),
        _ => Err(Fault::new(
            413,
            format!("request exceeds max limit of {RECORDS_MAX} events"),
        )),
    }
}

/// Why a record is not an event.
#[derive(Debug, PartialEq)]
struct Invalid {
    field: String,
    message: String,
}

fn invalid(field: &str, why: &str) -> Invalid {
    Invalid {
        field: field.to_owned(),
        message: format!("'{field}' is invalid: {why}"),
    }
}

/// A record that is an event.
struct Checked<'r> {
    name: &'r str,
    properties: &'r Map<String, Value>,
    time_ms: i64,
    user: String,
    insert_id: String,
}

impl Checked<'_> {
    fn into_event(self, project: &mut store::Project, received_ms: i64, is_import: bool) -> Event {
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
            user: project.intern(&self.user),
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
fn named(record: &Value) -> Result<(&str, &Map<String, Value>), Invalid> {
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
fn moment(value: &Value) -> Option<i64> {
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
fn check(record: &Value, now_ms: i64) -> Result<Checked<'_>, Invalid> {
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
    if DISALLOWED_IDS.contains(&user.as_str()) {
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

/// The records of a body as the SDKs send it: JSON, or a form whose `data` is JSON, plain or in base64.
pub(super) fn loose_records(request: &Request) -> Result<Vec<Value>, String> {
    use base64::Engine;
    let invalid = || "data, missing or invalid JSON".to_owned();
    if request.is_too_large {
        return Err("request too large".into());
    }
    let value: Value = match request.parameter("data") {
        Some(data) => serde_json::from_str(data).or_else(|_| {
            let decoded = base64::engine::general_purpose::STANDARD.decode(data.replace(' ', "+"));
            decoded
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                .ok_or_else(invalid)
        })?,
        None => serde_json::from_slice(&request.body).map_err(|_| invalid())?,
    };
    let records = match value {
        Value::Array(records) => records,
        value @ Value::Object(_) => vec![value],
        _ => return Err(invalid()),
    };
    match records.len() {
        0 => Err(invalid()),
        1..=RECORDS_MAX => Ok(records),
        _ => Err(format!("more than {RECORDS_MAX} records in one request")),
    }
}

/// `1` or `0`, or as JSON when asked to be verbose. The HTTP status is 200 all the same.
pub(super) fn loose_answer(request: &Request, is_taken: bool, error: &str) -> Response {
    let status = u8::from(is_taken);
    if request.parameter("verbose") == Some("1") {
        return Response::json(200, &json!({"error": error, "status": status}));
    }
    Response::text(200, status.to_string())
}

/// `POST /track`
pub(super) fn track(store: &Store, request: &Request) -> Result<Response, Fault> {
    let records = match loose_records(request) {
        Ok(records) => records,
        Err(error) => return Ok(loose_answer(request, false, &error)),
    };
    let mut first_error = String::new();
    let mut valid = 0;
    for record in &records {
        match track_one(store, request, record) {
            Ok(()) => valid += 1,
            Err(Refused::Full) => return Err(Fault::new(429, "the sandbox is full")),
            Err(Refused::Invalid(error)) if first_error.is_empty() => first_error = error.message,
            Err(Refused::Invalid(_)) => {}
        }
    }
    Ok(loose_answer(request, valid > 0, &first_error))
}

enum Refused {
    Invalid(Invalid),
    Full,
}

/// Takes one event; silently drops it if nobody would ever see it.
fn track_one(store: &Store, request: &Request, record: &Value) -> Result<(), Refused> {
    let (name, properties) = named(record).map_err(Refused::Invalid)?;
    let Some(token) = properties
        .get("token")
        .and_then(Value::as_str)
        .filter(|token| !token.is_empty())
    else {
        return Err(Refused::Invalid(invalid(
            "properties.token",
            "must not be missing or empty",
        )));
    };
    let time_ms = match properties.get("time") {
        None => request.received_ms,
        Some(value) => moment(value).ok_or_else(|| {
            Refused::Invalid(invalid(
                "properties.time",
                "must be specified as seconds since epoch",
            ))
        })?,
    };
    // "1" proves neither a valid token nor a recent event: both are dropped without a word.
    let Some(facts) = store::facts_of_token(token) else {
        return Ok(());
    };
    if time_ms < request.received_ms - TRACK_AGE_MAX_MS {
        return Ok(());
    }
    let Some(mut project) = store.write(facts) else {
        return Ok(());
    };
    let bytes = record.to_string().len();
    if !project.has_room(1, bytes) {
        return Err(Refused::Full);
    }
    let text = |name: &str| match properties.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value @ Value::Number(_)) => value.to_string(),
        _ => String::new(),
    };
    let mut insert_id = text("$insert_id");
    if insert_id.is_empty() {
        insert_id = format!("sandbox-{:016x}", project.received());
    }
    let checked = Checked {
        name,
        properties,
        time_ms: time_ms.min(request.received_ms),
        user: text("distinct_id"),
        insert_id,
    };
    let event = checked.into_event(&mut project, request.received_ms, false);
    project.insert(event, bytes);
    Ok(())
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
