//! The transport on standard input and output, with the built program as a process of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::process::binary;
use crate::support::{Answer, StdioServer, Upstream};

/// In which a client expects the end, before it kills.
const END: Duration = Duration::from_secs(2);

fn envelope() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

fn call(tool: &str) -> Value {
    json!({"name": tool, "arguments": {}})
}

/// A call that asks upstream anew each time, whatever else is asked: writes are never kept nor merged.
fn write() -> Value {
    let events = json!([{"event": "Seen", "properties": {"distinct_id": "ann"}}]);
    json!({"name": "mixpanel_import_events", "arguments": {"project_id": "12345", "events": events}})
}

#[test]
fn a_handshake_a_list_and_a_call_are_answered_one_message_a_line() {
    let mut server = StdioServer::sandbox();
    let result = server.initialize("2025-06-18");
    assert_eq!(result["protocolVersion"], "2025-06-18");
    assert_eq!(result["serverInfo"]["name"], "mixpanel-mcp-server");

    let listed = server.answer("l", "tools/list", json!({}));
    assert_eq!(
        listed["result"]["tools"][0]["name"],
        "mixpanel_get_projects"
    );
    let called = server.answer(2, "tools/call", call("mixpanel_get_projects"));
    let data = &called["result"]["structuredContent"];
    assert_eq!(data["projects"][0]["project_id"], "12345");

    server.close_input();
    let (status, rest, log) = server.ended();
    assert!(status.success());
    assert_eq!(rest, Vec::<Value>::new());
    assert!(log.contains("on standard input and output"), "{log}");
}

#[test]
fn both_eras_are_served_by_one_process_in_any_order() {
    let mut server = StdioServer::sandbox();
    // Claude Code asks so, and then shakes hands.
    let discovered = server.answer(0, "server/discover", json!({"_meta": envelope()}));
    assert_eq!(
        discovered["result"]["supportedVersions"],
        json!(["2026-07-28"])
    );
    assert_eq!(discovered["result"]["resultType"], "complete");

    let early = server.answer(1, "tools/list", json!({}));
    assert_eq!(early["error"]["code"], -32602);
    assert_eq!(
        server.initialize("2025-11-25")["protocolVersion"],
        "2025-11-25"
    );
    let legacy = server.answer(2, "tools/list", json!({}));
    assert_eq!(legacy["result"]["resultType"], Value::Null);
    let modern = server.answer(3, "tools/list", json!({"_meta": envelope()}));
    assert_eq!(modern["result"]["resultType"], "complete");
    assert_eq!(modern["result"]["tools"], legacy["result"]["tools"]);
    let removed = server.answer(4, "ping", json!({"_meta": envelope()}));
    assert_eq!(removed["error"]["code"], -32601);
}

#[test]
fn a_version_that_is_not_served_is_told_with_those_that_are() {
    let mut server = StdioServer::sandbox();
    let mut meta = envelope();
    meta["io.modelcontextprotocol/protocolVersion"] = "2099-01-01".into();
    let answer = server.answer(1, "tools/list", json!({"_meta": meta}));
    assert_eq!(answer["error"]["code"], -32022);
    assert_eq!(
        answer["error"]["data"],
        json!({"supported": ["2026-07-28"], "requested": "2099-01-01"})
    );
}

#[test]
fn ping_and_other_calls_overtake_calls_that_hang() {
    let upstream = Upstream::answering(|_, _| Answer::hang());
    let mut server = StdioServer::before(&upstream.url());
    server.initialize("2025-11-25");
    for id in 1..=20 {
        server.ask(id, "tools/call", write());
    }
    assert!(upstream.received(19), "all twenty run at once");

    assert_eq!(server.answer("p", "ping", json!({}))["result"], json!({}));
    let refused = server.answer("c", "tools/call", call("mixpanel_get_project_info"));
    assert_eq!(refused["result"]["isError"], true);
}

#[test]
fn a_cancelled_call_closes_its_upstream_connection_and_is_never_answered() {
    for meta in [json!({}), envelope()] {
        let upstream = Upstream::answering(|_, _| Answer::hang());
        let mut server = StdioServer::before(&upstream.url());
        server.initialize("2025-11-25");
        let mut params = call("mixpanel_get_projects");
        params["_meta"] = meta;
        server.ask("slow", "tools/call", params);
        assert!(upstream.received(0));

        let params = json!({"requestId": "slow", "reason": "enough"});
        server.send(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}),
        );
        assert!(upstream.closed_by_peer(0));
        server.answer(1, "ping", json!({}));
        server.close_input();
        let (_, rest, _) = server.ended();
        assert_eq!(rest, Vec::<Value>::new());
    }
}

