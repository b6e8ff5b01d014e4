//! The protocol as any client sees it, revision by revision; the transports' own rules are in `transports.rs`.

/// Users who are asked before something is destroyed, in the revisions with a handshake.
mod asking;
/// Calls that are cancelled, and what becomes of their upstream connections.
mod cancellation;
/// Which revision a message belongs to.
mod eras;
/// The revisions with a handshake.
mod legacy;
/// An application with tools that misbehave or say what the product's do not.
pub(crate) mod probe;
/// The stateless revision.
mod stateless;
/// What a running call tells its client.
mod telling;

use serde_json::{Map, Value, json};

use crate::support::TestServer;
use crate::support::server::HttpAnswer;

const STREAMS: (&str, &str) = ("accept", "application/json, text/event-stream");
const MODERN: &str = "2026-07-28";
const VERSION_HEADER: &str = "mcp-protocol-version";

/// A request as JSON text.
fn request(id: impl Into<Value>, method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params}).to_string()
}

fn notification(method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}

/// What `_meta` must have in the stateless revision.
fn envelope() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// These parameters with the envelope.
fn enveloped(mut params: Value) -> Value {
    let mut meta = envelope();
    if let (Some(all), Some(given)) = (meta.as_object_mut(), params["_meta"].as_object()) {
        all.extend(given.clone());
    }
    params["_meta"] = meta;
    params
}

/// The header fields that go with a request of the stateless revision.
fn modern_headers(method: &str, params: &Value) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("accept", STREAMS.1.to_owned()),
        (VERSION_HEADER, MODERN.to_owned()),
        ("mcp-method", method.to_owned()),
    ];
    let name = match method {
        "tools/call" | "prompts/get" => params["name"].as_str(),
        "resources/read" => params["uri"].as_str(),
        _ => None,
    };
    headers.extend(name.map(|name| ("mcp-name", name.to_owned())));
    headers
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// Sends a request of the stateless revision as it should be.
#[track_caller]
fn modern(server: &TestServer, method: &str, params: Value) -> HttpAnswer {
    let headers = modern_headers(method, &params);
    let body = request(1, method, enveloped(params));
    server.post("/mcp", &borrowed(&headers), &body)
}

/// Begins a session: its id.
#[track_caller]
fn session(server: &TestServer, revision: &str) -> String {
    session_with(server, revision, json!({}))
}

/// Begins a session of a client with these capabilities.
#[track_caller]
fn session_with(server: &TestServer, revision: &str, capabilities: Value) -> String {
    let params = json!({
        "protocolVersion": revision,
        "capabilities": capabilities,
        "clientInfo": {"name": "test", "version": "1"},
    });
    let answer = server.post("/mcp", &[STREAMS], &request(0, "initialize", params));
    assert_eq!(answer.json()["result"]["protocolVersion"], revision);
    answer.header("mcp-session-id").unwrap().to_owned()
}

/// Status and error code of an answer.
#[track_caller]
fn told(answer: &HttpAnswer) -> (u16, i64) {
    let code = answer.json()["error"]["code"].as_i64();
    (
        answer.status,
        code.unwrap_or_else(|| panic!("{answer:?} is no error")),
    )
}

fn members(value: &Value) -> Vec<&str> {
    let object: Option<&Map<String, Value>> = value.as_object();
    object
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect()
}
