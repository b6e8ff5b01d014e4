//! A cancelled call ends, and so does its connection to Mixpanel; nobody cancels the call of another.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;

use serde_json::{Value, json};

use super::{STREAMS, enveloped, notification, request, session};
use crate::support::{Answer, Pace, TestServer, Upstream};

/// A Mixpanel that takes a request and then says nothing.
fn silent() -> Upstream {
    Upstream::answering(|_, _| Answer::hang())
}

fn call(id: impl Into<Value>) -> String {
    // Asked anew: equal questions would be asked once for all.
    let params = json!({"name": "mixpanel_get_projects", "arguments": {"fresh": true}});
    request(id, "tools/call", params)
}

fn cancel(id: impl Into<Value>) -> String {
    let params = json!({"requestId": id.into(), "reason": "the user thought better of it"});
    notification("notifications/cancelled", params)
}

#[test]
fn within_its_session_a_call_is_cancelled_and_its_upstream_connection_closed() {
    let upstream = silent();
    let server = TestServer::before(&upstream.url());
    let held = session(&server, "2025-11-25");
    let headers = [STREAMS, ("mcp-session-id", held.as_str())];

    let answer = thread::scope(|scope| {
        let calling = scope.spawn(|| server.post("/mcp", &headers, &call("a")));
        assert!(upstream.received(0));
        let cancelled = server.post("/mcp", &headers, &cancel("a"));
        assert_eq!((cancelled.status, cancelled.body.as_str()), (202, ""));
        calling.join().unwrap()
    });

    assert!(upstream.closed_by_peer(0));
    // No answer: the stream just ends.
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(!answer.body.contains("data:"), "{answer:?}");
}

#[test]
fn nobody_cancels_the_call_of_another_session() {
    let pace = Pace::new();
    let given = pace.clone();
    let me = json!({"status": "ok", "results": {"projects": {}}});
    let upstream = Upstream::answering(move |_, _| Answer::json(200, &me).paced(&given));
    let server = TestServer::before(&upstream.url());
    let (own, other) = (
        session(&server, "2025-11-25"),
        session(&server, "2025-11-25"),
    );

    let answer = thread::scope(|scope| {
        let headers = [STREAMS, ("mcp-session-id", own.as_str())];
        let server = &server;
        let calling = scope.spawn(move || server.post("/mcp", &headers, &call(7)));
        assert!(upstream.received(0));
        for headers in [
            vec![STREAMS, ("mcp-session-id", other.as_str())],
            vec![STREAMS, ("mcp-session-id", "unknown")],
            vec![STREAMS],
            vec![
                STREAMS,
                ("mcp-session-id", own.as_str()),
                ("mcp-protocol-version", "2026-07-28"),
            ],
        ] {
            assert_eq!(server.post("/mcp", &headers, &cancel(7)).status, 202);
        }
        // Another id of the same session, and the same id as a string.
        let headers = [STREAMS, ("mcp-session-id", own.as_str())];
        for id in [json!(8), json!("7")] {
            assert_eq!(server.post("/mcp", &headers, &cancel(id)).status, 202);
        }
        pace.finish();
        calling.join().unwrap()
    });

    // The whole answer came, so the call went on to its end. Whether the client closes its connection before or after the
    // upstream has noted its last byte says nothing.
    assert_eq!(answer.json()["id"], 7);
    assert_eq!(
        answer.json()["result"]["structuredContent"]["projects"],
        json!([])
    );
}

#[test]
fn over_http_with_sse_a_call_is_cancelled_on_its_own_stream_only() {
    let upstream = silent();
    let server = TestServer::before(&upstream.url());
    let mut streams = [(); 2].map(|()| server.stream("GET", "/sse", &[], ""));
    let [own, other] = streams.each_mut().map(|stream| stream.next().unwrap().data);
    let post = |address: &str, body: &str| assert_eq!(server.post(address, &[], body).status, 202);

    // One after the other: a call is accepted before it is made.
    post(&own, &call(1));
    assert!(upstream.received(0));
    post(&other, &call(1));
    assert!(upstream.received(1));
    post(&own, &cancel(1));
    post(&own, &request(2, "ping", json!({})));

    // No answer to the cancelled call, and the stream goes on.
    assert_eq!(streams[0].message()["id"], 2);
    assert!(upstream.closed_by_peer(0));
    post(&other, &cancel(1));
    assert!(upstream.closed_by_peer(1));
}

#[test]
fn a_stream_that_breaks_ends_its_calls() {
    let upstream = silent();
    let server = TestServer::before(&upstream.url());
    let mut stream = server.stream("GET", "/sse", &[], "");
    let address = stream.next().unwrap().data;
    assert_eq!(server.post(&address, &[], &call(1)).status, 202);
    assert!(upstream.received(0));

    drop(stream);

    assert!(upstream.closed_by_peer(0));
}

#[test]
fn a_client_that_leaves_cancels_its_call_in_every_era() {
    let legacy = (call(1), "mcp-protocol-version: 2025-11-25\r\n");
    let params = enveloped(json!({"name": "mixpanel_get_projects"}));
    let stateless = (
        request(1, "tools/call", params),
        "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: mixpanel_get_projects\r\n",
    );
    for (body, fields) in [legacy, stateless] {
        let upstream = silent();
        let server = TestServer::before(&upstream.url());
        let address = server.url();
        let address = address.strip_prefix("http://").unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\naccept: {}\r\n{fields}content-length: {}\r\n\r\n",
            STREAMS.1,
            body.len()
        );
        client
            .write_all(format!("{head}{body}").as_bytes())
            .unwrap();
        assert!(upstream.received(0));

        drop(client);

        assert!(upstream.closed_by_peer(0), "{fields}");
    }
}

#[test]
fn a_call_that_is_over_can_be_cancelled_without_harm() {
    let server = TestServer::shared();
    let held = session(server, "2025-11-25");
    let headers = [STREAMS, ("mcp-session-id", held.as_str())];
    assert_eq!(server.post("/mcp", &headers, &call(1)).json()["id"], 1);
    for id in [json!(1), json!("never"), Value::Null, json!({})] {
        assert_eq!(server.post("/mcp", &headers, &cancel(id)).status, 202);
    }
    assert_eq!(server.post("/mcp", &headers, &call(1)).json()["id"], 1);
}