#[test]
fn cancelling_what_is_unknown_or_done_changes_nothing() {
    let mut server = StdioServer::sandbox();
    server.initialize("2025-11-25");
    server.answer(1, "tools/call", call("mixpanel_get_projects"));
    for id in [json!(1), json!("none"), Value::Null] {
        let params = json!({"requestId": id});
        server.send(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}),
        );
    }
    server.answer(1, "tools/call", call("mixpanel_get_projects"));
}

#[test]
fn the_end_of_input_ends_the_process_while_calls_hang() {
    let upstream = Upstream::answering(|_, _| Answer::hang());
    let mut server = StdioServer::before(&upstream.url());
    server.initialize("2025-11-25");
    server.ask(1, "tools/call", call("mixpanel_get_projects"));
    assert!(upstream.received(0));

    let begun = Instant::now();
    server.close_input();
    let (status, rest, _) = server.ended();
    assert!(begun.elapsed() < END, "{:?}", begun.elapsed());
    assert_eq!(status.code(), Some(0));
    assert_eq!(rest, Vec::<Value>::new());
    assert!(upstream.closed_by_peer(0));
}

#[test]
fn quick_calls_are_answered_though_the_input_has_ended() {
    let mut server = StdioServer::sandbox();
    server.initialize("2025-11-25");
    // The last line has no line feed, as from `printf`.
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call("mixpanel_get_projects")});
    server.write(&call.to_string());
    server.close_input();
    let (status, rest, _) = server.ended();
    assert!(status.success());
    assert_eq!(rest.len(), 1);
    assert_eq!(
        rest[0]["result"]["structuredContent"]["projects"][0]["project_id"],
        "12345"
    );
}

#[test]
fn a_signal_ends_the_process_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = StdioServer::sandbox();
        server.initialize("2025-11-25");
        let begun = Instant::now();
        kill_process(Pid::from_child(server.child()), signal).unwrap();
        let (status, rest, _) = server.ended();
        assert_eq!(status.code(), Some(0));
        assert!(begun.elapsed() < END, "{:?}", begun.elapsed());
        assert_eq!(rest, Vec::<Value>::new());
    }
}

#[test]
fn blank_lines_are_passed_over_and_bad_ones_answered() {
    let mut server = StdioServer::sandbox();
    server.write("\n  \r\n\t\n{not json}\n");
    let answer = server.message();
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&Value::Null, &json!(-32700))
    );
    server.write("\u{1}\n");
    assert_eq!(server.message()["error"]["code"], -32700);
    server.write("{\"jsonrpc\":\"2.0\",\"id\":7}\n");
    let answer = server.message();
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!(7), &json!(-32600))
    );
    // Windows line ends.
    server.write("{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"ping\"}\r\n");
    assert_eq!(
        server.message(),
        json!({"jsonrpc": "2.0", "id": 8, "result": {}})
    );
}

#[test]
fn a_line_over_four_mebibytes_is_answered_and_the_next_is_read() {
    let mut server = StdioServer::sandbox();
    server.initialize("2025-11-25");
    let fits = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "y".repeat(4_000_000)}});
    server.send(&fits);
    assert_eq!(server.message()["id"], 1);
    let long = json!({"jsonrpc": "2.0", "id": 2, "method": "ping", "params": {"x": "y".repeat(4_200_000)}});
    server.send(&long);
    let answer = server.message();
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&Value::Null, &json!(-32600))
    );
    assert_eq!(server.answer(3, "ping", json!({}))["result"], json!({}));
}

#[test]
fn line_breaks_within_texts_do_not_break_lines() {
    let mut server = StdioServer::sandbox();
    server.initialize("2025-11-25");
    let id = "a\nb\r\u{2028}c";
    let answer = server.answer(id, "tools/call", call("no\nsuch\ntool"));
    assert_eq!(answer["error"]["code"], -32602);
}

#[test]
fn a_batch_is_answered_with_one_line() {
    let mut server = StdioServer::sandbox();
    server.initialize("2025-03-26");
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call("mixpanel_get_projects")});
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    server.send(&json!([call, ping]));
    let answers = server.message();
    let ids: Vec<&Value> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids, [&json!(1), &json!(2)]);
}

