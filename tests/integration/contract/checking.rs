//! The check of one recorded request: which operation it is, and where it deviates from what is documented.
//! What is documented nowhere in the table's words, but wise, is `practice`'s.

use std::collections::BTreeSet;
use std::slice;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::kind::{Field, Kind};
use super::operation::{self, Api, Auth, CSV, FORM, JSON, NDJSON, Operation};
use super::practice;
use crate::support::RecordedRequest;

/// Lists every deviation of `request` from Mixpanel's contract; none, when it is as it should be.
///
/// The API is told by the base path: none for ingestion, `/api/2.0`, `/api/query` or `/api/app`. No deviation repeats
/// what stands in the `Authorization` header.
pub(crate) fn check(request: &RecordedRequest) -> Vec<String> {
    let (api, path) = locate(&request.path);
    let endpoint = match endpoint(api, path, &request.method) {
        Ok(endpoint) => endpoint,
        Err(fault) => return vec![fault],
    };

    let mut faults = Vec::new();
    let content = content(request, &endpoint, &mut faults);
    let operation = pick(&endpoint, &content);
    let call = Call {
        request,
        operation,
        content,
    };

    for (name, text) in operation.path_values(path).unwrap_or_default() {
        let known = operation::PATH_PARAMETERS
            .iter()
            .find(|(known, _)| *known == name);
        if let Some((_, kind)) = known {
            kind.check_text(&format!("path {name}"), &text, &mut faults);
        }
    }
    // The variants of an endpoint are one endpoint: what one of them takes, none of them refuses.
    let taken: Vec<&Field> = endpoint
        .iter()
        .flat_map(|operation| operation.query)
        .collect();
    check_pairs(
        "query",
        &taken,
        operation.query.iter(),
        &request.query,
        &mut faults,
    );
    check_headers(&call, &mut faults);
    check_credentials(&call, &mut faults);
    check_content(&call, &mut faults);
    practice::check(&call, &mut faults);
    faults
}

/// The operation that a request is for, if one is documented.
pub(super) fn operation_of(request: &RecordedRequest) -> Option<&'static Operation> {
    let (api, path) = locate(&request.path);
    let endpoint = endpoint(api, path, &request.method).ok()?;
    let content = content(request, &endpoint, &mut Vec::new());
    Some(pick(&endpoint, &content))
}

/// A request that has been understood.
pub(super) struct Call<'a> {
    pub(super) request: &'a RecordedRequest,
    pub(super) operation: &'static Operation,
    pub(super) content: Content,
}

/// A body, read according to its content type.
pub(super) enum Content {
    Empty,
    /// Also JSON lines, as a list.
    Json(Value),
    Form(Vec<(String, String)>),
    Csv,
    /// What could not be read; the fault is noted.
    Unreadable,
}

impl Content {
    /// The updates or events in the body, one a list item; also from a form's `data`.
    pub(super) fn items(&self) -> Vec<Value> {
        let value = match self {
            Content::Json(value) => value.clone(),
            Content::Form(pairs) => {
                let data = pairs.iter().find(|(name, _)| name == "data");
                data.and_then(|(_, text)| serde_json::from_str(text).ok())
                    .unwrap_or_default()
            }
            Content::Empty | Content::Csv | Content::Unreadable => Value::Null,
        };
        match value {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            value => vec![value],
        }
    }

    /// The form's field of this name.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let Content::Form(pairs) = self else {
            return None;
        };
        pairs
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The API whose base path begins `path`, and the rest.
fn locate(path: &str) -> (Api, &str) {
    let found = Api::ALL.into_iter().find_map(|api| {
        let rest = path.strip_prefix(api.base_path())?;
        rest.starts_with('/').then_some((api, rest))
    });
    found.unwrap_or((Api::Ingestion, path))
}

/// The operations with this path and method.
fn endpoint(api: Api, path: &str, method: &str) -> Result<Vec<&'static Operation>, String> {
    let mut at_path: Vec<(&Operation, usize)> = operation::all()
        .filter(|operation| operation.api == api)
        .filter_map(|operation| Some((operation, operation.path_values(path)?.len())))
        .collect();
    // A word in a template is nearer than a parameter: `annotations/tags` is no annotation's id.
    let fewest = at_path.iter().map(|(_, parameters)| *parameters).min();
    at_path.retain(|(_, parameters)| Some(*parameters) == fewest);
    if at_path.is_empty() {
        return Err(format!("path {path}: unknown in {api:?}"));
    }
    at_path.retain(|(operation, _)| operation.method == method);
    if at_path.is_empty() {
        return Err(format!("method {method}: unknown for {path} in {api:?}"));
    }
    Ok(at_path
        .into_iter()
        .map(|(operation, _)| operation)
        .collect())
}

fn content(
    request: &RecordedRequest,
    endpoint: &[&Operation],
    faults: &mut Vec<String>,
) -> Content {
    let bodies = endpoint.iter().filter_map(|operation| operation.body);
    let media: BTreeSet<&str> = bodies
        .flat_map(|body| body.media.iter().map(|(media, _)| *media))
        .collect();
    let known = || media.iter().copied().collect::<Vec<_>>().join(", ");
    if request.body.is_empty() {
        return Content::Empty;
    }
    if media.is_empty() {
        faults.push("body: none belongs here".into());
        return Content::Unreadable;
    }
    let Some(content_type) = request.header("content-type") else {
        faults.push(format!("content type: missing, must be one of {}", known()));
        return Content::Unreadable;
    };
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media.contains(&content_type) {
        faults.push(format!(
            "content type: must be one of {}, got {content_type}",
            known()
        ));
        return Content::Unreadable;
    }
    let Ok(text) = std::str::from_utf8(&request.body) else {
        faults.push("body: is not UTF-8".into());
        return Content::Unreadable;
    };
    let json = match content_type {
        FORM => return Content::Form(request.form()),
        CSV => return Content::Csv,
        NDJSON => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            lines
                .map(serde_json::from_str)
                .collect::<Result<Vec<Value>, _>>()
                .map(Value::Array)
        }
        _ => serde_json::from_str(text),
    };
    json.map_or_else(
        |error| {
            faults.push(format!("body: is not {content_type}: {error}"));
            Content::Unreadable
        },
        Content::Json,
    )
}

