//! Events that come in: `/import` with its strict checks, `/track` with its silence.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

use super::access::{self, Role};
use super::fault::{Fault, reason};
use super::http::{Request, Response};
use super::identity;
use super::projects::{Facts, facts_of_token};
use super::record::{Checked, Invalid, check, invalid, moment, named};
use super::store::Store;
use super::time::DAY_MS;

/// Events, or updates of profiles, in one request.
pub(super) const RECORDS_MAX: usize = 2_000;
const IMPORT_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Older events are dropped by `/track`.
const TRACK_AGE_MAX_MS: i64 = 5 * DAY_MS;

/// `POST /import`
pub(super) fn import(store: &Store, request: &Request) -> Result<Response, Fault> {
    let facts = import_project(request)?;
    let text = body_text(request)?;
    let records = import_records(request, &text)?;
    let is_strict = request.parameter("strict") == Some("1");

    let mut project = store
        .write(facts)
        .ok_or_else(|| Fault::new(404, "no such project"))?;
    if !project.has_room(records.len(), text.len()) {
        return Err(Fault::new(
            429,
            "Project exceeded rate limits. No more events are held in memory.",
        ));
    }
    let count = records.len();
    let bytes_each = text.len() / count.max(1);
    let mut failed = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        let taken = if identity::is_merge(&record) {
            identity::merge(&mut project, &record)
        } else {
            check(&record, request.received_ms).map(|checked| {
                let event = checked.into_event(&mut project, request.received_ms, true);
                project.insert(event, bytes_each);
            })
        };
        match taken {
            Ok(()) => {}
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
    if let Some(facts) = access::project_of_token(request)
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

/// The body as text, unpacked.
pub(super) fn body_text(request: &Request) -> Result<String, Fault> {
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
            .map(|line| serde_json::from_slice(line.as_bytes()))
            .collect::<Result<_, _>>()
            .map_err(invalid)?
    } else {
        serde_json::from_slice(text.as_bytes()).map_err(invalid)?
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

/// The records of a body as the SDKs send it: JSON, or a form whose `data` is JSON, plain or in base64.
pub(super) fn loose_records(request: &Request) -> Result<Vec<Value>, String> {
    use base64::Engine;
    let invalid = || "data, missing or invalid JSON".to_owned();
    if request.is_too_large {
        return Err("request too large".into());
    }
    let value: Value = match request.parameter("data") {
        Some(data) => serde_json::from_slice(data.as_bytes()).or_else(|_| {
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
            Err(Refused::Full) => return Err(Fault::new(429, "no more events are held in memory")),
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
    let Some(facts) = facts_of_token(token) else {
        return Ok(());
    };
    if time_ms < request.received_ms - TRACK_AGE_MAX_MS {
        return Ok(());
    }
    let Some(mut project) = store.write(facts) else {
        return Ok(());
    };
    if let Some(joined) = identity::tracked(&mut project, name, properties) {
        return joined.map_err(Refused::Invalid);
    }
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
    use std::io::Write;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::sandbox::projects::{PROJECT_ID, PROJECT_TOKEN, facts};
    use crate::sandbox::sample::{self, NOW_MS};

    fn event(name: &str) -> Value {
        let properties = json!({"time": NOW_MS / 1_000, "distinct_id": "ann", "$insert_id": "a", "token": PROJECT_TOKEN});
        json!({"event": name, "properties": properties})
    }

    fn request(url: &str, user: &str, body: &[u8]) -> Request {
        let mut request = Request {
            url: url.into(),
            authorization: Some(format!("Basic {}", STANDARD.encode(user))),
            body: body.to_vec(),
            received_ms: NOW_MS,
            ..Request::default()
        };
        request.read_parameters();
        request
    }

    /// How many events of that name the shop has.
    fn count(store: &Store, name: &str) -> usize {
        let project = store.read(facts(PROJECT_ID).unwrap()).unwrap();
        let symbol = project.symbol(name);
        project
            .events()
            .filter(|event| Some(event.name) == symbol)
            .count()
    }

    #[test]
    fn an_import_may_be_compressed_and_come_with_the_token_alone() {
        let store = Store::new(NOW_MS);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder
            .write_all(json!([event("Packed")]).to_string().as_bytes())
            .unwrap();
        let packed = encoder.finish().unwrap();
        let mut request = request("/import?strict=1", &format!("{PROJECT_TOKEN}:"), &packed);
        request.content_encoding = "gzip".into();
        let answer = sample::json(import(&store, &request));
        assert_eq!(
            answer,
            json!({"code": 200, "num_records_imported": 1, "status": "OK"})
        );
        assert_eq!(count(&store, "Packed"), 1);

        request.body.truncate(10);
        let fault = import(&store, &request).err();
        assert_eq!(fault, Some(Fault::bad_request("the body is not gzip")));
    }

    #[test]
    fn a_bomb_of_zeros_is_too_large() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder
            .write_all(&vec![b' '; IMPORT_BYTES_MAX + 1])
            .unwrap();
        let packed = encoder.finish().unwrap();
        let mut request = request("/import?project_id=12345", "sandbox:sandbox", &packed);
        request.content_encoding = "gzip".into();
        let fault = import(&Store::new(NOW_MS), &request).err();
        assert_eq!(fault.map(|fault| fault.status), Some(413));
    }

    #[test]
    fn a_batch_has_a_limit() {
        let store = Store::new(NOW_MS);
        let ask = |events: usize| {
            let body = json!(vec![event("Many"); events]).to_string();
            let url = "/import?strict=1&project_id=12345";
            import(&store, &request(url, "sandbox:sandbox", body.as_bytes()))
                .map(|answer| answer.status)
        };
        assert_eq!(ask(RECORDS_MAX), Ok(200));
        assert_eq!(ask(RECORDS_MAX + 1).map_err(|fault| fault.status), Err(413));
        // All were the same event.
        assert_eq!(count(&store, "Many"), 1);
    }

    #[test]
    fn tracking_takes_json_and_forms_plain_and_in_base64() {
        let store = Store::new(NOW_MS);
        let body = event("Loose").to_string();
        let single = request("/track", "", body.as_bytes());
        let mut form = request("/track", "", b"");
        form.parameters = vec![("data".into(), json!([event("Form")]).to_string())];
        let mut encoded = request("/track", "", b"");
        encoded.parameters = vec![("data".into(), STANDARD.encode(event("Encoded").to_string()))];
        for request in [single, form, encoded] {
            assert_eq!(sample::text(track(&store, &request)), "1");
        }
        for name in ["Loose", "Form", "Encoded"] {
            assert_eq!(count(&store, name), 1, "{name}");
        }
        assert_eq!(
            sample::text(track(&store, &request("/track", "", b"nonsense"))),
            "0"
        );
    }

    #[test]
    fn tracking_drops_old_events_without_a_word() {
        let store = Store::new(NOW_MS);
        let mut old = event("Old");
        old["properties"]["time"] = json!((NOW_MS - TRACK_AGE_MAX_MS) / 1_000 - 1);
        let request = request("/track?verbose=1", "", old.to_string().as_bytes());
        assert_eq!(
            sample::json(track(&store, &request)),
            json!({"status": 1, "error": ""})
        );
        assert_eq!(count(&store, "Old"), 0);
    }

    #[test]
    fn one_good_event_is_enough_and_the_fault_is_told() {
        let store = Store::new(NOW_MS);
        let body = json!([{"event": ""}, event("Good")]).to_string();
        let request = request("/track?verbose=1", "", body.as_bytes());
        let expected =
            json!({"status": 1, "error": "'event' is invalid: must be a non-empty string"});
        assert_eq!(sample::json(track(&store, &request)), expected);
        assert_eq!(count(&store, "Good"), 1);
    }
}
