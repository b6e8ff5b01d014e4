//! Which revision a message belongs to. The body decides first, then the header, then the session.

use serde_json::{Map, Value, json};

use super::headers::Headers;
use super::jsonrpc::{self, Fault};
use super::revision::Revision;

/// The envelope's key that makes a request one of the stateless era, whatever its value.
pub(super) const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
pub(super) const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
pub(super) const LOG_LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";

/// The header that names a revision.
pub(super) const VERSION_HEADER: &str = "mcp-protocol-version";

/// Whether a request says of itself that it is of the stateless era.
pub(super) fn has_envelope(params: &Map<String, Value>) -> bool {
    envelope(params).is_some_and(|meta| meta.contains_key(VERSION_KEY))
}

/// What the header alone says.
pub(super) enum HeaderRevision {
    /// Nothing.
    Absent,
    /// A revision with a handshake.
    Legacy(Revision),
    /// The stateless one, or a later one.
    Modern,
    /// No revision that is served.
    Unknown,
}

pub(super) fn of_header(headers: &Headers) -> HeaderRevision {
    match headers.get(VERSION_HEADER) {
        None => HeaderRevision::Absent,
        Some(word) if Revision::is_modern_word(word) => HeaderRevision::Modern,
        Some(word) => Revision::named(word).map_or(HeaderRevision::Unknown, HeaderRevision::Legacy),
    }
}

/// A request of the stateless era, checked in the order that the protocol gives: envelope, header, version.
pub(super) fn check_modern(
    method: &str,
    params: &Map<String, Value>,
    headers: Option<&Headers>,
) -> Result<(), Fault> {
    let missing: Vec<&str> = [
        (
            VERSION_KEY,
            envelope(params)
                .and_then(|meta| meta.get(VERSION_KEY))
                .is_some_and(Value::is_string),
        ),
        (
            CAPABILITIES_KEY,
            envelope(params)
                .and_then(|meta| meta.get(CAPABILITIES_KEY))
                .is_some_and(Value::is_object),
        ),
    ]
    .into_iter()
    .filter(|(_, there)| !there)
    .map(|(key, _)| key)
    .collect();
    if !missing.is_empty() {
        let message = format!(
            "`params._meta` lacks or has malformed {} (a string and an object, in every request of {})",
            missing.join(" and "),
            Revision::V2026_07_28.word()
        );
        return Err(Fault::new(jsonrpc::INVALID_PARAMS, message));
    }
    let version = envelope(params)
        .and_then(|meta| meta[VERSION_KEY].as_str())
        .unwrap_or_default();
    if let Some(headers) = headers {
        check_headers(method, params, version, headers)?;
    }
    if version != Revision::V2026_07_28.word() {
        let message = format!("protocol version {} is not served", in_short(version));
        let data = json!({"supported": [Revision::V2026_07_28.word()], "requested": version});
        return Err(Fault::new(jsonrpc::UNSUPPORTED_VERSION, message).with(data));
    }
    if let Some(level) = envelope(params).and_then(|meta| meta.get(LOG_LEVEL_KEY))
        && level.as_str().and_then(super::call::Level::named).is_none()
    {
        return Err(Fault::new(
            jsonrpc::INVALID_PARAMS,
            format!("`{LOG_LEVEL_KEY}` is no log level"),
        ));
    }
    Ok(())
}

fn check_headers(
    method: &str,
    params: &Map<String, Value>,
    version: &str,
    headers: &Headers,
) -> Result<(), Fault> {
    check_header(headers, VERSION_HEADER, version, false)?;
    check_header(headers, "mcp-method", method, false)?;
    let named_by = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return Ok(()),
    };
    // A request without the name is malformed in itself, and told so by its method.
    match params.get(named_by).and_then(Value::as_str) {
        Some(name) => check_header(headers, "mcp-name", name, true),
        None => Ok(()),
    }
}

fn check_header(
    headers: &Headers,
    name: &str,
    wanted: &str,
    may_be_encoded: bool,
) -> Result<(), Fault> {
    let mismatch = |what: String| Err(Fault::new(jsonrpc::HEADER_MISMATCH, what));
    let mut values = headers.all(name);
    let (Some(value), None) = (values.next(), values.next()) else {
        return mismatch(format!("the header {name} must be there exactly once"));
    };
    let decoded = if may_be_encoded {
        decoded(value)
    } else {
        Some(value.to_owned())
    };
    match decoded {
        Some(decoded) if decoded == wanted => Ok(()),
        Some(_) => mismatch(format!("the header {name} is not what the body says")),
        None => mismatch(format!("the header {name} is no valid base64 of UTF-8")),
    }
}

/// A header value as it is, or out of `=?base64?…?=`.
fn decoded(value: &str) -> Option<String> {
    use base64::Engine as _;
    let Some(inner) = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(value.to_owned());
    };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(inner)
        .ok()?;
    String::from_utf8(bytes).ok()
}

pub(super) fn envelope(params: &Map<String, Value>) -> Option<&Map<String, Value>> {
    params.get("_meta").and_then(Value::as_object)
}

/// A client's word, as much of it as an error message may repeat.
pub(super) fn in_short(word: &str) -> String {
    let short: String = word.chars().take(64).collect();
    format!("{short:?}")
}
