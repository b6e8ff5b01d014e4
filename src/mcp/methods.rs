//! The methods that are answered, one by one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use log::{error, info};
use serde_json::{Map, Value, json};

use super::application::{CompletionWanted, Reference};
use super::call::{Call, CallParts, Cancellation, ClientSide, Level, Outlet};
use super::era;
use super::handshake::Handshake;
use super::headers::Headers;
use super::jsonrpc::{self, Fault, ResultMessage};
use super::result::{Outcome, ToolResult};
use super::revision::Revision;
use super::room;
use super::rounds;
use super::running::Entry;
use super::service::{Listening, Reply, Service};

/// How long a client may keep a list that is the same for everyone, in milliseconds.
const PUBLIC_TTL_MS: u64 = 300_000;
/// How long a client may keep what depends on its credentials, in milliseconds.
const PRIVATE_TTL_MS: u64 = 60_000;
/// The protocol's bound on the values of one completion.
const COMPLETIONS_MAX: usize = 100;

/// Room for what ends a result.
const CLOSING_BYTES: usize = 512;

const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";
const SUBSCRIPTION_KEY: &str = "io.modelcontextprotocol/subscriptionId";

/// A request that is to be run.
pub(super) struct Asked {
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
    pub(super) parts: CallParts,
    /// Keeps the request known to its client's cancellation while it runs.
    pub(super) entry: Option<Entry>,
}

/// Whether a result may be kept by the client, and by whom.
enum Keep {
    Never,
    Public,
    Private,
}

/// The result of `initialize`, and what it settles.
pub(super) fn initialize(
    service: &Service,
    params: &Map<String, Value>,
) -> Result<(Handshake, String), Fault> {
    let Some(wanted) = params.get("protocolVersion").and_then(Value::as_str) else {
        return Err(Fault::new(
            jsonrpc::INVALID_PARAMS,
            "`protocolVersion` must be a string",
        ));
    };
    let revision = Revision::negotiated(wanted);
    let mut capabilities = json!({"tools": {}, "resources": {}, "prompts": {}, "logging": {}});
    if revision.has_audio() {
        capabilities["completions"] = json!({});
    }
    let result = json!({
        "protocolVersion": revision.word(),
        "capabilities": capabilities,
        "serverInfo": service.application.implementation(),
        "instructions": service.application.instructions(),
    });
    let handshake = Handshake::of(revision, params.get("capabilities"));
    Ok((handshake, result.to_string()))
}

/// The answer of a method that asks nobody. `None`: it is one that [`run`] answers.
pub(super) fn at_once(
    service: &Service,
    method: &str,
    params: &Map<String, Value>,
    headers: &Headers,
    revision: Revision,
) -> Option<Result<ResultMessage, Fault>> {
    let list = |name: &str, keep: Keep, items: &dyn Fn() -> Result<Arc<str>, Fault>| {
        check_cursor(params)?;
        let items = items()?;
        let members = ["\"", name, "\":", &items];
        Ok(finish(service, revision, &members, keep))
    };
    Some(match (method, revision.is_legacy()) {
        ("ping", true) => Ok(ResultMessage::of("{}")),
        ("logging/setLevel", true) => match params
            .get("level")
            .and_then(Value::as_str)
            .and_then(Level::named)
        {
            Some(_) => Ok(ResultMessage::of("{}")),
            None => Err(Fault::new(
                jsonrpc::INVALID_PARAMS,
                "`level` must be one of debug, info, notice, warning, error, critical, alert, emergency",
            )),
        },
        ("server/discover", false) => Ok(discover(service)),
        // A request's own header fields may narrow it.
        ("tools/list", _) => list("tools", Keep::Private, &|| {
            service.application.tools(headers)
        }),
        ("resources/templates/list", _) => list("resourceTemplates", Keep::Public, &|| {
            Ok(jsonrpc::text_of(&service.application.resource_templates()).into())
        }),
        ("prompts/list", _) => list("prompts", Keep::Public, &|| {
            Ok(jsonrpc::text_of(&service.application.prompts()).into())
        }),
        (
            "tools/call"
            | "resources/list"
            | "resources/read"
            | "prompts/get"
            | "completion/complete",
            _,
        )
        | ("subscriptions/listen", false) => return None,
        (method, _) => Err(Fault::new(
            jsonrpc::METHOD_NOT_FOUND,
            format!("there is no method {}", era::in_short(method)),
        )),
    })
}

