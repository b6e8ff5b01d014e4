//! The check of one recorded answer against the table and, where they are at hand, Mixpanel's OpenAPI files.

use serde_json::{Value, json};

use super::checking::operation_of;
use super::kind::Kind;
use super::openapi::Specification;
use super::operation::{JSON, Medium, Operation};
use crate::support::{Exchange, RecordedAnswer, RecordedRequest};

/// What an answer says about its operation.
pub(crate) struct Verdict {
    /// The operation that was asked; `None` where none is documented.
    pub(crate) operation: Option<&'static str>,
    /// The answer is another than the files know, for a parameter that the request has.
    pub(crate) is_variant: bool,
    /// Every deviation of the answer from what is documented.
    pub(crate) faults: Vec<String>,
    /// All went well, and the answer says so.
    pub(crate) is_good: bool,
    /// It is good, and shows something in each place that must be there: none of its lists is empty.
    pub(crate) is_full: bool,
}

/// Judges an answer by the request that it is for.
pub(crate) fn judge(exchange: &Exchange) -> Verdict {
    let Exchange { request, answer } = exchange;
    let Some(operation) = operation_of(request) else {
        return Verdict {
            operation: None,
            is_variant: false,
            faults: vec!["answers what is documented nowhere".into()],
            is_good: false,
            is_full: false,
        };
    };
    let mut faults = Vec::new();
    let found = match expected(operation, request, answer.status) {
        Some(media) => read(&media, answer, &mut faults),
        None => {
            faults.push(format!("status {}: not documented", answer.status));
            Found::Unreadable
        }
    };
    let is_good =
        answer.status == operation.answer.status && faults.is_empty() && !found.is_error();
    let by_files = Specification::at_hand().and_then(|files| files.faults(operation, exchange));
    let by_files = by_files.into_iter().flatten();
    faults.extend(by_files.map(|fault| format!("in Mixpanel's file: {fault}")));
    Verdict {
        operation: Some(operation.id),
        is_variant: is_answered_otherwise(operation, request),
        faults,
        is_good,
        is_full: is_good && found.is_full(),
    }
}

/// Whether the request has a parameter with which its answer is another than the files know.
pub(super) fn is_answered_otherwise(operation: &Operation, request: &RecordedRequest) -> bool {
    let parameter = operation.answer_with.map(|(parameter, _)| parameter);
    parameter.is_some_and(|parameter| request.param(parameter).is_some())
}

/// What may stand in an answer with this status; `None` where no answer has it.
fn expected(
    operation: &'static Operation,
    request: &RecordedRequest,
    status: u16,
) -> Option<Vec<Medium>> {
    if status == operation.answer.status {
        let otherwise = operation
            .answer_with
            .filter(|_| is_answered_otherwise(operation, request));
        let media = otherwise.map_or(operation.answer.media, |(_, media)| media);
        return Some(media.to_vec());
    }
    let mut refusals = operation.refusals.iter();
    let documented = refusals.find(|(known, _)| *known == status);
    let kind = documented.map(|(_, kind)| *kind);
    let kind = kind.or_else(|| (status >= 400).then(|| operation.api.refusal()));
    Some(vec![(JSON, kind?)])
}

/// A body as the table speaks of it.
enum Found {
    Nothing,
    Text(Kind, String),
    Json(Kind, Value),
    /// The fault is noted.
    Unreadable,
}

impl Found {
    /// Errors come with good statuses too.
    fn is_error(&self) -> bool {
        match self {
            Found::Text(_, text) => text == "0",
            Found::Json(_, value) => [json!("error"), json!(0)].contains(&value["status"]),
            Found::Nothing | Found::Unreadable => false,
        }
    }

    fn is_full(&self) -> bool {
        match self {
            Found::Nothing => true,
            Found::Text(kind, text) => kind.is_shown_by(&text.as_str().into()),
            Found::Json(kind, value) => kind.is_shown_by(value),
            Found::Unreadable => false,
        }
    }
}

/// Reads the body as one of `media`, and notes what is wrong with it.
fn read(media: &[Medium], answer: &RecordedAnswer, faults: &mut Vec<String>) -> Found {
    if media.is_empty() {
        if !answer.body.is_empty() {
            faults.push("body: none belongs here".into());
        }
        return Found::Nothing;
    }
    let known = media
        .iter()
        .find(|(medium, _)| *medium == answer.content_type);
    let Some((medium, kind)) = known else {
        let names: Vec<&str> = media.iter().map(|(medium, _)| *medium).collect();
        faults.push(format!(
            "content type: must be one of {}, got {}",
            names.join(", "),
            answer.content_type
        ));
        return Found::Unreadable;
    };
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    if *medium != JSON {
        kind.check_text("body", &text, faults);
        return Found::Text(*kind, text);
    }
    match serde_json::from_str(&text) {
        Ok(value) => {
            kind.check_value("body", &value, faults);
            Found::Json(*kind, value)
        }
        Err(error) => {
            faults.push(format!("body: is not JSON: {error}"));
            Found::Unreadable
        }
    }
}
