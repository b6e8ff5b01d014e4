//! The revisions with a handshake: ids, batches, the version header, sessions, errors, lists.

use serde_json::{Value, json};

use super::{
    MODERN, STREAMS, VERSION_HEADER, enveloped, members, notification, request, session, told,
};
use crate::support::TestServer;

fn ping(id: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "ping"})
}

#[test]
fn an_id_comes_back_exactly_as_it_was() {
    for id in [
        json!(0),
        json!(""),
        json!("1"),
        json!(-7),
        json!(9_007_199_254_740_993_u64),
    ] {
        let answer = TestServer::shared().post("/mcp", &[STREAMS], &ping(id.clone()).to_string());
        assert_eq!(
            answer.json(),
            json!({"jsonrpc": "2.0", "id": id, "result": {}})
        );
    }
}

#[test]
fn ping_needs_no_handshake_and_no_parameters() {
    let server = TestServer::shared();
    for params in [
        "",
        r#","params":null"#,
        r#","params":{}"#,
        r#","params":{"_meta":{"x":1}}"#,
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping"{params}}}"#);
        let answer = server.post("/mcp", &[STREAMS], &body);
        assert_eq!(answer.json()["result"], json!({}), "{body}");
    }
}

#[test]
fn what_is_declared_is_what_is_served_and_lists_never_change() {
    let server = TestServer::shared();
    for (revision, declared) in [
        (
            "2024-11-05",
            vec!["logging", "prompts", "resources", "tools"],
        ),
        (
            "2025-11-25",
            vec!["completions", "logging", "prompts", "resources", "tools"],
        ),
    ] {
        let params = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let answer = server
            .post("/mcp", &[STREAMS], &request(0, "initialize", params))
            .json();
        let capabilities = &answer["result"]["capabilities"];
        assert_eq!(members(capabilities), declared);
        assert!(
            capabilities
                .as_object()
                .unwrap()
                .values()
                .all(|value| *value == json!({}))
        );
    }
    for method in ["resources/subscribe", "resources/unsubscribe", "tasks/list"] {
        assert_eq!(
            server.rpc(method, json!({"uri": "x"}))["error"]["code"],
            -32601,
            "{method}"
        );
    }
}

#[test]
fn a_batch_is_answered_by_a_batch_in_the_one_revision_that_has_them() {
    let server = TestServer::shared();
    let unknown = json!({"jsonrpc": "2.0", "id": "u", "method": "tools/burn"});
    let call = json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": {"name": "mixpanel_get_projects"}});
    let heard = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let batch = json!([ping(1), heard, unknown, 7, call]).to_string();
    let held = session(server, "2025-03-26");
    for headers in [
        vec![STREAMS],
        vec![STREAMS, (VERSION_HEADER, "2025-03-26")],
        vec![STREAMS, ("mcp-session-id", held.as_str())],
    ] {
        let answer = server.post("/mcp", &headers, &batch);
        assert_eq!(answer.status, 200);
        let messages = answer.json();
        let messages = messages.as_array().unwrap();
        let ids: Vec<&Value> = messages.iter().map(|message| &message["id"]).collect();
        assert_eq!(ids, [&json!(1), &json!("u"), &Value::Null, &json!("c")]);
        assert_eq!(messages[1]["error"]["code"], -32601);
        assert_eq!(messages[2]["error"]["code"], -32600);
        assert!(messages[3]["result"]["content"].is_array());
    }
    let answer = server.post("/mcp", &[STREAMS], &json!([ping(1), ping(2)]).to_string());
    assert_eq!(answer.json().as_array().unwrap().len(), 2);
}

#[test]
fn a_batch_that_asks_nothing_is_accepted_without_a_body() {
    let heard = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let answered = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
    let body = json!([heard, answered]).to_string();
    let answer = TestServer::shared().post("/mcp", &[STREAMS], &body);
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
}

#[test]
fn a_batch_that_may_not_be_is_refused_whole() {
    let server = TestServer::shared();
    let params = json!({"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let handshake = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let stateless =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": enveloped(json!({}))});
    let many: Vec<Value> = (0..33).map(ping).collect();
    for (version, batch) in [
        (None, json!([])),
        (None, json!([handshake])),
        (None, json!([ping(2), stateless])),
        (None, json!(many)),
        (Some("2024-11-05"), json!([ping(1)])),
        (Some("2025-06-18"), json!([ping(1)])),
        (Some("2025-11-25"), json!([ping(1)])),
        (Some(MODERN), json!([ping(1)])),
    ] {
        let mut headers = vec![STREAMS];
        headers.extend(version.map(|version| (VERSION_HEADER, version)));
        let answer = server.post("/mcp", &headers, &batch.to_string());
        assert_eq!(told(&answer), (400, -32600), "{version:?} {batch}");
        assert_eq!(answer.json()["id"], Value::Null);
    }
}

