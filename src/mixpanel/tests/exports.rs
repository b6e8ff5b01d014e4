//! Exports line by line: whole ones, broken ones, long ones.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::loopback::{Act, Loopback, answer, january, project, status};
use crate::mixpanel::{Error, ExportQuery, Phase, Stop};

/// The lines up to the end or an error, and the error.
#[track_caller]
fn check(act: Act, expected: &[&str], ending: Result<(), Error>) {
    let mixpanel = Loopback::acting(vec![act]);
    let clients = mixpanel.clients_with(Stop::new(), |config| {
        config.timeouts.export_stall = Duration::from_millis(200);
    });
    let query = ExportQuery {
        range: january(),
        events: &[],
        filter: None,
        limit: None,
        time_in_ms: false,
    };
    let mut lines = clients.export.export(&project(), &query).unwrap();
    let mut given = Vec::new();
    let ended = loop {
        match lines.next_line() {
            Ok(Some(line)) => given.push(String::from_utf8(line.to_vec()).unwrap()),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert_eq!(
        (
            given
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .as_slice(),
            ended
        ),
        (expected, ending)
    );
    assert_eq!(lines.next_line(), Ok(None));
}

#[test]
fn lines_come_one_at_a_time_without_their_ends() {
    check(
        status(200, "{\"a\":1}\n\n{\"b\":2}\r\n"),
        &["{\"a\":1}", "{\"b\":2}"],
        Ok(()),
    );
    check(status(200, ""), &[], Ok(()));
}

#[test]
fn a_last_line_that_is_whole_needs_no_line_end() {
    check(
        status(200, "{\"a\":1}\n{\"b\":2}"),
        &["{\"a\":1}", "{\"b\":2}"],
        Ok(()),
    );
}

#[test]
fn a_half_line_at_the_end_is_an_incomplete_export() {
    check(
        status(200, "{\"a\":1}\n{\"b\":"),
        &["{\"a\":1}"],
        Err(Error::IncompleteExport),
    );
}

#[test]
fn an_export_that_mixpanel_gave_up_is_incomplete() {
    check(
        status(200, "{\"a\":1}\nterminated early"),
        &["{\"a\":1}"],
        Err(Error::IncompleteExport),
    );
    check(
        status(200, "{\"a\":1}\nterminated early\n"),
        &["{\"a\":1}"],
        Err(Error::IncompleteExport),
    );
}

#[test]
fn a_connection_that_breaks_within_an_export_is_a_broken_export() {
    let part = b"HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n{\"a\":1}\n".to_vec();
    check(Act::Break(part), &["{\"a\":1}"], Err(Error::BrokenOff));
}

#[test]
fn a_pause_that_is_too_long_ends_an_export() {
    let part = b"HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n{\"a\":1}\n".to_vec();
    check(
        Act::Hang(part),
        &["{\"a\":1}"],
        Err(Error::TimedOut {
            phase: Phase::Stall,
        }),
    );
}

#[test]
fn a_line_over_the_limit_ends_an_export() {
    let long = format!(
        "{{\"a\":1}}\n{{\"b\":\"{}\"}}\n",
        "x".repeat(2 * 1024 * 1024)
    );
    check(
        status(200, &long),
        &["{\"a\":1}"],
        Err(Error::AnswerTooLarge {
            bytes_max: 2 * 1024 * 1024,
        }),
    );
}

#[test]
fn a_packed_export_is_unpacked_as_it_comes() {
    let lines: Vec<String> = (0..5000)
        .map(|number| format!("{{\"event\":\"{number}\"}}"))
        .collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(lines.join("\n").as_bytes()).unwrap();
    let packed = answer(
        200,
        "content-encoding: gzip\r\n",
        &encoder.finish().unwrap(),
    );
    check(
        packed,
        &lines.iter().map(String::as_str).collect::<Vec<_>>(),
        Ok(()),
    );
}

#[test]
fn a_packed_export_that_ends_early_is_a_broken_export() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"{\"a\":1}\n").unwrap();
    let mut packed = encoder.finish().unwrap();
    packed.truncate(packed.len() - 8);
    check(
        answer(200, "content-encoding: gzip\r\n", &packed),
        &["{\"a\":1}"],
        Err(Error::BrokenOff),
    );
}

#[test]
fn the_first_byte_has_a_limit_of_its_own() {
    let mixpanel = Loopback::acting(vec![Act::Hang(vec![])]);
    let clients = mixpanel.clients_with(Stop::new(), |config| {
        config.timeouts.export_stall = Duration::from_millis(50);
        config.timeouts.export_first_byte = Duration::from_millis(300);
    });
    let query = ExportQuery {
        range: january(),
        events: &[],
        filter: None,
        limit: None,
        time_in_ms: false,
    };
    let error = clients
        .export
        .export(&project(), &query)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        error,
        Error::TimedOut {
            phase: Phase::FirstByte
        }
    );
}

#[test]
fn an_export_asks_for_events_as_a_json_list() {
    let mixpanel = Loopback::acting(vec![status(200, "")]);
    let events = ["Sign up".to_owned()];
    let query = ExportQuery {
        range: january(),
        events: &events,
        filter: Some("properties[\"a\"]==1"),
        limit: Some(10),
        time_in_ms: false,
    };
    mixpanel
        .clients(Stop::new())
        .export
        .export(&project(), &query)
        .unwrap();
    assert_eq!(
        mixpanel.asked(),
        [
            "GET /export?project_id=7&from_date=2025-01-01&to_date=2025-01-31\
          &where=properties%5B%22a%22%5D%3D%3D1&event=%5B%22Sign%20up%22%5D&limit=10"
        ]
    );
}
