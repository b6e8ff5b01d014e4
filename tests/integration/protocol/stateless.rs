//! Revision 2026-07-28: no handshake, no session, everything in each request.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    MODERN, VERSION_HEADER, borrowed, envelope, enveloped, members, modern, modern_headers,
    request, told,
};
use crate::support::TestServer;

const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Sends `tools/list` with changed header fields: an empty value takes one away.
fn list_with(changes: &[(&'static str, &str)], params: Value) -> (u16, i64) {
    let mut headers = modern_headers("tools/list", &params);
    for (name, value) in changes {
        headers.retain(|(known, _)| known != name);
        if !value.is_empty() {
            headers.push((name, (*value).to_owned()));
        }
    }
    let body = request(1, "tools/list", params);
    told(&TestServer::shared().post("/mcp", &borrowed(&headers), &body))
}

#[test]
fn discover_says_what_a_client_needs_and_needs_nothing_before_it() {
    let answer = modern(TestServer::shared(), "server/discover", json!({}));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("mcp-session-id"), None);
    let result = answer.json()["result"].take();
    assert_eq!(
        members(&result),
        [
            "_meta",
            "cacheScope",
            "capabilities",
            "instructions",
            "resultType",
            "supportedVersions",
            "ttlMs"
        ]
    );
    assert_eq!(result["supportedVersions"], json!([MODERN]));
    assert_eq!(result["_meta"][SERVER_INFO]["name"], "mixpanel-mcp-server");
    assert_eq!(
        result["_meta"][SERVER_INFO]["version"],
        env!("CARGO_PKG_VERSION")
    );
}

#[test]
fn every_result_says_its_type_and_its_server_and_lists_how_long_they_hold() {
    let server = TestServer::shared();
    let completion =
        json!({"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": ""}});
    for (method, params, scope) in [
        ("server/discover", json!({}), Some("public")),
        // A request's header fields may narrow it.
        ("tools/list", json!({}), Some("private")),
        ("prompts/list", json!({}), Some("public")),
        ("resources/templates/list", json!({}), Some("public")),
        ("resources/list", json!({}), Some("private")),
        ("tools/call", json!({"name": "mixpanel_get_projects"}), None),
        (
            "tools/call",
            json!({"name": "mixpanel_get_projects", "arguments": {"odd": 1}}),
            None,
        ),
        ("completion/complete", completion, None),
    ] {
        let result = modern(server, method, params).json()["result"].take();
        assert_eq!(result["resultType"], "complete", "{method}");
        assert_eq!(
            result["_meta"][SERVER_INFO]["name"], "mixpanel-mcp-server",
            "{method}"
        );
        assert_eq!(result["cacheScope"].as_str(), scope, "{method}");
        assert_eq!(result["ttlMs"].is_u64(), scope.is_some(), "{method}");
    }
}

#[test]
fn checks_come_in_order_envelope_header_version_method() {
    let with_version = |version: Value| {
        let mut meta = envelope();
        meta["io.modelcontextprotocol/protocolVersion"] = version;
        json!({"_meta": meta})
    };
    // Without capabilities and with a wrong header: the envelope comes first.
    let bare = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "v999"}});
    assert_eq!(
        list_with(&[("mcp-method", "tools/call")], bare),
        (400, -32602)
    );
    // The header before the version.
    assert_eq!(list_with(&[], with_version("v999".into())), (400, -32020));
    assert_eq!(
        list_with(&[(VERSION_HEADER, "v999")], with_version("v999".into())),
        (400, -32022)
    );
    // The version before the method.
    let params = with_version("2027-01-01".into());
    let mut headers = modern_headers("tools/burn", &params);
    headers.retain(|(name, _)| *name != VERSION_HEADER);
    headers.push((VERSION_HEADER, "2027-01-01".into()));
    let answer = TestServer::shared().post(
        "/mcp",
        &borrowed(&headers),
        &request(1, "tools/burn", params),
    );
    assert_eq!(told(&answer), (400, -32022));
    let data = answer.json()["error"]["data"].take();
    assert_eq!(
        data,
        json!({"supported": [MODERN], "requested": "2027-01-01"})
    );
    // The method before its parameters.
    let answer = modern(TestServer::shared(), "tools/burn", json!({"name": 7}));
    assert_eq!(told(&answer), (404, -32601));
}

#[test]
fn an_unknown_log_level_is_malformed() {
    let params = json!({"_meta": {"io.modelcontextprotocol/logLevel": "loud"}});
    assert_eq!(
        told(&modern(TestServer::shared(), "tools/list", params)),
        (400, -32602)
    );
}

#[test]
fn header_fields_must_be_there_once_and_say_what_the_body_says() {
    let params = enveloped(json!({}));
    for changes in [
        &[("mcp-method", "")][..],
        &[("mcp-method", "tools/call")],
        &[("mcp-method", "Tools/List")],
        &[(VERSION_HEADER, "2025-11-25")],
    ] {
        assert_eq!(
            list_with(changes, params.clone()),
            (400, -32020),
            "{changes:?}"
        );
    }
    let mut headers = modern_headers("tools/list", &params);
    headers.push(("mcp-method", "tools/list".into()));
    let body = request(1, "tools/list", params);
    let answer = TestServer::shared().post("/mcp", &borrowed(&headers), &body);
    assert_eq!(told(&answer), (400, -32020));
}

