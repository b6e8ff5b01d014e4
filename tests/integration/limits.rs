//! The server's limits, as they are set: what is said when one is reached, and that others are served meanwhile.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::server::HttpAnswer;
use crate::support::{Answer, Pace, TestServer, Upstream};

const STREAMS: (&str, &str) = ("accept", "application/json, text/event-stream");
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A call of its own: writes are never kept nor merged.
fn write(id: usize) -> String {
    let events = json!([{"event": "Seen", "properties": {"distinct_id": "ann"}}]);
    let arguments = json!({"project_id": "12345", "events": events});
    let params = json!({"name": "mixpanel_import_events", "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
}

/// What needs no worker is answered within a second.
#[track_caller]
fn assert_quick(server: &TestServer) {
    for (method, member) in [("ping", None), ("tools/list", Some("tools"))] {
        let begun = Instant::now();
        let result = server.rpc(method, json!({}))["result"].take();
        assert!(
            member.is_none_or(|member| result[member].is_array()),
            "{result}"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "{method}: {:?}",
            begun.elapsed()
        );
    }
    let begun = Instant::now();
    assert_eq!(server.send("GET", "/health", &[], "").status, 200);
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[track_caller]
fn assert_full(answer: &HttpAnswer) {
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("1")),
        "{answer:?}"
    );
}

/// Sends these bytes on a connection of its own; gives all that comes back.
fn exchanged(server: &TestServer, bytes: &[u8]) -> String {
    let url = server.url();
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Who is refused early may not be able to send all of it.
    let _ = stream.write_all(bytes);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn while_all_workers_are_busy_quick_requests_are_answered_and_one_call_too_many_is_503() {
    let pace = Pace::new();
    let given = pace.clone();
    let upstream = Upstream::answering(move |_, _| {
        let body = json!({"code": 200, "num_records_imported": 1, "status": "OK"});
        Answer::json(200, &body).paced(&given)
    });
    let server =
        TestServer::start_before(&upstream.url(), &["--workers", "2", "--waiting-calls", "3"]);
    thread::scope(|scope| {
        let (sender, answers) = channel();
        for id in 0..8 {
            let (server, sender) = (&server, sender.clone());
            scope.spawn(move || {
                let answer = server.post("/mcp", &[STREAMS], &write(id));
                sender.send(answer).unwrap();
            });
        }
        // Two run and three wait.
        for _ in 0..3 {
            assert_full(&answers.recv_timeout(PATIENCE).unwrap());
        }
        assert!(upstream.received(1));
        assert_quick(&server);
        assert_full(&server.post("/mcp", &[STREAMS], &write(8)));
        let nothing = answers.recv_timeout(Duration::ZERO).unwrap_err();
        assert_eq!(nothing, RecvTimeoutError::Timeout);
        assert_eq!(upstream.requests().len(), 2);

        pace.finish();
        for _ in 0..5 {
            let answer = answers.recv_timeout(PATIENCE).unwrap();
            assert_eq!(answer.status, 200);
        }
    });
    assert_eq!(upstream.requests().len(), 5);
}

#[test]
fn a_hundred_hanging_calls_do_not_delay_others_and_end_with_their_clients() {
    let upstream = Upstream::answering(|_, _| Answer::hang());
    let server = TestServer::before(&upstream.url());
    let url = server.url();
    let address = url.strip_prefix("http://").unwrap();
    let clients: Vec<TcpStream> = (0..100)
        .map(|id| {
            let body = write(id);
            let mut client = TcpStream::connect(address).unwrap();
            let head = format!(
                "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            client.write_all((head + &body).as_bytes()).unwrap();
            client
        })
        .collect();
    assert!(upstream.received(99));
    assert_quick(&server);

    drop(clients);

    for nth in 0..100 {
        assert!(upstream.closed_by_peer(nth), "{nth}");
    }
}

#[test]
fn a_call_that_lasts_on_a_stream_of_the_first_revision_does_not_delay_others_there() {
    let upstream = Upstream::answering(|_, _| Answer::hang());
    let server = TestServer::start_before(&upstream.url(), &["--workers", "1"]);
    let mut stream = server.stream("GET", "/sse", &[], "");
    let address = stream.next().unwrap().data;
    assert_eq!(server.post(&address, &[], &write(1)).status, 202);
    assert!(upstream.received(0));
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    assert_eq!(server.post(&address, &[], &ping.to_string()).status, 202);
    assert_eq!(stream.message()["id"], 2);
}

#[test]
fn more_streams_than_are_set_are_503() {
    let server = TestServer::start(&["--sandbox", "--streams", "1"], &[]);
    let mut first = server.stream("GET", "/sse", &[], "");
    assert_eq!(first.next().unwrap().name, "endpoint");
    assert_full(&server.send("GET", "/sse", &[], ""));
}

#[test]
fn the_gate_keeps_the_limits_that_are_set() {
    let flags = [
        "--sandbox",
        "--head-bytes=1024",
        "--head-fields=16",
        "--head-seconds=1",
        "--body-bytes=1024",
        "--body-seconds=1",
        "--idle-seconds=1",
    ];
    let server = TestServer::start(&flags, &[]);
    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\n";
    let long = format!("{head}x: {}\r\n\r\n", "x".repeat(1024));
    let many = format!("{head}{}\r\n", "x: y\r\n".repeat(16));
    let large = format!("{head}content-length: 1025\r\n\r\n");
    let unfinished = format!("{head}content-length: 9\r\n\r\nab");
    for (sent, status) in [
        (long.as_str(), "431"),
        (&many, "431"),
        (&large, "413"),
        (&unfinished, "408"),
        (head, "408"),
    ] {
        let answer = exchanged(&server, sent.as_bytes());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    assert_eq!(exchanged(&server, b""), "");
}

#[test]
fn one_connection_more_than_is_set_is_503() {
    let server = TestServer::start(&["--sandbox", "--connections", "1"], &[]);
    let url = server.url();
    let address = url.strip_prefix("http://").unwrap();
    let health = format!("GET /health HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let mut first = TcpStream::connect(address).unwrap();
    first.set_read_timeout(Some(PATIENCE)).unwrap();
    first.write_all(health.as_bytes()).unwrap();
    first.read_exact(&mut [0; 12]).unwrap();
    let second = exchanged(&server, health.as_bytes());
    assert!(second.starts_with("HTTP/1.1 503 "), "{second}");
    assert!(second.contains("\r\nRetry-After: 1\r\n"), "{second}");
}

#[test]
fn an_answer_that_takes_longer_than_is_set_is_504_and_its_call_is_cancelled() {
    let upstream = Upstream::answering(|_, _| Answer::hang());
    let server = TestServer::start_before(&upstream.url(), &["--answer-seconds", "1"]);
    let body = write(1);
    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let answer = exchanged(&server, request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(upstream.closed_by_peer(0));
    assert_eq!(server.rpc("ping", json!({}))["result"], json!({}));
}
