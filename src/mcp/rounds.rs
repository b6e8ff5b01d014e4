//! Questions in the middle of a call. A handler that needs an answer gives the questions as its outcome and is run again
//! with the answers. In revision 2026-07-28 the client does that, in a second request; for the revisions before it is
//! done here, with requests on the call's stream. So a handler knows one way only, and holds nothing while a user thinks.

use serde_json::{Map, Value};

use super::call::{Call, ClientSide};
use super::jsonrpc::{self, Fault};
use super::questions::Unanswered;
use super::result::Outcome;

/// The most rounds of questions in one call on a stream.
const ROUNDS_MAX: usize = 8;

/// Runs a handler to its outcome. To a client of a revision with a handshake that is never a question.
pub(super) fn run<T>(
    call: &Call,
    handler: impl Fn(&Call) -> Result<Outcome<T>, Fault>,
) -> Result<Outcome<T>, Fault> {
    let mut call = call.clone();
    for _ in 0..=ROUNDS_MAX {
        let (requests, state) = match handler(&call)? {
            Outcome::InputRequired { requests, state } if call.revision().is_legacy() => {
                (requests, state)
            }
            outcome => return Ok(outcome),
        };
        let client = call.client();
        if let Some(why) = &client.unanswered {
            return Err(without_answer(why));
        }
        let round = match answers(&call, requests) {
            Ok(input_responses) => ClientSide {
                capabilities: client.capabilities.clone(),
                input_responses,
                request_state: state,
                unanswered: None,
            },
            // Nobody will read what the handler says now.
            Err(Unanswered::Cancelled) => return Err(without_answer("the call was cancelled")),
            Err(why) => ClientSide {
                unanswered: Some(why.to_string()),
                ..ClientSide::default()
            },
        };
        call = call.in_round(round);
    }
    Err(without_answer("there are too many questions in one call"))
}

/// The answers, by the keys of what is asked: one question after the other, as a user takes them.
fn answers(call: &Call, requests: Map<String, Value>) -> Result<Map<String, Value>, Unanswered> {
    let answered = |(key, request): (String, Value)| Ok((key, call.ask(&request)?));
    requests.into_iter().map(answered).collect()
}

fn without_answer(why: &str) -> Fault {
    let message = format!("this needs an answer from the client: {why}");
    Fault::new(jsonrpc::INTERNAL_ERROR, message)
}
