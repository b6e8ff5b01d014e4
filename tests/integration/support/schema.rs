//! Every message that a test sees, held against the protocol's own schemas. They are no part of this repository:
//! `MCP_SCHEMA_DIR` names the folder with a file for each revision; without it nothing is checked, and that is said once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

const VARIABLE: &str = "MCP_SCHEMA_DIR";
const MODERN: &str = "2026-07-28";
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

/// What a client has asked and what it may therefore hear. Its clones are one and the same.
#[derive(Clone)]
pub(crate) struct Conversation(Arc<Mutex<State>>);

struct State {
    revision: String,
    /// By the request's id as JSON.
    asked: HashMap<String, Asked>,
}

struct Asked {
    method: String,
    /// Whether the request was of the stateless revision, whatever the others are.
    is_modern: bool,
}

impl Conversation {
    /// One that is held in `revision` until an answer to `initialize` settles on another.
    pub(crate) fn at(revision: &str) -> Conversation {
        Conversation(Arc::new(Mutex::new(State {
            revision: revision.to_owned(),
            asked: HashMap::new(),
        })))
    }

    /// Notes what a body asks; one that is no JSON asks nothing.
    pub(crate) fn asked(&self, body: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        let messages = match body {
            Value::Array(messages) => messages,
            message => vec![message],
        };
        for message in messages {
            let is_answer = message.get("result").is_some() || message.get("error").is_some();
            let Some(id) = message.get("id").filter(|_| !is_answer) else {
                continue;
            };
            let asked = Asked {
                method: message["method"].as_str().unwrap_or_default().to_owned(),
                is_modern: message["params"]["_meta"].get(VERSION_KEY).is_some(),
            };
            state.asked.insert(id.to_string(), asked);
        }
    }

    /// Checks a message of the server, or a batch of them.
    ///
    /// # Panics
    /// When it breaks its revision's schema, or answers nothing that was asked.
    #[track_caller]
    pub(crate) fn heard(&self, message: &Value) {
        if let Value::Array(messages) = message {
            assert!(!messages.is_empty(), "an empty batch");
            return messages.iter().for_each(|message| self.heard(message));
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(id) = message.get("id") else {
            return check_notification(&state.revision, message);
        };
        if let Some(method) = message["method"].as_str() {
            return check_request(&state.revision, method, message);
        }
        let asked = state.asked.remove(&id.to_string());
        if id.is_null() {
            assert!(message.get("error").is_some(), "{message} answers nobody");
            return check_error(&state.revision, message);
        }
        let asked = asked.unwrap_or_else(|| panic!("{message} answers nothing that was asked"));
        let settled = message["result"]["protocolVersion"].as_str();
        if let ("initialize", Some(settled)) = (asked.method.as_str(), settled) {
            state.revision = settled.to_owned();
        }
        let revision = if asked.is_modern {
            MODERN
        } else {
            &state.revision
        };
        match message.get("result") {
            Some(result) => check_result(revision, &asked.method, message, result),
            None => check_error(revision, message),
        }
    }
}

#[track_caller]
fn check_result(revision: &str, method: &str, message: &Value, result: &Value) {
    check(revision, response_definition(revision), message);
    let definition = match method {
        _ if result["resultType"] == "input_required" => "InputRequiredResult",
        "initialize" => "InitializeResult",
        "ping" | "logging/setLevel" => "EmptyResult",
        "server/discover" => "DiscoverResult",
        "subscriptions/listen" => "SubscriptionsListenResult",
        "tools/list" => "ListToolsResult",
        "tools/call" => "CallToolResult",
        "resources/list" => "ListResourcesResult",
        "resources/templates/list" => "ListResourceTemplatesResult",
        "resources/read" => "ReadResourceResult",
        "prompts/list" => "ListPromptsResult",
        "prompts/get" => "GetPromptResult",
        "completion/complete" => "CompleteResult",
        other => panic!("{other} has a result: {message}"),
    };
    check(revision, definition, result);
}

#[track_caller]
fn check_error(revision: &str, message: &Value) {
    let definition = match (revision, message["error"]["code"].as_i64()) {
        (MODERN, Some(-32020)) => "HeaderMismatchError",
        (MODERN, Some(-32021)) => "MissingRequiredClientCapabilityError",
        (MODERN, Some(-32022)) => "UnsupportedProtocolVersionError",
        (MODERN | "2025-11-25", _) => "JSONRPCErrorResponse",
        _ => "JSONRPCError",
    };
    let mut message = message.clone();
    // JSON-RPC wants null where no id is known, which the protocol's schemas forgot.
    if message["id"].is_null() {
        message["id"] = 0.into();
    }
    check(revision, definition, &message);
}

#[track_caller]
fn check_request(revision: &str, method: &str, message: &Value) {
    let definition = match method {
        "elicitation/create" => "ElicitRequest",
        other => panic!("{other} is no request of this server"),
    };
    check(revision, definition, message);
}

#[track_caller]
fn check_notification(revision: &str, message: &Value) {
    let (revision, definition) = match message["method"].as_str() {
        Some("notifications/progress") => (revision, "ProgressNotification"),
        Some("notifications/message") => (revision, "LoggingMessageNotification"),
        // Only the stateless revision has subscriptions, and one process may serve both eras.
        Some("notifications/subscriptions/acknowledged") => {
            (MODERN, "SubscriptionsAcknowledgedNotification")
        }
        Some("notifications/cancelled") => (revision, "CancelledNotification"),
        _ => panic!("{message} is no notification of this server"),
    };
    check(revision, definition, message);
}

fn response_definition(revision: &str) -> &'static str {
    match revision {
        MODERN | "2025-11-25" => "JSONRPCResultResponse",
        _ => "JSONRPCResponse",
    }
}

