//! JSON-RPC 2.0: messages in, answers and errors out. Knows no method.

use std::{fmt, mem};

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use super::room;

/// Room for what stands around a result.
const FRAME_BYTES: usize = 64;

/// Not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// JSON, but no request; or a batch where none may be.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method, or a feature that is not offered.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// Malformed parameters; unknown tool, prompt or cursor.
pub const INVALID_PARAMS: i64 = -32602;
/// A fault of ours.
pub const INTERNAL_ERROR: i64 = -32603;
/// No such resource (revisions with a handshake).
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// A header says other than the body (2026-07-28).
pub const HEADER_MISMATCH: i64 = -32020;
/// The client lacks a capability that the call needs (2026-07-28).
pub const MISSING_CAPABILITY: i64 = -32021;
/// A revision that is not served (2026-07-28).
pub const UNSUPPORTED_VERSION: i64 = -32022;

/// A JSON-RPC error: a fault of the protocol's use. What a model can mend is a tool result instead.
#[derive(Debug)]
pub struct Fault {
    /// One of the codes of this file.
    pub code: i64,
    /// One sentence.
    pub message: String,
    /// Facts, where the protocol asks for some.
    pub data: Option<Value>,
}

impl Fault {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Fault {
        Fault {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// The same with data.
    pub fn with(self, data: Value) -> Fault {
        Fault {
            data: Some(data),
            ..self
        }
    }

    /// The whole message for the request of this id; `null` where no id is known.
    pub fn message_for(&self, id: &Value) -> String {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(data) = &self.data {
            error["data"] = data.clone();
        }
        json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string()
    }
}

/// The message that carries a result, from the first byte of the result on: both are written in one piece of room, as a list of
/// tools has 32 KB. The id stands at the end, so that whoever writes the result need not know it.
#[derive(Debug)]
pub struct ResultMessage(String);

impl ResultMessage {
    /// Begins a message with room for a result of so many bytes.
    pub(super) fn begin(bytes: usize) -> ResultMessage {
        let mut text = room::of(bytes + FRAME_BYTES);
        text.push_str(r#"{"jsonrpc":"2.0","result":"#);
        ResultMessage(text)
    }

    /// With a result that is short, or seldom asked for.
    pub(super) fn of(result: &str) -> ResultMessage {
        let mut message = ResultMessage::begin(result.len());
        message.push(result);
        message
    }

    /// Writes on at the result, JSON text.
    pub(super) fn push(&mut self, part: &str) {
        self.0.push_str(part);
    }

    /// The same, for what is written as bytes.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = mem::take(&mut self.0).into_bytes();
        write(&mut bytes);
        self.0 = written(bytes);
    }

