//! The two HTTP transports of the revisions with a handshake, and what else the server answers over HTTP.

use serde_json::{Value, json};

use crate::support::{Answer, Pace, TestServer, Upstream};

const STREAMS: (&str, &str) = ("accept", "application/json, text/event-stream");

fn initialize(revision: &str) -> String {
    let params = json!({
        "protocolVersion": revision,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    });
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string()
}

#[test]
fn health_says_that_the_server_is_up_and_which_version_it_is() {
    let answer = TestServer::shared().send("GET", "/health", &[], "");

    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    let health = answer.json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert!(health["uptime_s"].is_u64());
}

#[test]
fn each_revision_with_a_handshake_is_answered_with_itself_and_a_session() {
    let server = TestServer::shared();
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let answer = server.post("/mcp", &[STREAMS], &initialize(revision));

        assert_eq!(answer.status, 200);
        let result = &answer.json()["result"];
        assert_eq!(result["protocolVersion"], revision);
        assert_eq!(result["serverInfo"]["name"], "mixpanel-mcp-server");
        assert!(result["instructions"].as_str().unwrap().contains("sandbox"));
        assert_eq!(result["capabilities"]["tools"], json!({}));
        assert!(answer.header("mcp-session-id").unwrap().len() >= 32);
    }
}

#[test]
fn a_revision_without_a_handshake_is_answered_with_the_newest_that_has_one() {
    for revision in ["2026-07-28", "2099-01-01"] {
        let answer = TestServer::shared().post("/mcp", &[STREAMS], &initialize(revision));
        assert_eq!(answer.json()["result"]["protocolVersion"], "2025-11-25");
    }
}

#[test]
fn a_notification_is_accepted_without_a_body() {
    let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let answer = TestServer::shared().post("/mcp", &[STREAMS], body);
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
}

#[test]
fn ping_is_answered_with_nothing_and_the_same_id() {
    let body = r#"{"jsonrpc":"2.0","id":"a b","method":"ping"}"#;
    let answer = TestServer::shared().post("/mcp", &[STREAMS], body);
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({"jsonrpc": "2.0", "id": "a b", "result": {}})
    );
}

#[test]
fn an_unknown_method_and_an_unknown_tool_are_errors_of_the_protocol() {
    let server = TestServer::shared();
    assert_eq!(server.rpc("tools/burn", json!({}))["error"]["code"], -32601);
    let unknown = server.rpc("tools/call", json!({"name": "mixpanel_burn"}));
    assert_eq!(unknown["error"]["code"], -32602);
    assert!(
        unknown["error"]["message"]
            .as_str()
            .unwrap()
            .contains("mixpanel_burn")
    );
}

#[test]
fn what_is_no_message_is_told_with_a_status_of_400() {
    for (body, code) in [
        ("{", -32700),
        ("7", -32600),
        (r#"{"id":1,"method":"ping"}"#, -32600),
    ] {
        let answer = TestServer::shared().post("/mcp", &[STREAMS], body);
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (400, &json!(code)),
            "{body}"
        );
    }
}

#[test]
fn what_the_endpoint_does_not_take_is_told_by_its_status() {
    let server = TestServer::shared();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let get = server.send("GET", "/mcp", &[], "");
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    assert_eq!(server.send("DELETE", "/mcp", &[], "").status, 405);
    assert_eq!(server.send("GET", "/nowhere", &[], "").status, 404);
    assert_eq!(
        server
            .post("/mcp", &[("content-type", "text/plain")], ping)
            .status,
        415
    );
    assert_eq!(
        server.post("/mcp", &[("accept", "text/html")], ping).status,
        406
    );
    let post = server.send("POST", "/sse", &[], "{}");
    assert_eq!((post.status, post.header("allow")), (405, Some("GET")));
}

#[test]
fn a_client_that_takes_only_streams_gets_one() {
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let params = json!({"name": "mixpanel_get_projects"});
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params});
    let server = TestServer::shared();
    for (body, id) in [(call.to_string(), 2), (ping.into(), 1)] {
        let mut stream = server.stream(
            "POST",
            "/mcp",
            &[
                ("accept", "text/event-stream"),
                ("content-type", "application/json"),
            ],
            &body,
        );
        assert_eq!(stream.message()["id"], id);
        assert_eq!(stream.next(), None);
    }
}

#[test]
fn with_json_response_even_a_client_that_takes_streams_gets_json() {
    let server = TestServer::start(&["--sandbox", "--json-response"], &[]);
    let params = json!({"name": "mixpanel_get_projects", "_meta": {"progressToken": 1}});
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params});
    let answer = server.post(
        "/mcp",
        &[("accept", "text/event-stream")],
        &call.to_string(),
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json()["id"], 2);
}