#[test]
fn a_name_is_compared_as_it_is_or_out_of_base64() {
    let server = TestServer::shared();
    let send = |method: &str, params: Value, name: Option<&str>| {
        let mut headers = modern_headers(method, &params);
        headers.retain(|(known, _)| *known != "mcp-name");
        headers.extend(name.map(|name| ("mcp-name", name.to_owned())));
        server.post(
            "/mcp",
            &borrowed(&headers),
            &request(1, method, enveloped(params)),
        )
    };
    let call = json!({"name": "mixpanel_get_projects"});
    for name in [
        "mixpanel_get_projects",
        "  mixpanel_get_projects ",
        "=?base64?bWl4cGFuZWxfZ2V0X3Byb2plY3Rz?=",
    ] {
        let answer = send("tools/call", call.clone(), Some(name));
        assert_eq!(answer.json()["result"]["resultType"], "complete", "{name}");
    }
    for name in [
        None,
        Some("mixpanel_get"),
        Some("=?base64?bWl4?="),
        Some("=?base64?bWl4cGFuZWxfZ2V0X3Byb2plY3R?="),
        Some("=?base64?%%?="),
    ] {
        assert_eq!(
            told(&send("tools/call", call.clone(), name)),
            (400, -32020),
            "{name:?}"
        );
    }
    // An address outside of ASCII can only come in base64.
    let read = json!({"uri": "nothing://über"});
    let answer = send(
        "resources/read",
        read.clone(),
        Some("=?base64?bm90aGluZzovL8O8YmVy?="),
    );
    assert_eq!(told(&answer), (200, -32602));
    assert_eq!(answer.json()["error"]["data"], read);
    assert_eq!(
        told(&send("prompts/get", json!({"name": "p"}), None)),
        (400, -32020)
    );
}

#[test]
fn what_the_revision_removed_is_an_unknown_method() {
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "roots/list",
        "tasks/get",
    ] {
        let answer = modern(TestServer::shared(), method, json!({}));
        assert_eq!(told(&answer), (404, -32601), "{method}");
        assert_eq!(answer.json()["id"], 1);
    }
}

#[test]
fn what_a_handler_refuses_goes_out_with_200() {
    let server = TestServer::shared();
    for (method, params) in [
        ("tools/call", json!({"name": "mixpanel_burn"})),
        ("tools/call", json!({})),
        ("prompts/get", json!({"name": "no_such_prompt"})),
        ("resources/read", json!({"uri": "nothing://there"})),
        ("tools/list", json!({"cursor": "x"})),
    ] {
        assert_eq!(
            told(&modern(server, method, params.clone())),
            (200, -32602),
            "{method} {params}"
        );
    }
}

#[test]
fn what_only_other_revisions_know_is_ignored() {
    let params = enveloped(
        json!({"name": "mixpanel_get_projects", "inputResponses": {"x": 1}, "requestState": "y"}),
    );
    let mut headers = modern_headers("tools/call", &params);
    headers.extend([
        ("mcp-session-id", "no session".to_owned()),
        ("last-event-id", "7".to_owned()),
        ("mcp-param-region", "eu".to_owned()),
    ]);
    let answer = TestServer::shared().post(
        "/mcp",
        &borrowed(&headers),
        &request(1, "tools/call", params),
    );
    assert_eq!(answer.json()["result"]["resultType"], "complete");
    assert_eq!(answer.header("mcp-session-id"), None);
}

#[test]
fn a_subscription_is_acknowledged_first_and_ended_with_a_result() {
    let server = TestServer::sandbox();
    let params =
        json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["x"]}});
    let mut headers = modern_headers("subscriptions/listen", &params);
    headers.push(("content-type", "application/json".into()));
    let body = request("sub", "subscriptions/listen", enveloped(params));
    let mut stream = server.stream("POST", "/mcp", &borrowed(&headers), &body);

    let first = stream.message();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    // Our lists do not change, so nothing of it is honoured.
    assert_eq!(
        first["params"],
        json!({"notifications": {}, "_meta": {SUBSCRIPTION: "sub"}})
    );

    server.stop();
    let last = stream.message();
    assert_eq!(last["id"], "sub");
    assert_eq!(
        last["result"],
        json!({"resultType": "complete", "_meta": {SUBSCRIPTION: "sub"}})
    );
    assert_eq!(stream.next(), None);
}

#[test]
fn a_subscription_needs_a_client_that_takes_streams() {
    let mut headers = modern_headers("subscriptions/listen", &json!({}));
    headers.retain(|(name, _)| *name != "accept");
    headers.push(("accept", "application/json".into()));
    let body = request(
        1,
        "subscriptions/listen",
        enveloped(json!({"notifications": {}})),
    );
    let answer = TestServer::shared().post("/mcp", &borrowed(&headers), &body);
    assert_eq!(answer.status, 406);
}

#[test]
fn many_subscriptions_do_not_slow_other_requests() {
    let server = TestServer::sandbox();
    let mut headers = modern_headers("subscriptions/listen", &json!({}));
    headers.push(("content-type", "application/json".into()));
    let body = request(
        1,
        "subscriptions/listen",
        enveloped(json!({"notifications": {}})),
    );
    let streams: Vec<_> = (0..64)
        .map(|_| server.stream("POST", "/mcp", &borrowed(&headers), &body))
        .collect();
    let begun = std::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(modern(&server, "tools/list", json!({})).status, 200);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    drop(streams);
}
