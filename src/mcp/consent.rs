//! What destroys asks first. A client that can put a question to its user is asked to, and the call comes again with
//! the answer; else the call must name what will be lost.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::call::Call;
use super::shape::{Field, Shape};
use super::tool::Failure;

/// The argument that every destroying tool takes.
pub(super) const CONFIRM: Field = Field {
    name: "confirm",
    about: "Name of what will be lost, once the user agreed.",
    shape: Shape::Text { max: 255 },
    required: false,
};

/// The key of the one question that is asked.
const QUESTION: &str = "confirm";

/// What a call would destroy.
#[derive(Debug)]
pub struct Loss {
    /// The name of the thing, which `confirm` must equal.
    pub name: String,
    /// What exactly will be lost, as the end of "this will …": `delete annotation 7 ("launch") for good`.
    pub what: String,
}

/// Whether a call may destroy.
pub(super) enum Consent {
    /// Yes.
    Given,
    /// The client is to ask its user.
    Ask {
        /// The question, by its key.
        requests: Map<String, Value>,
        /// Ties the answer to this call and no other.
        state: String,
    },
    /// No; why, and how to get it.
    Withheld(Failure),
}

/// Whether this call of a tool with these arguments may go on.
pub(super) fn consent(call: &Call, tool: &str, arguments: &Value, loss: &Loss) -> Consent {
    let Loss { name, what } = loss;
    match arguments.get(CONFIRM.name).and_then(Value::as_str) {
        Some(given) if given == name => return Consent::Given,
        Some(given) => {
            let text = format!(
                "confirm is {given:?}, but this will {what}: it must be {name:?}; nothing was done"
            );
            return Consent::Withheld(
                Failure::new("not_confirmed", text).with("confirm", name.as_str()),
            );
        }
        None => (),
    }
    let state = digest(tool, arguments, loss);
    let answer = call.client().input_responses.get(QUESTION);
    if let Some(answer) = answer.filter(|_| call.client().request_state.as_ref() == Some(&state)) {
        let accepted = answer.get("action").and_then(Value::as_str) == Some("accept")
            && answer.pointer("/content/confirm") == Some(&Value::Bool(true));
        return match accepted {
            true => Consent::Given,
            false => {
                let text =
                    format!("the user did not agree to {what}; nothing was done, do not ask again");
                Consent::Withheld(Failure::new("declined", text))
            }
        };
    }
    if call.can_ask() {
        let question = json!({
            "method": "elicitation/create",
            "params": {
                "message": format!("This will {what}. Go on?"),
                "requestedSchema": {
                    "type": "object",
                    "properties": {
                        "confirm": {"type": "boolean", "title": format!("Yes, {what}"), "default": false},
                    },
                    "required": ["confirm"],
                },
            },
        });
        let requests = Map::from_iter([(QUESTION.to_owned(), question)]);
        return Consent::Ask { requests, state };
    }
    let unanswered = call.client().unanswered.as_ref();
    let why = unanswered.map_or(String::new(), |why| format!("{why}; "));
    let text = format!(
        "{why}this will {what}; ask the user, and if they agree call again with confirm={name:?}; nothing was done"
    );
    Consent::Withheld(Failure::new("not_confirmed", text).with("confirm", name.as_str()))
}

/// Of the call as it was asked about: a changed call is asked about anew. Keyed, so that a client cannot make it.
fn digest(tool: &str, arguments: &Value, loss: &Loss) -> String {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    let of = (tool, arguments.to_string(), &loss.name, &loss.what);
    format!("{:016x}", KEY.get_or_init(RandomState::new).hash_one(of))
}