#[test]
fn http_with_sse_names_its_address_and_answers_on_the_stream() {
    let server = TestServer::shared();
    let mut stream = server.stream("GET", "/sse", &[("accept", "text/event-stream")], "");
    let endpoint = stream.next().unwrap();
    assert_eq!(endpoint.name, "endpoint");
    assert!(
        endpoint.data.starts_with("/messages/?session_id="),
        "{endpoint:?}"
    );

    let posted = server.post(&endpoint.data, &[], &initialize("2024-11-05"));
    assert_eq!((posted.status, posted.body.as_str()), (202, "Accepted"));
    assert_eq!(stream.message()["result"]["protocolVersion"], "2024-11-05");
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(server.post(&endpoint.data, &[], initialized).status, 202);

    let list = r#"{"jsonrpc":"2.0","id":"l","method":"tools/list"}"#;
    assert_eq!(server.post(&endpoint.data, &[], list).status, 202);
    let listed = stream.message();
    assert_eq!(listed["id"], "l");
    assert_eq!(
        listed["result"]["tools"][0]["name"],
        "mixpanel_get_projects"
    );

    let call = r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"mixpanel_get_projects"}}"#;
    assert_eq!(server.post(&endpoint.data, &[], call).status, 202);
    let called = stream.message();
    assert_eq!(called["id"], 3);
    let result = called["result"].as_object().unwrap();
    // Structured results came two revisions later.
    assert_eq!(result.keys().collect::<Vec<_>>(), ["content"]);
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text["projects"][0]["project_id"], "12345");
}

#[test]
fn messages_of_two_streams_never_mix() {
    let server = TestServer::shared();
    let mut streams: Vec<_> = (0..3)
        .map(|_| server.stream("GET", "/sse", &[], ""))
        .collect();
    let addresses: Vec<_> = streams
        .iter_mut()
        .map(|stream| stream.next().unwrap().data)
        .collect();
    for (number, address) in addresses.iter().enumerate() {
        let ping = json!({"jsonrpc": "2.0", "id": number, "method": "ping"});
        assert_eq!(server.post(address, &[], &ping.to_string()).status, 202);
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        assert_eq!(stream.message()["id"], number);
    }
}

#[test]
fn a_message_to_no_stream_is_told_by_its_status() {
    let server = TestServer::shared();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let unknown = format!("/messages/?session_id={}", "0".repeat(32));
    assert_eq!(server.post(&unknown, &[], ping).status, 404);
    assert_eq!(
        server.post("/messages/?session_id=x", &[], ping).status,
        400
    );
    assert_eq!(server.post("/messages/", &[], ping).status, 400);
    let mut stream = server.stream("GET", "/sse", &[], "");
    let address = stream.next().unwrap().data;
    assert_eq!(server.post(&address, &[], "{").status, 400);
}

#[test]
fn an_answer_is_json_for_whoever_does_not_insist_on_a_stream() {
    let call = r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"mixpanel_get_projects"}}"#;
    for accept in ["*/*", "application/*", "application/json", STREAMS.1, ""] {
        let headers = [("accept", accept)];
        let answer = TestServer::shared().post("/mcp", &headers, call);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json")),
            "{accept}"
        );
        assert_eq!(answer.json()["id"], 3);
    }
}

#[test]
fn a_stream_is_kept_by_nobody_on_its_way() {
    let server = TestServer::shared();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let answer = server.post("/mcp", &[("accept", "text/event-stream")], ping);
    assert_eq!(
        (
            answer.header("content-type"),
            answer.header("cache-control"),
            answer.header("x-accel-buffering"),
        ),
        (
            Some("text/event-stream"),
            Some("no-cache, no-transform"),
            Some("no"),
        )
    );
    let event = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"result\":{},\"id\":1}\n\n";
    assert_eq!(answer.body, event);
}

#[test]
fn a_call_that_lasts_goes_on_as_a_stream_and_others_are_answered_meanwhile() {
    let pace = Pace::new();
    let given = pace.clone();
    let me = json!({"status": "ok", "results": {"projects": {}}});
    let upstream = Upstream::answering(move |_, _| Answer::json(200, &me).paced(&given));
    let server = TestServer::before(&upstream.url());
    let call = r#"{"jsonrpc":"2.0","id":"long","method":"tools/call","params":{"name":"mixpanel_get_projects"}}"#;
    let headers = [STREAMS, ("content-type", "application/json")];

    let mut stream = server.stream("POST", "/mcp", &headers, call);
    assert_eq!(server.rpc("ping", json!({}))["result"], json!({}));
    assert_eq!(server.send("GET", "/health", &[], "").status, 200);
    pace.finish();

    let message = stream.message();
    assert_eq!(message["id"], "long");
    assert_eq!(message["result"].get("isError"), None);
    assert_eq!(stream.next(), None);
}

#[test]
fn a_foreign_page_and_a_foreign_host_name_are_turned_away_everywhere() {
    let server = TestServer::shared();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let unknown = format!("/messages/?session_id={}", "0".repeat(32));
    for (method, path, body) in [
        ("POST", "/mcp", ping),
        ("GET", "/mcp", ""),
        ("OPTIONS", "/mcp", ""),
        ("GET", "/sse", ""),
        ("POST", unknown.as_str(), ping),
        ("GET", "/health", ""),
    ] {
        for header in [
            ("origin", "https://evil.example"),
            ("origin", "http://localhost.evil.example"),
            ("origin", "null"),
            ("host", "evil.example"),
        ] {
            let headers = [STREAMS, ("content-type", "application/json"), header];
            let answer = server.send(method, path, &headers, body);
            assert_eq!(answer.status, 403, "{method} {path} {header:?}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    for origin in [
        "http://localhost:6274",
        "http://127.0.0.1",
        "https://[::1]:8443",
    ] {
        let answer = server.post("/mcp", &[STREAMS, ("origin", origin)], ping);
        assert_eq!(answer.status, 200, "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
}
