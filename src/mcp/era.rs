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
    for (name, wanted) in [(VERSION_HEADER, version), ("mcp-method", method)] {
        agree(name, single(headers, name)? == wanted)?;
    }
    let named_by = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return Ok(()),
    };
    // A request without the name is malformed in itself, and told so by its method.
    match params.get(named_by).and_then(Value::as_str) {
        Some(name) => agree("mcp-name", decoded(headers, "mcp-name")? == name),
        None => Ok(()),
    }
}

/// Compares a header field with the argument that it mirrors; an argument that is left out or null has none.
pub(super) fn check_mirrored(
    headers: &Headers,
    name: &str,
    argument: Option<&Value>,
) -> Result<(), Fault> {
    let argument = match argument {
        None | Some(Value::Null) if headers.get(name).is_none() => return Ok(()),
        None | Some(Value::Null) => return agree(name, false),
        Some(argument) => argument,
    };
    let value = decoded(headers, name)?;
    agree(
        name,
        match argument {
            Value::String(text) => value == *text,
            Value::Bool(flag) => value.parse() == Ok(*flag),
            Value::Number(number) => value.parse::<f64>().ok() == number.as_f64(),
            // Only simple values are mirrored; anything else breaks the tool's schema, which the tool tells.
            Value::Null | Value::Array(_) | Value::Object(_) => true,
        },
    )
}

fn agree(name: &str, do_agree: bool) -> Result<(), Fault> {
    match do_agree {
        true => Ok(()),
        false => Err(mismatch(format!(
            "the header {name} is not what the body says"
        ))),
    }
}

fn mismatch(what: String) -> Fault {
    Fault::new(jsonrpc::HEADER_MISMATCH, what)
}

fn single<'a>(headers: &'a Headers, name: &'a str) -> Result<&'a str, Fault> {
    let mut values = headers.all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(mismatch(format!(
            "the header {name} must be there exactly once"
        ))),
    }
}

/// A header value as it is, or out of `=?base64?…?=`.
fn decoded(headers: &Headers, name: &str) -> Result<String, Fault> {
    use base64::Engine as _;
    let value = single(headers, name)?;
    let Some(inner) = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Ok(value.to_owned());
    };
    let bytes = base64::engine::general_purpose::STANDARD.decode(inner).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| mismatch(format!("the header {name} is no valid base64 of UTF-8")))
}

pub(super) fn envelope(params: &Map<String, Value>) -> Option<&Map<String, Value>> {
    params.get("_meta").and_then(Value::as_object)
}

/// A client's word, as much of it as an error message may repeat.
pub(super) fn in_short(word: &str) -> String {
    let short: String = word.chars().take(64).collect();
    format!("{short:?}")
}