#[test]
fn calls_beyond_those_that_may_run_or_wait_are_refused() {
    let upstream = Upstream::answering(|_, _| Answer::hang());
    let variables = crate::support::server::variables_before(&upstream.url());
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut server = StdioServer::start(&["--workers", "2"], &variables);
    server.initialize("2025-11-25");
    // Two run and 256 wait.
    for id in 1..=258 {
        server.ask(id, "tools/call", write());
    }
    let refused = server.answer(259, "tools/call", write());
    assert_eq!(refused["error"]["code"], -32603);
    // A call that is cancelled before it asks would leave no request.
    assert!(upstream.received(1), "two run");
    let params = json!({"requestId": 1});
    server.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
    assert!(upstream.received(2), "the next in the queue runs");
}

#[test]
fn calls_whose_lines_are_too_many_bytes_together_are_refused() {
    let upstream = Upstream::answering(|_, _| Answer::hang());
    let mut server = StdioServer::before(&upstream.url());
    server.initialize("2025-11-25");
    let mut params = write();
    params["_meta"] = json!({"padding": "x".repeat(4_000_000)});
    // Sixteen are just below 64 MiB.
    for id in 1..=16 {
        server.ask(id, "tools/call", params.clone());
    }
    let refused = server.answer(17, "tools/call", params.clone());
    assert_eq!(refused["error"]["code"], -32603);
    assert_eq!(server.answer("p", "ping", json!({}))["result"], json!({}));
}

#[test]
fn progress_comes_before_the_answer_and_only_with_a_token() {
    let mut server = StdioServer::sandbox();
    server.initialize("2025-11-25");
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let from = today.saturating_sub(jiff::Span::new().days(30));
    let arguments = json!({"from_date": from.to_string(), "to_date": today.to_string()});
    let mut params = json!({"name": "mixpanel_query_events", "arguments": arguments});
    server.answer(1, "tools/call", params.clone());

    params["_meta"] = json!({"progressToken": "p"});
    server.ask(2, "tools/call", params);
    let mut told = -1.0;
    loop {
        let message = server.message();
        if message["id"] == 2 {
            break;
        }
        assert_eq!(message["method"], "notifications/progress");
        assert_eq!(message["params"]["progressToken"], "p");
        let progress = message["params"]["progress"].as_f64().unwrap();
        assert!(progress > told, "{message}");
        told = progress;
    }
    assert!(told >= 0.0, "progress was told");
}

#[test]
fn a_signal_ends_the_process_though_nobody_reads_its_output() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mixpanel-mcp-server"))
        .args(["--stdio", "--sandbox"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let params = json!({"_meta": envelope(), "notifications": {}});
    let listen =
        json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params});
    // More answers than a pipe holds.
    let ping = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n".repeat(2_500);
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(format!("{listen}\n{ping}").as_bytes())
        .unwrap();

    let begun = Instant::now();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < END, "{:?}", begun.elapsed());
}

#[test]
fn a_subscription_is_acknowledged_and_ended_by_either_side() {
    let mut server = StdioServer::sandbox();
    for id in ["first", "second"] {
        let params = json!({"_meta": envelope(), "notifications": {"toolsListChanged": true}});
        server.ask(id, "subscriptions/listen", params);
        let acknowledged = server.message();
        assert_eq!(
            acknowledged["method"],
            "notifications/subscriptions/acknowledged"
        );
        let meta = &acknowledged["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/subscriptionId"], id);
    }
    let params = json!({"requestId": "first"});
    server.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
    server.close_input();
    let (status, rest, _) = server.ended();
    assert!(status.success());
    let [farewell] = rest.as_slice() else {
        panic!("one farewell: {rest:?}")
    };
    assert_eq!(farewell["id"], "second");
    assert_eq!(farewell["result"]["resultType"], "complete");
}

#[test]
fn no_port_is_opened() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut server = StdioServer::start(&["--sandbox", "--port", &port], &[]);
    assert_eq!(server.answer(1, "ping", json!({}))["result"], json!({}));
}

#[test]
fn a_client_that_closes_its_end_ends_the_process_quietly() {
    let mut child = Command::new(binary())
        .args(["--stdio", "--sandbox"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let ping = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    stdin.write_all(ping).unwrap();

    let mut log = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{log}");
    assert!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
    drop(stdin);
}