    /// The whole message for the request of this id.
    pub(super) fn end(mut self, id: &Value) -> String {
        self.push(r#","id":"#);
        self.push(&text_of(id));
        self.push("}");
        self.0
    }
}

/// Writes a value as JSON text behind what is there.
pub fn write_onto(text: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Only maps with keys that are no strings, and writers that fail, can fail.
    let _ = serde_json::to_writer(text, value);
}

/// JSON that was written as bytes, as text. All of it is ours or came out of serde_json; what is no UTF-8 would leave nothing.
pub fn written(text: Vec<u8>) -> String {
    String::from_utf8(text).unwrap_or_default()
}

/// A value as JSON text. Its `Display` gives the same in pieces, each of which is checked anew.
pub fn text_of(value: &impl Serialize) -> String {
    // Only maps with keys that are no strings, and writers, can fail.
    serde_json::to_string(value).unwrap_or_default()
}

/// The whole message of a request of ours.
pub fn request(id: &Value, method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

/// The whole message of a notification.
pub fn notification(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}

/// One message from a client.
#[derive(Debug)]
pub enum Message {
    /// Wants an answer.
    Request {
        /// A string or an integer, echoed exactly.
        id: Value,
        /// What is asked.
        method: String,
        /// Its parameters; empty where none came.
        params: Map<String, Value>,
    },
    /// Wants none.
    Notification {
        /// What is told.
        method: String,
        /// Its parameters; empty where none came.
        params: Map<String, Value>,
    },
    /// An answer to a request of ours.
    Response {
        /// The request's id; null where it has no usable one.
        id: Value,
        /// The result, or the error.
        answer: Result<Value, Value>,
    },
}

/// What a body holds: a message, or a batch of them.
#[derive(Debug)]
pub enum Body {
    /// One message.
    One(Message),
    /// An array, in order; what is no message keeps its place as the error it is answered with.
    Batch(Vec<Result<Message, Malformed>>),
}

/// JSON that is no message, with the id to answer it by.
#[derive(Debug)]
pub struct Malformed {
    /// The message's id where it has a usable one, else null.
    pub id: Value,
    /// What is wrong.
    pub fault: Fault,
}

/// Reads a body. An empty batch is a fault, as JSON-RPC has it.
pub fn parse(body: &[u8]) -> Result<Body, Malformed> {
    let malformed = |code, message: String| Malformed {
        id: Value::Null,
        fault: Fault::new(code, message),
    };
    let not_json = |error| malformed(PARSE_ERROR, format!("the body is not JSON: {error}"));
    if body.trim_ascii_start().starts_with(b"{") {
        return message(serde_json::from_slice(body).map_err(not_json)?).map(Body::One);
    }
    match serde_json::from_slice(body).map_err(not_json)? {
        Value::Array(items) if items.is_empty() => Err(malformed(
            INVALID_REQUEST,
            "a batch must not be empty".into(),
        )),
        Value::Array(items) => Ok(Body::Batch(items.into_iter().map(item).collect())),
        _ => Err(no_object()),
    }
}

/// One item of a batch.
fn item(value: Value) -> Result<Message, Malformed> {
    match value {
        // Whatever the members are, they are some.
        Value::Object(_) => message(Envelope::deserialize(value).unwrap_or_default()),
        _ => Err(no_object()),
    }
}

fn no_object() -> Malformed {
    Malformed {
        id: Value::Null,
        fault: Fault::new(INVALID_REQUEST, "a message must be a JSON object"),
    }
}

/// The members of a message, whatever they are. Of one that comes twice the last counts.
#[derive(Default)]
struct Envelope {
    is_of_version: bool,
    id: Option<Value>,
    method: Option<Value>,
    params: Option<Value>,
    error: Option<Value>,
    result: Option<Value>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Jsonrpc,
    Id,
    Method,
    Params,
    Error,
    Result,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Envelope, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Envelope;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Envelope, A::Error> {
                let mut envelope = Envelope::default();
                while let Some(name) = members.next_key()? {
                    let member = match name {
                        Name::Jsonrpc => {
                            envelope.is_of_version = members.next_value::<Value>()? == "2.0";
                            continue;
                        }
                        Name::Other => {
                            members.next_value::<IgnoredAny>()?;
                            continue;
                        }
                        Name::Id => &mut envelope.id,
                        Name::Method => &mut envelope.method,
                        Name::Params => &mut envelope.params,
                        Name::Error => &mut envelope.error,
                        Name::Result => &mut envelope.result,
                    };
                    *member = Some(members.next_value()?);
                }
                Ok(envelope)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

fn message(envelope: Envelope) -> Result<Message, Malformed> {
    let id = envelope.id;
    let usable = || id.as_ref().filter(|id| is_id(id)).cloned();
    let refuse = |code, message: &str| {
        Err(Malformed {
            id: usable().unwrap_or(Value::Null),
            fault: Fault::new(code, message),
        })
    };

    if !envelope.is_of_version {
        return refuse(INVALID_REQUEST, "`jsonrpc` must be \"2.0\"");
    }
    let method = match envelope.method {
        Some(Value::String(method)) => method,
        Some(_) => return refuse(INVALID_REQUEST, "`method` must be a string"),
        None => {
            let error = envelope.error.map(Err);
            return match error.or_else(|| envelope.result.map(Ok)) {
                Some(answer) => Ok(Message::Response {
                    id: usable().unwrap_or(Value::Null),
                    answer,
                }),
                None => refuse(INVALID_REQUEST, "a message must have a `method`"),
            };
        }
    };
    let params = match envelope.params {
        Some(Value::Object(params)) => params,
        // Some clients spell "none" as null.
        None | Some(Value::Null) => Map::new(),
        Some(_) => return refuse(INVALID_PARAMS, "`params` must be an object"),
    };
    match id {
        None => Ok(Message::Notification { method, params }),
        Some(id) if is_id(&id) => Ok(Message::Request { id, method, params }),
        Some(_) => refuse(INVALID_REQUEST, "`id` must be a string or an integer"),
    }
}

fn is_id(id: &Value) -> bool {
    id.is_string() || id.is_i64() || id.is_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(body: &str, id: Value, code: i64) {
        let malformed = parse(body.as_bytes()).unwrap_err();
        assert_eq!((malformed.id, malformed.fault.code), (id, code), "{body}");
    }

    #[test]
    fn an_id_of_zero_or_an_empty_string_is_an_id() {
        for id in ["0", "\"\"", "-7", "18446744073709551615"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            let Body::One(Message::Request { id: read, .. }) = parse(body.as_bytes()).unwrap()
            else {
                panic!("{body} is a request");
            };
            assert_eq!(read.to_string(), id);
        }
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_id_where_it_has_one() {
        check_refused("{", Value::Null, PARSE_ERROR);
        check_refused("\u{feff}{}", Value::Null, PARSE_ERROR);
        check_refused("7", Value::Null, INVALID_REQUEST);
        check_refused("[]", Value::Null, INVALID_REQUEST);
        check_refused(" \n{\"id\":3}", 3.into(), INVALID_REQUEST);
        check_refused(r#"{"jsonrpc":2.0,"id":3}"#, 3.into(), INVALID_REQUEST);
        check_refused(r#"{"id":3,"id":"b"}"#, "b".into(), INVALID_REQUEST);
        check_refused(r#"{"id":3,"method":"ping"}"#, 3.into(), INVALID_REQUEST);
        check_refused(
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            Value::Null,
            INVALID_REQUEST,
        );
        check_refused(
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            Value::Null,
            INVALID_REQUEST,
        );
        check_refused(r#"{"jsonrpc":"2.0","id":"a"}"#, "a".into(), INVALID_REQUEST);
        check_refused(
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[]}"#,
            1.into(),
            INVALID_PARAMS,
        );
    }

    #[test]
    fn the_items_of_a_batch_are_read_like_messages_that_come_alone() {
        let request = r#"{"method":"ping","x":[1],"jsonrpc":"2.0","params":{"a":1},"id":7}"#;
        let batch = format!(r#"[{request},{{"id":8}},9]"#);
        let Body::Batch(items) = parse(batch.as_bytes()).unwrap() else {
            panic!("it is a batch");
        };
        let Body::One(alone) = parse(request.as_bytes()).unwrap() else {
            panic!("it is a message");
        };
        let told = |item: &Result<Message, Malformed>| match item {
            Ok(message) => format!("{message:?}"),
            Err(malformed) => format!("{} {}", malformed.id, malformed.fault.code),
        };
        let items: Vec<String> = items.iter().map(told).collect();
        assert_eq!(
            items,
            [told(&Ok(alone)).as_str(), "8 -32600", "null -32600"]
        );
    }

    #[test]
    fn a_message_that_is_nested_too_deep_is_refused() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        check_refused(&deep, Value::Null, PARSE_ERROR);
    }

    #[test]
    fn an_answer_and_a_notification_have_the_json_of_json_rpc() {
        assert_eq!(
            ResultMessage::of("{}").end(&"a".into()),
            r#"{"jsonrpc":"2.0","result":{},"id":"a"}"#
        );
        assert_eq!(
            notification("notifications/progress", &json!({"progress": 1})),
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#
        );
        assert_eq!(
            Fault::new(INVALID_PARAMS, "no")
                .with(json!({"uri": "x"}))
                .message_for(&0.into()),
            r#"{"error":{"code":-32602,"data":{"uri":"x"},"message":"no"},"id":0,"jsonrpc":"2.0"}"#
        );
    }
}
