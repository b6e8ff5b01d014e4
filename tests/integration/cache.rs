//! Answers that are given again, and equal questions that are asked once.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;

use serde_json::{Value, json};

use crate::support::{Answer, Pace, TestServer, Upstream};

fn numbered() -> Upstream {
    Upstream::answering(|request, nth| match request.path.as_str() {
        "/api/2.0/export" => Answer::text(200, "{\"event\":\"Buy\",\"properties\":{}}\n"),
        _ => Answer::json(200, &json!([format!("answer {nth}")])),
    })
}

fn keeping(upstream: &Upstream) -> TestServer {
    TestServer::before_with(&upstream.url(), &[("MIXPANEL_CACHE_SECONDS", "60")])
}

#[track_caller]
fn first(data: &Value) -> &str {
    data["events"][0].as_str().unwrap()
}

#[test]
fn an_equal_question_gets_the_kept_answer_with_its_age_and_fresh_asks_anew() {
    let mixpanel = numbered();
    let server = keeping(&mixpanel);

    let asked = server.data("mixpanel_list_events", json!({}));
    let kept = server.data("mixpanel_list_events", json!({"project_id": "12345"}));
    let fresh = server.data("mixpanel_list_events", json!({"fresh": true}));
    let again = server.data("mixpanel_list_events", json!({}));

    assert_eq!(
        [&asked, &kept, &fresh, &again].map(first),
        ["answer 0", "answer 0", "answer 1", "answer 1"]
    );
    assert_eq!(
        (asked.get("cached_age_s"), fresh.get("cached_age_s")),
        (None, None)
    );
    assert!(kept["cached_age_s"].as_u64().unwrap() < 30);
    assert_eq!(mixpanel.requests().len(), 2);
}

#[test]
fn nobody_is_answered_from_anothers_question() {
    let mixpanel = numbered();
    let server = keeping(&mixpanel);
    let mut answers = Vec::new();
    for (account, region, project) in [
        ("ann:1", "us", "1"),
        ("ann:2", "us", "1"),
        ("bob:1", "us", "1"),
        ("ann:1", "eu", "1"),
        ("ann:1", "us", "2"),
        ("ann:1", "us", "1"),
    ] {
        let answer = server.call_with(
            &[("x-auth-token", account), ("x-mixpanel-region", region)],
            "mixpanel_list_events",
            json!({"project_id": project}),
        );
        answers.push(first(&answer.data).to_owned());
    }
    assert_eq!(
        answers,
        [
            "answer 0", "answer 1", "answer 2", "answer 3", "answer 4", "answer 0"
        ]
    );
}

#[test]
fn equal_questions_on_their_way_are_asked_once() {
    let pace = Pace::new();
    let mixpanel = Upstream::answering({
        let pace = pace.clone();
        move |_, nth| Answer::json(200, &json!([format!("answer {nth}")])).paced(&pace)
    });
    let server = keeping(&mixpanel);
    thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| server.data("mixpanel_list_events", json!({}))))
            .collect();
        assert!(mixpanel.received(0));
        pace.finish();
        for call in calls {
            assert_eq!(first(&call.join().unwrap()), "answer 0");
        }
    });
    assert_eq!(mixpanel.requests().len(), 1);
}

#[test]
fn when_the_one_who_asks_leaves_another_still_gets_an_answer() {
    let pace = Pace::new();
    let mixpanel = Upstream::answering({
        let pace = pace.clone();
        move |_, nth| match nth {
            0 => Answer::hang(),
            _ => Answer::json(200, &json!([format!("answer {nth}")])).paced(&pace),
        }
    });
    let server = keeping(&mixpanel);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "mixpanel_list_events", "arguments": {}}}).to_string();
    let address = server.url();
    let address = address.trim_start_matches("http://");
    let mut leaving = TcpStream::connect(address).unwrap();
    write!(
        leaving,
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    assert!(mixpanel.received(0));
    thread::scope(|scope| {
        let staying = scope.spawn(|| server.data("mixpanel_list_events", json!({})));
        drop(leaving);
        assert!(mixpanel.received(1));
        pace.finish();
        assert_eq!(first(&staying.join().unwrap()), "answer 1");
    });
    assert!(mixpanel.closed_by_peer(0));
}

#[test]
fn what_was_just_tracked_is_seen_at_once() {
    let server = TestServer::sandbox();
    let count = || {
        let arguments = json!({"event": "cache: seen", "from_date": "7d", "to_date": "today"});
        server.data("mixpanel_get_event_count", arguments)["total"].clone()
    };
    assert_eq!(count(), 0);
    server.data(
        "mixpanel_track_event",
        json!({"event": "cache: seen", "distinct_id": "u1"}),
    );
    assert_eq!(count(), 1);
}

#[test]
fn failures_and_exports_are_never_kept() {
    let mixpanel = Upstream::answering(|request, nth| match (request.path.as_str(), nth) {
        ("/api/app/me", _) => Answer::json(403, &json!({"error": "no"})),
        (_, 0) => Answer::json(400, &json!({"error": "hm"})),
        ("/api/2.0/export", _) => Answer::text(200, "{\"event\":\"Buy\",\"properties\":{}}\n"),
        _ => Answer::json(200, &json!(["Buy"])),
    });
    let server = keeping(&mixpanel);
    assert_eq!(
        server.failure("mixpanel_list_events", json!({}))["kind"],
        "bad_request"
    );
    assert_eq!(
        first(&server.data("mixpanel_list_events", json!({}))),
        "Buy"
    );
    let days = json!({"from_date": "2026-01-01", "to_date": "2026-01-02"});
    for _ in 0..2 {
        let data = server.data("mixpanel_query_events", days.clone());
        assert_eq!(data.get("cached_age_s"), None);
    }
    let exports = mixpanel
        .requests()
        .iter()
        .filter(|request| request.path == "/api/2.0/export")
        .count();
    assert_eq!(exports, 2);
}

#[test]
fn zero_seconds_or_bytes_keep_nothing() {
    for variables in [
        [
            ("MIXPANEL_CACHE_SECONDS", "0"),
            ("MIXPANEL_CACHE_BYTES", "16777216"),
        ],
        [
            ("MIXPANEL_CACHE_SECONDS", "60"),
            ("MIXPANEL_CACHE_BYTES", "0"),
        ],
    ] {
        let mixpanel = numbered();
        let server = TestServer::before_with(&mixpanel.url(), &variables);
        for nth in 0..2 {
            assert_eq!(
                first(&server.data("mixpanel_list_events", json!({}))),
                format!("answer {nth}")
            );
        }
    }
}
