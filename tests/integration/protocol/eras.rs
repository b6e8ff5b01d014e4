//! Which revision a message belongs to: the body says it first, then the header, then the session.

use serde_json::{Value, json};

use super::{
    MODERN, STREAMS, VERSION_HEADER, envelope, enveloped, modern, notification, request, session,
    told,
};
use crate::support::TestServer;

#[test]
fn a_request_with_the_envelope_is_stateless_also_when_it_is_called_initialize() {
    let server = TestServer::shared();
    let answer = modern(
        server,
        "initialize",
        json!({"protocolVersion": "2025-11-25"}),
    );
    assert_eq!(told(&answer), (404, -32601));
    assert_eq!(answer.header("mcp-session-id"), None);
}

#[test]
fn initialize_without_the_envelope_is_a_handshake_whatever_the_header_says() {
    let params = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {"elicitation": {}, "extensions": {"x": {}}, "tasks": {}},
        "clientInfo": {"name": "test", "version": "1", "icons": []},
        "unknown": true,
    });
    for version in ["2025-11-25", MODERN, "2099-01-01", "nonsense"] {
        let headers = [STREAMS, (VERSION_HEADER, version)];
        let body = request(0, "initialize", params.clone());
        let answer = TestServer::shared().post("/mcp", &headers, &body);
        assert_eq!(answer.status, 200, "{version}");
        assert_eq!(answer.json()["result"]["protocolVersion"], "2025-06-18");
    }
}

#[test]
fn a_stateless_header_without_the_envelope_is_malformed_and_told_what_is_missing() {
    let server = TestServer::shared();
    let headers = [
        STREAMS,
        (VERSION_HEADER, MODERN),
        ("mcp-method", "tools/list"),
    ];
    let (version, capabilities) = (
        "io.modelcontextprotocol/protocolVersion",
        "io.modelcontextprotocol/clientCapabilities",
    );
    let cases: [(Value, &[&str]); 4] = [
        (json!({}), &[version, capabilities]),
        (json!({"_meta": {}}), &[version, capabilities]),
        (json!({"_meta": {version: MODERN}}), &[capabilities]),
        (
            json!({"_meta": {version: 20_260_728, capabilities: {}}}),
            &[version],
        ),
    ];
    for (params, missing) in cases {
        let answer = server.post("/mcp", &headers, &request("r", "tools/list", params));
        assert_eq!(told(&answer), (400, -32602));
        assert_eq!(answer.json()["id"], "r");
        let message = answer.json()["error"]["message"].to_string();
        for key in [version, capabilities] {
            assert_eq!(message.contains(key), missing.contains(&key), "{message}");
        }
    }
}

#[test]
fn the_header_never_overrides_the_body() {
    let server = TestServer::shared();
    let body = request(1, "tools/list", enveloped(json!({})));
    for version in [None, Some("2025-11-25"), Some("2025-03-26")] {
        let mut headers = vec![STREAMS, ("mcp-method", "tools/list")];
        headers.extend(version.map(|version| (VERSION_HEADER, version)));
        assert_eq!(
            told(&server.post("/mcp", &headers, &body)),
            (400, -32020),
            "{version:?}"
        );
    }
}

#[test]
fn client_info_and_unknown_metadata_are_not_needed_and_not_minded() {
    let meta = json!({"io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"}, "traceparent": "00-x", "a.b/c": 1});
    for meta in [json!({}), meta] {
        let answer = modern(
            TestServer::shared(),
            "server/discover",
            json!({"_meta": meta}),
        );
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.json()["result"]["supportedVersions"],
            json!([MODERN])
        );
    }
}

#[test]
fn messages_of_all_eras_alternate_on_one_address() {
    let server = TestServer::shared();
    let old = session(server, "2025-03-26");
    for _ in 0..2 {
        let new = modern(server, "tools/list", json!({})).json();
        assert_eq!(new["result"]["resultType"], "complete");
        let headers = [STREAMS, ("mcp-session-id", old.as_str())];
        let listed = server
            .post("/mcp", &headers, &request(1, "tools/list", json!({})))
            .json();
        assert_eq!(listed["result"]["tools"], new["result"]["tools"]);
        assert_eq!(listed["result"].as_object().unwrap().len(), 1);
        assert_eq!(server.rpc("ping", json!({}))["result"], json!({}));
    }
}

#[test]
fn notifications_belong_to_the_era_of_their_header_and_are_accepted_in_both() {
    let server = TestServer::shared();
    for version in [None, Some("2024-11-05"), Some("2025-11-25"), Some(MODERN)] {
        let mut headers = vec![STREAMS];
        headers.extend(version.map(|version| (VERSION_HEADER, version)));
        for method in ["notifications/initialized", "notifications/never_heard_of"] {
            let answer = server.post("/mcp", &headers, &notification(method, json!({})));
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (202, ""),
                "{version:?} {method}"
            );
        }
    }
}

#[test]
fn an_answer_is_accepted_from_older_clients_and_refused_from_stateless_ones() {
    let server = TestServer::shared();
    let body = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(server.post("/mcp", &[STREAMS], body).status, 202);
    let answer = server.post("/mcp", &[STREAMS, (VERSION_HEADER, MODERN)], body);
    assert_eq!(told(&answer), (400, -32600));
}

#[test]
fn over_http_with_sse_the_stateless_revision_is_no_method() {
    let server = TestServer::shared();
    let mut stream = server.stream("GET", "/sse", &[], "");
    let address = stream.next().unwrap().data;
    let probe = request("probe", "server/discover", json!({"_meta": envelope()}));
    assert_eq!(server.post(&address, &[], &probe).status, 202);
    let message = stream.message();
    assert_eq!(
        (&message["id"], &message["error"]["code"]),
        (&json!("probe"), &json!(-32601))
    );
}

#[test]
fn over_http_with_sse_any_revision_with_a_handshake_is_spoken() {
    let server = TestServer::shared();
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut stream = server.stream("GET", "/sse", &[], "");
        let address = stream.next().unwrap().data;
        let params = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        // The header of newer clients is not minded here.
        let headers = [(VERSION_HEADER, MODERN)];
        assert_eq!(
            server
                .post(&address, &headers, &request(1, "initialize", params))
                .status,
            202
        );
        assert_eq!(stream.message()["result"]["protocolVersion"], revision);
        let call = request(2, "tools/call", json!({"name": "mixpanel_get_projects"}));
        assert_eq!(server.post(&address, &[], &call).status, 202);
        let result = stream.message()["result"].take();
        let is_structured = result.get("structuredContent").is_some();
        assert_eq!(is_structured, revision >= "2025-06-18", "{revision}");
    }
}