#[track_caller]
fn check(revision: &str, definition: &str, value: &Value) {
    let Some(validator) = validator(revision, definition) else {
        return;
    };
    let faults: Vec<String> = validator
        .iter_errors(value)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert!(
        faults.is_empty(),
        "{value} is no {definition} of {revision}:\n{}",
        faults.join("\n")
    );
}

/// The validator of one definition. `None`: the schemas are not at hand.
fn validator(revision: &str, definition: &str) -> Option<Arc<Validator>> {
    static KNOWN: OnceLock<Mutex<HashMap<String, Arc<Validator>>>> = OnceLock::new();
    let folder = folder()?;
    let mut known = KNOWN
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let key = format!("{revision} {definition}");
    let validator = known.entry(key).or_insert_with(|| {
        let path = folder.join(format!("{revision}.json"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut schema: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let room = if schema.contains_key("$defs") {
            "$defs"
        } else {
            "definitions"
        };
        assert!(
            schema[room].get(definition).is_some(),
            "{revision} has no {definition}"
        );
        schema.insert("$ref".into(), json!(format!("#/{room}/{definition}")));
        Arc::new(jsonschema::validator_for(&Value::Object(schema)).unwrap())
    });
    Some(validator.clone())
}

fn folder() -> Option<&'static PathBuf> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOLDER.get_or_init(|| {
        let folder = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty());
        if folder.is_none() {
            eprintln!(
                "{VARIABLE} is not set: messages are not held against the protocol's schemas"
            );
        }
        folder.map(PathBuf::from)
    });
    found.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether an answer to `method` breaks its schema, where the schemas are at hand.
    #[track_caller]
    fn check_refused(revision: &str, method: &str, answer: &Value) {
        if folder().is_none() {
            return;
        }
        let conversation = Conversation::at(revision);
        conversation.asked(&json!({"jsonrpc": "2.0", "id": 1, "method": method}).to_string());
        let heard = std::panic::catch_unwind(|| conversation.heard(answer));
        assert!(heard.is_err(), "{answer} was taken");
    }

    #[test]
    fn a_message_that_breaks_its_revision_is_refused() {
        let result = |result: Value| json!({"jsonrpc": "2.0", "id": 1, "result": result});
        let kept = json!({"tools": [], "resultType": "complete", "ttlMs": 1, "cacheScope": "all"});
        check_refused(MODERN, "tools/list", &result(kept));
        let audio = json!({"content": [{"type": "audio", "data": "", "mimeType": "audio/wav"}]});
        check_refused("2024-11-05", "tools/call", &result(audio));
        check_refused(
            "2025-11-25",
            "tools/list",
            &result(json!({"tools": [{"name": "x"}]})),
        );
        let error = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32022, "message": "no"}});
        check_refused(MODERN, "tools/list", &error);
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}});
        check_refused("2025-06-18", "tools/call", &progress);
    }

    #[test]
    fn a_message_that_answers_nothing_is_refused_with_or_without_schemas() {
        let answer = json!({"jsonrpc": "2.0", "id": 2, "result": {}});
        let conversation = Conversation::at("2025-11-25");
        let heard = std::panic::catch_unwind(|| conversation.heard(&answer));
        assert!(heard.is_err());
    }
}
