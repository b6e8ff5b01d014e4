//! What a running call tells its client: progress and log messages, only where they were asked for, and never after the
//! answer; and answers in the form that their client can take.

use serde_json::{Value, json};

use super::probe::{MUCH, Probe, SOME};
use super::{STREAMS, borrowed, enveloped, modern, modern_headers, request, session};
use crate::support::server::EventStream;

/// All messages of a stream, to its end.
fn all(mut stream: EventStream) -> Vec<Value> {
    std::iter::from_fn(|| stream.next())
        .map(|event| serde_json::from_str(&event.data).unwrap())
        .collect()
}

fn call(tool: &str, meta: Value) -> String {
    request(5, "tools/call", json!({"name": tool, "_meta": meta}))
}

#[test]
fn progress_is_told_to_who_brings_a_token_and_only_as_it_grows() {
    let probe = Probe::start();
    for token in [json!("a token"), json!(0)] {
        let body = call("tell", json!({"progressToken": token}));
        let headers = [STREAMS, ("content-type", "application/json")];
        let messages = all(probe.server.stream("POST", "/mcp", &headers, &body));

        // Of three at once the second goes back and the third comes too soon.
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert_eq!(messages[0]["method"], "notifications/progress");
        assert_eq!(
            messages[0]["params"],
            json!({"progressToken": token, "progress": 1.0, "total": 3.0, "message": "begun"})
        );
        assert_eq!(messages[1]["id"], 5);
    }
}

#[test]
fn without_a_token_or_where_no_stream_is_taken_nothing_is_told() {
    let probe = Probe::start();
    let answer = probe
        .server
        .post("/mcp", &[STREAMS], &call("tell", json!({})));
    assert_eq!(answer.json()["id"], 5);
    let json_only = [("accept", "application/json")];
    let answer = probe.server.post(
        "/mcp",
        &json_only,
        &call("tell", json!({"progressToken": 1})),
    );
    assert_eq!(answer.json()["id"], 5);
}

#[test]
fn nothing_is_told_after_the_answer() {
    let probe = Probe::start();
    let mut stream = probe.server.stream("GET", "/sse", &[], "");
    let address = stream.next().unwrap().data;
    let post = |body: &str| assert_eq!(probe.server.post(&address, &[], body).status, 202);
    post(&request(1, "logging/setLevel", json!({"level": "debug"})));
    assert_eq!(stream.message()["id"], 1);

    post(&call("tell_late", json!({"progressToken": 1})));
    assert_eq!(stream.message()["id"], 5);
    probe.tell_now();
    post(&request(2, "ping", json!({})));

    assert_eq!(stream.message()["id"], 2);
}

#[test]
fn log_messages_go_to_the_session_that_set_a_level_from_that_level_on() {
    let probe = Probe::start();
    let (loud, quiet) = (
        session(&probe.server, "2025-11-25"),
        session(&probe.server, "2025-11-25"),
    );
    let level = request(1, "logging/setLevel", json!({"level": "warning"}));
    let set = probe
        .server
        .post("/mcp", &[STREAMS, ("mcp-session-id", &loud)], &level);
    assert_eq!(set.json()["result"], json!({}));

    let headers = [
        STREAMS,
        ("content-type", "application/json"),
        ("mcp-session-id", loud.as_str()),
    ];
    let messages = all(probe
        .server
        .stream("POST", "/mcp", &headers, &call("tell", json!({}))));
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[0]["method"], "notifications/message");
    assert_eq!(
        messages[0]["params"],
        json!({"level": "warning", "logger": "probe", "data": "a warning"})
    );

    let headers = [STREAMS, ("mcp-session-id", quiet.as_str())];
    let answer = probe
        .server
        .post("/mcp", &headers, &call("tell", json!({})));
    assert_eq!(answer.json()["id"], 5);
}

