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
    let mut rounds = 0;
    loop {
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
        if rounds == ROUNDS_MAX {
            return Err(without_answer("there are too many questions in one call"));
        }
        rounds += 1;
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;

    use super::super::call::{Asker, CallParts, Cancellation, Outlet};
    use super::super::headers::Headers;
    use super::super::questions::Questions;
    use super::super::revision::Revision;
    use super::super::running::Scope;
    use super::*;

    const SCOPE: Scope = Scope::Dialog(1);

    /// A client that answers each form at once with what it was asked.
    struct Echo(Questions);

    impl Outlet for Echo {
        fn send(&self, message: &str) {
            let question: Value = serde_json::from_str(message).unwrap();
            let answer = question["params"]["message"].clone();
            self.0.answer(&SCOPE, &question["id"], Ok(answer));
        }

        fn aside(&self, wait: &mut dyn FnMut()) {
            wait();
        }
    }

    fn call(revision: Revision, capabilities: Value) -> Call {
        let questions = Questions::new(Duration::from_secs(30));
        let parts = CallParts {
            revision,
            headers: Headers::default(),
            cancellation: Cancellation::default(),
            progress_token: None,
            log_level: None,
            client: ClientSide {
                capabilities: capabilities.as_object().cloned().unwrap_or_default(),
                ..ClientSide::default()
            },
            asker: Some(Asker {
                questions: questions.clone(),
                scope: SCOPE,
            }),
            answer_bytes_max: None,
        };
        Call::new(parts, Arc::new(Echo(questions)))
    }

    fn ask<const N: usize>(messages: [&str; N], state: &str) -> Result<Outcome<String>, Fault> {
        let form = |message: &&str| {
            let request = json!({"method": "elicitation/create", "params": {"message": message}});
            ((*message).to_owned(), request)
        };
        Ok(Outcome::InputRequired {
            requests: messages.iter().map(form).collect(),
            state: Some(state.to_owned()),
        })
    }

    #[test]
    fn a_handler_is_run_again_with_all_answers_and_its_state_until_it_is_complete() {
        let call = call(Revision::V2025_06_18, json!({"elicitation": {}}));
        let outcome = run(&call, |call| {
            let client = call.client();
            match client.request_state.as_deref() {
                None => ask(["a", "b"], "first"),
                Some("first") => {
                    let expected = json!({"a": "a", "b": "b"});
                    assert_eq!(Value::from(client.input_responses.clone()), expected);
                    ask(["c"], "second")
                }
                Some(_) => {
                    let answers = Value::from(client.input_responses.clone());
                    Ok(Outcome::Complete(answers.to_string()))
                }
            }
        });
        let Ok(Outcome::Complete(answers)) = outcome else {
            panic!("it is complete")
        };
        assert_eq!(answers, r#"{"c":"c"}"#);
    }

    #[track_caller]
    fn check_ended(call: &Call, runs: usize, why: &str) {
        let count = Cell::new(0);
        let outcome = run(call, |_| {
            count.set(count.get() + 1);
            ask(["again"], "")
        });
        let Err(fault) = outcome else {
            panic!("it never ends")
        };
        assert_eq!(count.get(), runs);
        assert!(fault.message.ends_with(why), "{}", fault.message);
    }

    #[test]
    fn a_handler_that_asks_without_end_or_without_use_is_ended() {
        let asking = json!({"elicitation": {}});
        let endless = call(Revision::V2025_11_25, asking.clone());
        check_ended(&endless, ROUNDS_MAX + 1, "too many questions in one call");
        let deaf = call(Revision::V2025_11_25, json!({"roots": {}}));
        check_ended(&deaf, 2, "the client cannot be asked");
        let left = call(Revision::V2025_11_25, asking);
        left.cancellation().cancel();
        check_ended(&left, 1, "the call was cancelled");
    }

    #[test]
    fn in_the_stateless_revision_the_questions_are_the_outcome() {
        let call = call(Revision::V2026_07_28, json!({"elicitation": {}}));
        let outcome = run(&call, |_| ask(["a"], "state"));
        let Ok(Outcome::InputRequired { requests, state }) = outcome else {
            panic!("it asks")
        };
        assert_eq!(requests["a"]["params"]["message"], "a");
        assert_eq!(state.as_deref(), Some("state"));
    }
}