/// The message that carries a result or a fault, with the HTTP status that the revision gives it.
pub(super) fn reply(id: &Value, revision: Revision, answer: Result<ResultMessage, Fault>) -> Reply {
    let (status, body) = match answer {
        Ok(result) => (200, result.end(id)),
        // Clients of the older revisions throw away the body of anything but 200.
        Err(fault) if revision.is_legacy() => (200, fault.message_for(id)),
        Err(fault) => {
            let status = match fault.code {
                jsonrpc::METHOD_NOT_FOUND => 404,
                jsonrpc::MISSING_CAPABILITY => 400,
                _ => 200,
            };
            (status, fault.message_for(id))
        }
    };
    Reply {
        status,
        body,
        session: None,
    }
}

/// Runs a request to its end. `None`: it was cancelled, and nothing more is to be sent.
pub(super) fn run(service: &Service, asked: Asked, outlet: &Arc<dyn Outlet>) -> Option<Reply> {
    let Asked {
        id,
        method,
        params,
        parts,
        entry,
    } = asked;
    let revision = parts.revision;
    let cancellation = parts.cancellation.clone();
    let bytes_max = parts.answer_bytes_max;
    if cancellation.is_cancelled() {
        return None;
    }
    let call = Call::new(parts, outlet.clone());
    let begun = Instant::now();
    let answer = catch_unwind(AssertUnwindSafe(|| {
        answer(service, &method, &params, &call)
    }));
    let answer = answer.unwrap_or_else(|_| {
        // The panic itself is told by the hook, without what it may say of the arguments.
        error!("{method} broke off by a fault of the server");
        Err(Fault::new(
            jsonrpc::INTERNAL_ERROR,
            "a fault of the server ended this call; others go on",
        ))
    });
    info!(
        "{} {} in {} ms",
        named(&method, &params),
        told(&answer, &cancellation),
        begun.elapsed().as_millis()
    );
    call.end();
    drop(entry);
    if cancellation.is_cancelled() {
        return None;
    }
    let reply = reply(&id, revision, answer);
    match bytes_max {
        Some(max) if reply.body.len() > max => {
            Some(too_large(service, &id, revision, &method, reply.body.len()))
        }
        _ => Some(reply),
    }
}

/// The answer to a request that is not run.
pub(super) fn refusal(asked: &Asked, why: &str) -> Reply {
    let fault = Fault::new(jsonrpc::INTERNAL_ERROR, why);
    reply(&asked.id, asked.parts.revision, Err(fault))
}

/// The first and the last message of a subscription. Our lists do not change, so none of what is asked for is honoured.
pub(super) fn listen(id: &Value, cancellation: Cancellation, entry: Option<Entry>) -> Listening {
    let meta = json!({SUBSCRIPTION_KEY: id});
    let acknowledgement = jsonrpc::notification(
        "notifications/subscriptions/acknowledged",
        &json!({"notifications": {}, "_meta": meta}),
    );
    let result = json!({"resultType": "complete", "_meta": meta}).to_string();
    Listening {
        acknowledgement,
        farewell: ResultMessage::of(&result).end(id),
        refusal: Fault::new(
            jsonrpc::INTERNAL_ERROR,
            "no more subscriptions can be held now",
        )
        .message_for(id),
        cancellation,
        entry,
    }
}

