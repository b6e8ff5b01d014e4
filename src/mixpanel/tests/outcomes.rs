//! What an answer is taken for: its status, its words, its size, its shape.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::loopback::{Act, Loopback, answer, json, project, status};
use crate::mixpanel::{Barrier, Error, Region, Stop};

#[track_caller]
fn check(act: Act, expected: Error) {
    let mixpanel = Loopback::acting(vec![act]);
    let error = mixpanel.clients(Stop::new()).query.event_names(
        &project(),
        crate::mixpanel::CountType::General,
        None,
    );
    assert_eq!(error, Err(expected));
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn each_refusal_is_told_with_mixpanels_words() {
    let words = || Some("why".to_owned());
    let body = r#"{"error": "why", "request": "/api/query/events?secret=1"}"#;
    check(
        status(400, body),
        Error::BadRequest {
            status: 400,
            words: words(),
        },
    );
    check(
        status(401, body),
        Error::Unauthorized {
            oauth: false,
            words: words(),
        },
    );
    check(status(402, body), Error::PaymentRequired { words: words() });
    check(
        status(403, body),
        Error::Forbidden {
            barrier: Barrier::Unknown,
            words: words(),
        },
    );
    check(status(404, body), Error::NotFound { words: words() });
    check(status(413, body), Error::TooLarge { words: words() });
    check(
        status(422, body),
        Error::BadRequest {
            status: 422,
            words: words(),
        },
    );
    check(
        status(500, body),
        Error::ServerFault {
            status: 500,
            words: words(),
        },
    );
}

#[test]
fn a_project_of_another_region_is_told_apart_whatever_the_status() {
    let words = "Invalid project id for cluster";
    let expected = Error::WrongCluster {
        region: Region::Us,
        found: None,
        words: Some(words.into()),
    };
    check(
        status(400, &format!(r#"{{"error": "{words}"}}"#)),
        expected.clone(),
    );
    check(status(403, words), expected);
}

#[test]
fn a_redirect_is_told_and_not_followed() {
    let redirect = answer(302, "location: http://127.0.0.1:1/login\r\n", b"");
    check(redirect, Error::Redirected { status: 302 });
}

#[test]
fn a_refusal_with_a_good_status_is_a_refusal() {
    let refused = |words: Option<&str>| Error::RefusedUnder200 {
        words: words.map(Into::into),
    };
    check(
        json(r#"{"status": "error", "error": "no"}"#),
        refused(Some("no")),
    );
    check(
        json(r#"{"status": 0, "error": "bad token"}"#),
        refused(Some("bad token")),
    );
    check(json("0\n"), refused(None));
}

#[test]
fn a_list_of_the_word_error_is_an_answer() {
    let mixpanel = Loopback::acting(vec![json(r#"["error"]"#)]);
    let values =
        mixpanel
            .clients(Stop::new())
            .query
            .property_values(&project(), "Buy", "status", None);
    assert_eq!(values.unwrap(), ["error"]);
}

#[test]
fn a_web_page_and_other_bytes_are_not_an_answer() {
    check(
        status(200, "<html>Sign in</html>"),
        Error::NotJson { html: true },
    );
    check(status(200, "[\"a\", "), Error::NotJson { html: false });
    check(
        status(500, "<html>Oops</html>"),
        Error::ServerFault {
            status: 500,
            words: None,
        },
    );
}

#[test]
fn a_wrong_shape_names_what_was_expected() {
    check(
        json(r#"{"names": []}"#),
        Error::WrongShape {
            expected: "a list of event names",
        },
    );
}

#[test]
fn an_answer_over_the_limit_is_not_read_on() {
    let bytes_max = 1024 * 1024;
    let body = format!("\"{}\"", "x".repeat(bytes_max as usize));
    let mixpanel = Loopback::acting(vec![answer(
        200,
        "content-encoding: gzip\r\n",
        &gzip(&body),
    )]);
    let error = mixpanel
        .clients(Stop::new())
        .ingestion
        .import(&project(), &[] as &[serde_json::Value])
        .unwrap_err();
    assert_eq!(error, Error::AnswerTooLarge { bytes_max });
}

#[test]
fn gzip_is_asked_for_and_unpacked() {
    let mixpanel = Loopback::acting(vec![answer(
        200,
        "content-encoding: gzip\r\n",
        &gzip("[\"Buy\"]"),
    )]);
    let names = mixpanel.clients(Stop::new()).query.event_names(
        &project(),
        crate::mixpanel::CountType::General,
        None,
    );
    assert_eq!(names.unwrap(), ["Buy"]);
    assert!(
        mixpanel
            .request()
            .to_lowercase()
            .contains("accept-encoding: gzip")
    );
}

#[test]
fn the_callers_secret_is_in_no_error() {
    let mixpanel = Loopback::acting(vec![status(401, "unknown user user:s3cret with t0ken")]);
    let error = mixpanel.clients(Stop::new()).app.me().unwrap_err();
    assert_eq!(
        error.mixpanel_message(),
        Some("unknown user user:[redacted] with [redacted]")
    );
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}

#[test]
fn a_request_is_signed_and_says_who_sends_it() {
    let mixpanel = Loopback::acting(vec![json("[]")]);
    mixpanel
        .clients(Stop::new())
        .query
        .funnels_list(&project())
        .unwrap();
    let request = mixpanel.request().to_lowercase();
    assert!(
        request.contains("authorization: basic dxnlcjpzm2nyzxq=\r\n"),
        "{request}"
    );
    let agent = concat!(
        "user-agent: mixpanel-mcp-server/",
        env!("CARGO_PKG_VERSION"),
        "\r\n"
    );
    assert!(request.contains(agent), "{request}");
}
