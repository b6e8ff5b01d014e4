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
    let by_files = Specification::at_hand().and_then(|files| files.faults(operation, exchange));
    let by_files = by_files.into_iter().flatten();
    faults.extend(by_files.map(|fault| format!("in Mixpanel's file: {fault}")));
    let is_good =
        answer.status == operation.answer.status && faults.is_empty() && !found.is_error();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::RecordedRequest;

    const NAMES: &str = "/api/query/events/names?project_id=1&type=general";
    const RETENTION: &str = "/api/query/retention?project_id=1";
    const TAGS: &str = "/api/app/projects/1/annotations/tags";

    fn verdict(method: &str, target: &str, status: u16, content_type: &str, body: &str) -> Verdict {
        let wire = format!("{method} {target} HTTP/1.1\r\nHost: mixpanel\r\n\r\n");
        let request = RecordedRequest::read(&mut wire.as_bytes());
        judge(&Exchange {
            request: request.unwrap().unwrap(),
            answer: RecordedAnswer {
                status,
                content_type: content_type.into(),
                body: body.into(),
            },
        })
    }

    /// Checks that an answer in JSON has just these deviations.
    #[track_caller]
    fn check(method: &str, target: &str, (status, body): (u16, &str), expected: &[&str]) {
        let verdict = verdict(method, target, status, JSON, body);
        let mut told = verdict.faults;
        // The files say the same in other words, where they are at hand.
        told.retain(|fault| !fault.starts_with("in Mixpanel's file"));
        assert_eq!(told, expected, "{method} {target}: {status} {body}");
    }

    #[test]
    fn an_answer_of_another_form_is_told() {
        check(
            "GET",
            NAMES,
            (200, r#"["a", 1]"#),
            &["body[1]: must be a string, got 1"],
        );
        check(
            "GET",
            NAMES,
            (200, "["),
            &["body: is not JSON: EOF while parsing a list at line 1 column 1"],
        );
        check("GET", NAMES, (201, "[]"), &["status 201: not documented"]);
        check("GET", NAMES, (400, r#"{"error": "no"}"#), &[]);
        check("GET", NAMES, (402, "{}"), &["body.error: missing"]);
        check(
            "GET",
            TAGS,
            (
                200,
                r#"{"status": "ok", "results": [{"id": 1, "name": "a", "project_id": 1, "has_annotations": true, "color": 1}]}"#,
            ),
            &["body.results[0].color: unknown"],
        );
        check(
            "GET",
            TAGS,
            (403, r#"{"status": "no", "error": "a"}"#),
            &["body.status: must be one of error, got \"no\""],
        );
        check(
            "GET",
            TAGS,
            (404, r#"{"error": "a"}"#),
            &["body.status: missing"],
        );
        check(
            "DELETE",
            "/api/app/data-deletions/v3.0/1?token=a",
            (204, "{}"),
            &["body: none belongs here"],
        );
        check(
            "GET",
            "/api/app/none",
            (200, "{}"),
            &["answers what is documented nowhere"],
        );

        let told = verdict("GET", NAMES, 200, "text/html", "[]").faults;
        assert_eq!(
            told[0],
            "content type: must be one of application/json, got text/html"
        );
    }

    #[test]
    fn what_some_parameter_changes_is_held_to_its_own_form() {
        let (flat, split) = (
            r#"{"2026-01-01": {"counts": [1], "first": 1}}"#,
            r#"{"2026-01-01": {"pro": {"counts": [1], "first": 1}}}"#,
        );
        let on = format!("{RETENTION}&on=plan");
        check("GET", RETENTION, (200, flat), &[]);
        check("GET", &on, (200, split), &[]);
        check(
            "GET",
            &on,
            (200, flat),
            &[
                "body.2026-01-01.counts: must be an object, got [1]",
                "body.2026-01-01.first: must be an object, got 1",
            ],
        );
        assert!(!verdict("GET", RETENTION, 200, JSON, flat).is_variant);
        assert!(verdict("GET", &on, 200, JSON, split).is_variant);
    }

    #[test]
    fn an_answer_is_good_only_when_it_says_so_and_full_only_when_it_shows_all() {
        for (method, target, status, content_type, body, expected) in [
            ("GET", NAMES, 200, JSON, r#"["a"]"#, (true, true)),
            ("GET", NAMES, 200, JSON, "[]", (true, false)),
            ("GET", NAMES, 200, JSON, "[1]", (false, false)),
            ("GET", NAMES, 400, JSON, r#"{"error": "a"}"#, (false, false)),
            ("POST", "/engage", 200, "text/plain", "1", (true, true)),
            ("POST", "/engage", 200, "text/plain", "0", (false, false)),
            (
                "POST",
                "/engage",
                200,
                JSON,
                r#"{"status": 0, "error": "a"}"#,
                (false, false),
            ),
            (
                "GET",
                "/api/app/workspaces/1/experiments",
                200,
                JSON,
                r#"{"status": "error", "type": "a", "error": "b"}"#,
                (false, false),
            ),
        ] {
            let verdict = verdict(method, target, status, content_type, body);
            assert_eq!(
                (verdict.is_good, verdict.is_full),
                expected,
                "{target}: {body}"
            );
        }
    }
}