/// Of the variants of an endpoint, the one that all items of the body are for; else the one for any.
fn pick(endpoint: &[&'static Operation], content: &Content) -> &'static Operation {
    let items = content.items();
    let is_for = |item: &Value, name: &str| item.get(name).is_some() || item["event"] == name;
    let picked = endpoint.iter().find(|operation| {
        let name = operation.picked_by;
        name.is_some_and(|name| !items.is_empty() && items.iter().all(|item| is_for(item, name)))
    });
    let general = endpoint
        .iter()
        .find(|operation| operation.picked_by.is_none());
    picked.or(general).copied().unwrap_or(endpoint[0])
}

/// Checks the names and values of a query or a form: `taken` may be there, `wanted` must where it says so.
fn check_pairs<'a>(
    place: &str,
    taken: &[&Field],
    wanted: impl Iterator<Item = &'a Field>,
    pairs: &[(String, String)],
    faults: &mut Vec<String>,
) {
    for field in wanted.filter(|field| field.is_required) {
        if !pairs.iter().any(|(name, _)| name == field.name) {
            faults.push(format!("{place} {}: missing", field.name));
        }
    }
    for (nth, (name, text)) in pairs.iter().enumerate() {
        let Some(field) = taken.iter().find(|field| field.name == name) else {
            faults.push(format!("{place} {name}: unknown"));
            continue;
        };
        let is_repeated = pairs[..nth].iter().any(|(earlier, _)| earlier == name);
        if is_repeated && !matches!(field.kind, Kind::List(_)) {
            faults.push(format!("{place} {name}: occurs more than once"));
        }
        field
            .kind
            .check_text(&format!("{place} {name}"), text, faults);
    }
}

fn check_headers(call: &Call<'_>, faults: &mut Vec<String>) {
    for field in call.operation.headers {
        if let Some(text) = call.request.header(field.name) {
            field
                .kind
                .check_text(&format!("header {}", field.name), text, faults);
        }
    }
    let zips = call
        .operation
        .headers
        .iter()
        .any(|field| field.name == "Content-Encoding");
    if !zips && call.request.header("content-encoding").is_some() {
        faults.push("header Content-Encoding: is not taken here".into());
    }
}

fn check_credentials(call: &Call<'_>, faults: &mut Vec<String>) {
    let expected = call.operation.auth;
    let Some(header) = call.request.header("authorization") else {
        if !expected.is_empty() {
            faults.push(format!(
                "authorization: missing, must be one of {expected:?}"
            ));
        }
        return;
    };
    if expected.is_empty() {
        faults.push(
            "authorization: none belongs here, the project's token stands in the body".into(),
        );
        return;
    }
    let Some(auth) = kind_of_credentials(header) else {
        faults.push("authorization: is neither Basic with a name and a secret, nor Bearer".into());
        return;
    };
    if !expected.contains(&auth) {
        faults.push(format!(
            "authorization: must be one of {expected:?}, is {auth:?}"
        ));
    }
    let takes_project = call
        .operation
        .query
        .iter()
        .any(|field| field.name == "project_id" && !field.is_required);
    if auth == Auth::ServiceAccount && takes_project && call.request.param("project_id").is_none() {
        faults.push("query project_id: missing, needed with a service account".into());
    }
}

fn kind_of_credentials(header: &str) -> Option<Auth> {
    let (scheme, credentials) = header.split_once(' ')?;
    if scheme == "Bearer" && !credentials.trim().is_empty() {
        return Some(Auth::OAuthToken);
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (name, secret) = decoded.split_once(':')?;
    match (scheme, name.is_empty(), secret.is_empty()) {
        ("Basic", false, false) => Some(Auth::ServiceAccount),
        ("Basic", false, true) => Some(Auth::ProjectSecret),
        _ => None,
    }
}

fn check_content(call: &Call<'_>, faults: &mut Vec<String>) {
    let Some(body) = call.operation.body else {
        return;
    };
    let must_be_there = body.is_required
        || body
            .media
            .iter()
            .any(|(_, kind)| kind.has_required_fields());
    if must_be_there && matches!(call.content, Content::Empty) {
        faults.push("body: missing".into());
    }
    for (media, kind) in body.media {
        match (&call.content, *media) {
            // JSON lines too: they are a list of what the JSON is a list of.
            (Content::Json(value), JSON) => kind.check_value("body", value, faults),
            (Content::Form(pairs), FORM) => {
                let forms = match kind {
                    Kind::OneOf(forms) => forms,
                    form => slice::from_ref(form),
                };
                let told = forms.iter().map(|form| form_faults(form, pairs));
                // What is nearest to right says best what is wrong.
                faults.extend(told.min_by_key(Vec::len).unwrap_or_default());
            }
            _ => {}
        }
    }
}

fn form_faults(kind: &Kind, pairs: &[(String, String)]) -> Vec<String> {
    let fields: Vec<&Field> = kind.fields().collect();
    let mut faults = Vec::new();
    check_pairs("form", &fields, kind.fields(), pairs, &mut faults);
    faults
}