/// What a request of the stateless revision says of its client.
pub(super) fn client_side(params: &Map<String, Value>) -> ClientSide {
    let object = |value: Option<&Value>| {
        value
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    ClientSide {
        capabilities: object(
            era::envelope(params).and_then(|meta| meta.get(era::CAPABILITIES_KEY)),
        ),
        input_responses: object(params.get("inputResponses")),
        request_state: params
            .get("requestState")
            .and_then(Value::as_str)
            .map(str::to_owned),
        unanswered: None,
    }
}

fn discover(service: &Service) -> ResultMessage {
    let members = json!({
        "supportedVersions": [Revision::V2026_07_28.word()],
        "capabilities": {"tools": {}, "resources": {}, "prompts": {}, "completions": {}, "logging": {}},
        "instructions": service.application.instructions(),
    })
    .to_string();
    let members = &members[1..members.len() - 1];
    finish(service, Revision::V2026_07_28, &[members], Keep::Public)
}

fn answer(
    service: &Service,
    method: &str,
    params: &Map<String, Value>,
    call: &Call,
) -> Result<ResultMessage, Fault> {
    match method {
        "tools/call" => call_tool(service, params, call),
        _ => answer_other(service, method, params, call),
    }
}

#[inline(never)]
fn answer_other(
    service: &Service,
    method: &str,
    params: &Map<String, Value>,
    call: &Call,
) -> Result<ResultMessage, Fault> {
    let application = &service.application;
    let revision = call.revision();
    match method {
        "resources/list" => {
            check_cursor(params)?;
            let resources = Value::from(application.resources(call)?);
            Ok(finish(
                service,
                revision,
                &[r#""resources":"#, &jsonrpc::text_of(&resources)],
                Keep::Private,
            ))
        }
        "resources/read" => {
            let uri = required_text(params, "uri")?;
            let contents = application.read_resource(uri, call).ok_or_else(|| {
                let code = match revision.is_legacy() {
                    true => jsonrpc::RESOURCE_NOT_FOUND,
                    false => jsonrpc::INVALID_PARAMS,
                };
                let message = format!("there is no resource {}", era::in_short(uri));
                Fault::new(code, message).with(json!({"uri": uri}))
            })??;
            Ok(finish(
                service,
                revision,
                &[r#""contents":"#, &jsonrpc::text_of(&contents)],
                Keep::Private,
            ))
        }
        "prompts/get" => {
            let name = required_text(params, "name")?;
            let arguments = match params.get("arguments") {
                None | Some(Value::Null) => Map::new(),
                Some(Value::Object(arguments)) if arguments.values().all(Value::is_string) => {
                    arguments.clone()
                }
                Some(_) => {
                    let message = "`arguments` must be an object of strings";
                    return Err(Fault::new(jsonrpc::INVALID_PARAMS, message));
                }
            };
            let outcome = rounds::run(call, |call| {
                application
                    .prompt(name, &arguments, call)
                    .ok_or_else(|| unknown("prompt", name))?
            })?;
            match outcome {
                Outcome::Complete(members) => {
                    let members = Value::Object(members).to_string();
                    Ok(finish(
                        service,
                        revision,
                        &[&members[1..members.len() - 1]],
                        Keep::Never,
                    ))
                }
                Outcome::InputRequired { requests, state } => {
                    Ok(input_required(service, requests, state))
                }
            }
        }
        _ => complete(service, params, call),
    }
}

/// Calls a tool. Apart from the others, which would all take room on the stack of each call.
#[inline(never)]
fn call_tool(
    service: &Service,
    params: &Map<String, Value>,
    call: &Call,
) -> Result<ResultMessage, Fault> {
    let application = &service.application;
    let revision = call.revision();
    let name = required_text(params, "name")?;
    let none = Value::Object(Map::new());
    let arguments = match params.get("arguments") {
        None | Some(Value::Null) => &none,
        Some(arguments) if arguments.is_object() => arguments,
        Some(_) => {
            return Err(Fault::new(
                jsonrpc::INVALID_PARAMS,
                "`arguments` must be an object",
            ));
        }
    };
    let outcome = rounds::run(call, |call| {
        application
            .call_tool(name, arguments, call)
            .ok_or_else(|| unknown("tool", name))?
    })?;
    match outcome {
        Outcome::Complete(result) => Ok(finish_tool(service, revision, result)),
        Outcome::InputRequired { requests, state } => Ok(input_required(service, requests, state)),
    }
}

fn unknown(kind: &str, name: &str) -> Fault {
    let name = era::in_short(name);
    let message = format!("there is no {kind} {name}; {kind}s/list names them");
    Fault::new(jsonrpc::INVALID_PARAMS, message)
}

fn complete(
    service: &Service,
    params: &Map<String, Value>,
    call: &Call,
) -> Result<ResultMessage, Fault> {
    let malformed = |what: &str| Fault::new(jsonrpc::INVALID_PARAMS, what);
    let reference = params.get("ref").and_then(Value::as_object);
    let text = |of: Option<&Map<String, Value>>, name: &str| {
        of.and_then(|of| of.get(name))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let of = match text(reference, "type").as_deref() {
        Some("ref/prompt") => text(reference, "name"),
        Some("ref/resource") => text(reference, "uri"),
        _ => return Err(malformed("`ref.type` must be ref/prompt or ref/resource")),
    };
    let of = of.ok_or_else(|| malformed("`ref` must have a `name` or a `uri`"))?;
    let is_prompt = text(reference, "type").as_deref() == Some("ref/prompt");
    let argument = params.get("argument").and_then(Value::as_object);
    let (Some(name), Some(value)) = (text(argument, "name"), text(argument, "value")) else {
        return Err(malformed(
            "`argument` must have a `name` and a `value`, both strings",
        ));
    };
    let none = Map::new();
    let context = params
        .get("context")
        .and_then(|context| context.get("arguments")?.as_object());
    let wanted = CompletionWanted {
        reference: if is_prompt {
            Reference::Prompt(&of)
        } else {
            Reference::Resource(&of)
        },
        argument: &name,
        value: &value,
        context: context.unwrap_or(&none),
    };
    let mut values = service.application.complete(&wanted, call)?.values;
    let total = values.len();
    values.truncate(COMPLETIONS_MAX);
    let completion = json!({"values": values, "total": total, "hasMore": total > COMPLETIONS_MAX});
    Ok(finish(
        service,
        call.revision(),
        &[r#""completion":"#, &jsonrpc::text_of(&completion)],
        Keep::Never,
    ))
}

/// A result of these members; the stateless revision wants to know who answers and how long that holds.
fn finish(service: &Service, revision: Revision, members: &[&str], keep: Keep) -> ResultMessage {
    let bytes: usize = members.iter().map(|member| member.len()).sum();
    let mut message = ResultMessage::begin(bytes + CLOSING_BYTES);
    message.push("{");
    members.iter().for_each(|member| message.push(member));
    end(service, revision, keep, &mut message);
    message
}

/// The result of a tool.
fn finish_tool(service: &Service, revision: Revision, result: ToolResult) -> ResultMessage {
    let mut message = ResultMessage::begin(result.bytes() + CLOSING_BYTES);
    message.push("{");
    message.write(|text| result.write_onto(text, revision));
    end(service, revision, Keep::Never, &mut message);
    if let Some(structured) = result.structured {
        room::give_back(structured);
    }
    message
}

/// Ends a result whose members stand behind an opening brace.
fn end(service: &Service, revision: Revision, keep: Keep, message: &mut ResultMessage) {
    if !revision.is_legacy() {
        match keep {
            Keep::Never => (),
            Keep::Public => message.push(&format!(
                r#","ttlMs":{PUBLIC_TTL_MS},"cacheScope":"public""#
            )),
            Keep::Private => message.push(&format!(
                r#","ttlMs":{PRIVATE_TTL_MS},"cacheScope":"private""#
            )),
        }
        message.push(&modern_end(service, "complete"));
    }
    message.push("}");
}

fn modern_end(service: &Service, result_type: &str) -> String {
    let implementation = &service.implementation;
    format!(r#","resultType":"{result_type}","_meta":{{"{SERVER_INFO_KEY}":{implementation}}}"#)
}

/// Questions as a result, which only the stateless revision has.
fn input_required(
    service: &Service,
    requests: Map<String, Value>,
    state: Option<String>,
) -> ResultMessage {
    let mut members = format!(r#""inputRequests":{}"#, Value::Object(requests));
    if let Some(state) = state {
        members.push_str(&format!(r#","requestState":{}"#, Value::from(state)));
    }
    let end = modern_end(service, "input_required");
    ResultMessage::of(&format!("{{{members}{end}}}"))
}

/// What is said instead of a message that the client's event stream cannot take.
fn too_large(
    service: &Service,
    id: &Value,
    revision: Revision,
    method: &str,
    bytes: usize,
) -> Reply {
    let text = format!(
        "the answer has {bytes} bytes, more than a client takes in one message (1 MiB); ask for less: a lower limit, fewer days or fewer properties"
    );
    let answer = match method {
        "tools/call" => {
            let facts = [("kind", "answer_too_large".into()), ("bytes", bytes.into())];
            let facts = facts.map(|(name, fact)| (name.to_owned(), fact));
            let result = ToolResult::failure(text, Map::from_iter(facts));
            Ok(finish_tool(service, revision, result))
        }
        _ => Err(Fault::new(jsonrpc::INTERNAL_ERROR, text)),
    };
    reply(id, revision, answer)
}

/// Every list is one page, so no cursor is ours.
fn check_cursor(params: &Map<String, Value>) -> Result<(), Fault> {
    match params.get("cursor") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(Fault::new(
            jsonrpc::INVALID_PARAMS,
            "there is no such cursor; the list is one page",
        )),
    }
}

fn required_text<'a>(params: &'a Map<String, Value>, name: &str) -> Result<&'a str, Fault> {
    params.get(name).and_then(Value::as_str).ok_or_else(|| {
        Fault::new(
            jsonrpc::INVALID_PARAMS,
            format!("`{name}` must be a string"),
        )
    })
}

fn named(method: &str, params: &Map<String, Value>) -> String {
    match (method, params.get("name").and_then(Value::as_str)) {
        ("tools/call" | "prompts/get", Some(name)) => format!("{method} {}", era::in_short(name)),
        _ => method.to_owned(),
    }
}

fn told(answer: &Result<ResultMessage, Fault>, cancellation: &Cancellation) -> &'static str {
    match answer {
        _ if cancellation.is_cancelled() => "was cancelled",
        Ok(_) => "was answered",
        Err(_) => "was refused",
    }
}