#[test]
fn any_served_version_passes_in_the_header_and_any_other_is_refused() {
    let server = TestServer::shared();
    let held = session(server, "2025-06-18");
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        // It need not be the negotiated one: well-known clients send another.
        let headers = [
            STREAMS,
            (VERSION_HEADER, version),
            ("mcp-session-id", held.as_str()),
        ];
        assert_eq!(
            server.post("/mcp", &headers, &ping(1).to_string()).status,
            200,
            "{version}"
        );
    }
    for version in ["2024-10-07", "1", "nonsense"] {
        let headers = [STREAMS, (VERSION_HEADER, version)];
        assert_eq!(
            told(&server.post("/mcp", &headers, &ping(1).to_string())),
            (400, -32600)
        );
        let heard = notification("notifications/initialized", json!({}));
        assert_eq!(
            server.post("/mcp", &headers, &heard).status,
            400,
            "{version}"
        );
    }
}

#[test]
fn a_session_is_not_needed_but_an_unknown_one_is_told_to_begin_again() {
    let server = TestServer::shared();
    assert_eq!(
        server.post("/mcp", &[STREAMS], &ping(1).to_string()).status,
        200
    );
    let known = session(server, "2025-11-25");
    let again = session(server, "2025-11-25");
    assert_ne!(known, again);
    for (id, status) in [(known.as_str(), 200), ("unknown", 404), (&known[1..], 404)] {
        let headers = [STREAMS, ("mcp-session-id", id)];
        assert_eq!(
            server.post("/mcp", &headers, &ping(1).to_string()).status,
            status,
            "{id}"
        );
    }
    let ended = server.send("DELETE", "/mcp", &[("mcp-session-id", &known)], "");
    assert_eq!((ended.status, ended.header("allow")), (405, Some("POST")));
}

#[test]
fn a_session_of_another_server_is_unknown() {
    let other = session(&TestServer::sandbox(), "2025-11-25");
    let headers = [STREAMS, ("mcp-session-id", other.as_str())];
    let answer = TestServer::shared().post("/mcp", &headers, &ping(1).to_string());
    assert_eq!(told(&answer), (404, -32600));
}

#[test]
fn an_error_that_answers_a_well_formed_request_goes_out_with_200() {
    let server = TestServer::shared();
    for (method, params, code) in [
        ("tools/burn", json!({}), -32601),
        ("server/discover", json!({}), -32601),
        ("subscriptions/listen", json!({}), -32601),
        ("initialize", json!({}), -32602),
        ("tools/call", json!({"name": "mixpanel_burn"}), -32602),
        ("tools/call", json!({}), -32602),
        (
            "tools/call",
            json!({"name": "mixpanel_get_projects", "arguments": []}),
            -32602,
        ),
        ("tools/list", json!({"cursor": "x"}), -32602),
        ("prompts/get", json!({"name": "no_such_prompt"}), -32602),
        (
            "prompts/get",
            json!({"name": "no_such_prompt", "arguments": {"a": 1}}),
            -32602,
        ),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/nothing"}}),
            -32602,
        ),
        ("logging/setLevel", json!({"level": "loud"}), -32602),
    ] {
        let headers = [STREAMS, (VERSION_HEADER, "2025-11-25")];
        let answer = server.post("/mcp", &headers, &request(1, method, params.clone()));
        assert_eq!(told(&answer), (200, code), "{method} {params}");
    }
}

#[test]
fn a_missing_resource_is_told_with_its_address() {
    let answer = TestServer::shared().rpc("resources/read", json!({"uri": "nothing://there"}));
    assert_eq!(answer["error"]["code"], -32002);
    assert_eq!(answer["error"]["data"], json!({"uri": "nothing://there"}));
}

#[test]
fn there_is_nothing_to_complete_for_an_unknown_reference() {
    let params = json!({
        "ref": {"type": "ref/prompt", "name": "no_such_prompt"},
        "argument": {"name": "a", "value": "b"},
        "context": {"arguments": {"c": "d"}},
    });
    let answer = TestServer::shared().rpc("completion/complete", params);
    let nothing = json!({"completion": {"values": [], "total": 0, "hasMore": false}});
    assert_eq!(answer["result"], nothing);
}

#[test]
fn every_log_level_can_be_set() {
    for level in [
        "debug",
        "info",
        "notice",
        "warning",
        "error",
        "critical",
        "alert",
        "emergency",
    ] {
        let answer = TestServer::shared().rpc("logging/setLevel", json!({"level": level}));
        assert_eq!(answer["result"], json!({}), "{level}");
    }
}

#[test]
fn results_have_nothing_of_the_stateless_revision() {
    let server = TestServer::shared();
    for method in [
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    ] {
        let answer = server.rpc(method, json!({}));
        assert_eq!(members(&answer["result"]).len(), 1, "{answer}");
    }
    let called = server.rpc("tools/call", json!({"name": "mixpanel_get_projects"}));
    assert_eq!(members(&called["result"]), ["content", "structuredContent"]);
}

#[test]
fn the_first_tool_answers_without_arguments() {
    let server = TestServer::shared();
    let listed = server.rpc("tools/list", json!({}));
    let name = listed["result"]["tools"][0]["name"].clone();
    let called = server.rpc("tools/call", json!({"name": name}));
    assert_eq!(called["result"].get("isError"), None);
}