#[test]
fn without_a_session_log_messages_go_to_the_request_that_names_a_level() {
    let probe = Probe::start();
    let params = |meta: Value| json!({"name": "tell", "_meta": meta});
    let silent = modern(&probe.server, "tools/call", params(json!({})));
    assert_eq!(silent.json()["id"], 1);

    let params = params(json!({"io.modelcontextprotocol/logLevel": "debug"}));
    let mut headers = modern_headers("tools/call", &params);
    headers.push(("content-type", "application/json".into()));
    let body = request(1, "tools/call", enveloped(params));
    let messages = all(probe
        .server
        .stream("POST", "/mcp", &borrowed(&headers), &body));
    let told: Vec<&Value> = messages
        .iter()
        .map(|message| &message["params"]["level"])
        .collect();
    assert_eq!(told, [&json!("debug"), &json!("warning"), &Value::Null]);
    assert_eq!(messages[2]["result"]["resultType"], "complete");
}

#[test]
fn an_answer_too_large_for_an_event_is_replaced_where_an_event_might_carry_it() {
    let probe = Probe::start();
    let json_only = [("accept", "application/json")];
    let whole = probe
        .server
        .post("/mcp", &json_only, &call("give_much", json!({})));
    let text = whole.json()["result"]["content"][0]["text"]
        .as_str()
        .map(str::len);
    assert_eq!(text, Some(MUCH));

    let headers = [
        ("accept", "text/event-stream"),
        ("content-type", "application/json"),
    ];
    let mut stream = probe
        .server
        .stream("POST", "/mcp", &headers, &call("give_much", json!({})));
    let result = stream.message()["result"].take();
    assert_eq!(result["isError"], true);
    assert!(
        result["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("ask for less")
    );

    let mut stream = probe.server.stream("GET", "/sse", &[], "");
    let address = stream.next().unwrap().data;
    assert_eq!(
        probe
            .server
            .post(&address, &[], &call("give_much", json!({})))
            .status,
        202
    );
    assert_eq!(stream.message()["result"]["isError"], true);
}

#[test]
fn the_answers_of_a_batch_share_the_room_of_one_message() {
    let probe = Probe::start();
    let ask = |count: usize| {
        let headers = [
            ("accept", "text/event-stream"),
            ("content-type", "application/json"),
        ];
        let one = |id: usize| request(id, "tools/call", json!({"name": "give_some"}));
        let all: Vec<String> = (0..count).map(one).collect();
        let body = format!("[{}]", all.join(","));
        let mut stream = probe.server.stream("POST", "/mcp", &headers, &body);
        stream.message()
    };
    let alone = ask(1);
    let text = alone[0]["result"]["content"][0]["text"].as_str();
    assert_eq!(text.map(str::len), Some(SOME));

    let both = ask(2);
    for answer in both.as_array().unwrap() {
        assert_eq!(answer["result"]["isError"], true);
    }
    assert!(both.to_string().len() < SOME);
}

#[test]
fn content_that_a_revision_does_not_know_comes_as_text() {
    let probe = Probe::start();
    let kinds = |revision: &str| -> Vec<String> {
        let headers = [STREAMS, ("mcp-protocol-version", revision)];
        let answer = probe
            .server
            .post("/mcp", &headers, &call("give_all_kinds", json!({})));
        let result = answer.json()["result"].take();
        let knows_structure = revision >= "2025-06-18";
        assert_eq!(
            result.get("structuredContent").is_some(),
            knows_structure,
            "{revision}"
        );
        let blocks = result["content"].as_array().unwrap().iter();
        blocks
            .map(|block| block["type"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(kinds("2024-11-05"), ["text", "text", "text"]);
    assert_eq!(kinds("2025-03-26"), ["text", "audio", "text"]);
    assert_eq!(kinds("2025-06-18"), ["text", "audio", "resource_link"]);
    assert_eq!(kinds("2025-11-25"), ["text", "audio", "resource_link"]);
}

#[test]
fn a_tool_that_breaks_off_costs_its_own_call_and_nothing_else() {
    let probe = Probe::start();
    for _ in 0..8 {
        let answer = probe
            .server
            .post("/mcp", &[STREAMS], &call("break_off", json!({})));
        let error = answer.json()["error"].take();
        assert_eq!((answer.status, &error["code"]), (200, &json!(-32603)));
        assert!(
            !error.to_string().contains("a fault of the probe"),
            "{error}"
        );
    }
    let answer = probe
        .server
        .post("/mcp", &[STREAMS], &call("give_all_kinds", json!({})));
    assert_eq!(answer.json()["result"]["content"][0]["text"], "done");
}
