//! How the built program ends: at a signal in order, at a second one at once, before it begins with one line; and what
//! does not end it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use mixpanel_mcp_server::journal;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::protocol::probe::Probe;
use crate::support::{Answer, Pace, Program, TestServer, Upstream};

type Flags = &'static [&'static str];
type Variables = &'static [(&'static str, &'static str)];

const STREAMS: (&str, &str) = ("accept", "application/json, text/event-stream");
const SIGNALS: [Signal; 2] = [Signal::TERM, Signal::INT];
/// Tells the test binary that it is the child of one of its tests.
const CHILD: &str = "MIXPANEL_MCP_TESTS_CHILD";

/// A Mixpanel that answers when it is told to, and a program before it.
fn paced(flags: &[&str]) -> (Pace, Upstream, Program) {
    let pace = Pace::new();
    let given = pace.clone();
    let me = json!({"status": "ok", "results": {"projects": {}}});
    let upstream = Upstream::answering(move |_, _| Answer::json(200, &me).paced(&given));
    let program = Program::before(&upstream.url(), flags);
    (pace, upstream, program)
}

fn call(id: &str) -> String {
    let params = json!({"name": "mixpanel_get_projects"});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
}

/// A connection on which one request was sent.
fn asked(server: &TestServer, request: &str, fields: &str, body: &str) -> TcpStream {
    let url = server.url();
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let length = body.len();
    let message = format!(
        "{request} HTTP/1.1\r\nhost: {address}\r\n{fields}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(message.as_bytes()).unwrap();
    stream
}

/// Reads up to these bytes and no further.
fn read_to(stream: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(text.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        read.extend(byte);
    }
    String::from_utf8(read).unwrap()
}

fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn at_a_signal_running_calls_finish_and_nobody_is_let_in() {
    for signal in SIGNALS {
        let (pace, upstream, program) = paced(&[]);
        let answer = thread::scope(|scope| {
            let server = &program.server;
            let calling = scope.spawn(|| server.post("/mcp", &[STREAMS], &call("last")));
            assert!(upstream.received(0));
            program.signal(signal);
            program.refuses_connections();
            pace.finish();
            calling.join().unwrap()
        });
        assert_eq!((answer.status, &answer.json()["id"]), (200, &json!("last")));
        assert_eq!(answer.header("connection"), Some("close"));

        let (status, stdout, log) = program.ended();
        assert_eq!((status.code(), stdout.as_str()), (Some(0), ""), "{log}");
        assert!(log.trim_end().ends_with(" INFO stopped"), "{log}");
    }
}

#[test]
fn at_a_signal_idle_connections_are_closed_at_once() {
    let program = Program::start(&["--sandbox"], &[]);
    let mut idle = asked(&program.server, "GET /health", "", "");
    read_to(&mut idle, "\r\n\r\n{");
    read_to(&mut idle, "}");
    program.signal(Signal::TERM);
    assert_eq!(rest(idle), "");
    assert_eq!(program.ended().0.code(), Some(0));
}

#[test]
fn calls_that_outlast_their_time_are_cut_and_their_upstream_connections_closed() {
    let upstream = Upstream::answering(|_, _| Answer::hang());
    let program = Program::before(&upstream.url(), &["--stop-seconds", "1"]);
    let mut sse = asked(&program.server, "GET /sse", "", "");
    let head = read_to(&mut sse, "\n\n\r\n");
    let address = head.lines().find_map(|line| line.strip_prefix("data: "));
    let json = [("content-type", "application/json")];
    let posted = program.server.post(address.unwrap(), &json, &call("s"));
    assert_eq!(posted.status, 202);
    assert!(upstream.received(0));
    let fields = format!(
        "content-type: application/json\r\naccept: {}\r\nx-auth-token: another:one\r\n",
        STREAMS.1
    );
    let waiting = asked(&program.server, "POST /mcp", &fields, &call("h"));
    assert!(upstream.received(1));

    program.signal(Signal::TERM);

    assert!(upstream.closed_by_peer(0) && upstream.closed_by_peer(1));
    for cut in [waiting, sse] {
        let heard = rest(cut);
        assert!(!heard.contains("data:"), "{heard:?}");
    }
    let (status, _, log) = program.ended();
    assert_eq!(status.code(), Some(0));
    assert!(log.contains("2 connections are cut"), "{log}");
    assert_eq!(log.matches("was cancelled").count(), 2, "{log}");
}

#[test]
fn streams_are_ended_with_their_last_chunk_and_subscriptions_with_a_farewell() {
    let program = Program::start(&["--sandbox"], &[]);
    let mut sse = asked(&program.server, "GET /sse", "", "");
    read_to(&mut sse, "\n\n\r\n");
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"notifications": {}, "_meta": meta});
    let listen =
        json!({"jsonrpc": "2.0", "id": "l", "method": "subscriptions/listen", "params": params});
    let fields = format!(
        "content-type: application/json\r\naccept: {}\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: subscriptions/listen\r\n",
        STREAMS.1
    );
    let mut subscription = asked(&program.server, "POST /mcp", &fields, &listen.to_string());
    read_to(&mut subscription, "\n\n\r\n");

    program.signal(Signal::TERM);

    assert_eq!(rest(sse), "0\r\n\r\n");
    let farewell = rest(subscription);
    let message = farewell
        .lines()
        .find_map(|line| line.strip_prefix("data: "));
    let message: Value = serde_json::from_str(message.unwrap()).unwrap();
    assert_eq!(message["id"], "l");
    assert_eq!(message["result"]["resultType"], "complete");
    assert!(farewell.ends_with("\r\n0\r\n\r\n"), "{farewell:?}");
    assert_eq!(program.ended().0.code(), Some(0));
}

#[test]
fn a_stream_whose_call_still_runs_ends_after_the_answer() {
    let (pace, upstream, program) = paced(&[]);
    let mut stream = program.server.stream("GET", "/sse", &[], "");
    let address = stream.next().unwrap().data;
    let posted = program.server.post(&address, &[], &call("running"));
    assert_eq!(posted.status, 202);
    assert!(upstream.received(0));
    let mut other = asked(&program.server, "GET /sse", "", "");
    read_to(&mut other, "\n\n\r\n");

    program.signal(Signal::TERM);
    // Streams are ended now.
    assert_eq!(rest(other), "0\r\n\r\n");
    pace.finish();

    assert_eq!(stream.message()["id"], "running");
    assert_eq!(stream.next(), None);
    assert_eq!(program.ended().0.code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let upstream = Upstream::answering(|_, _| Answer::hang());
        let mut program = Program::before(&upstream.url(), &["--stop-seconds", "3600"]);
        let fields = "content-type: application/json\r\n";
        let waiting = asked(&program.server, "POST /mcp", fields, &call("h"));
        assert!(upstream.received(0));
        program.signal(signal);
        program.logs("stopping");
        program.refuses_connections();
        // One that follows within a moment counts as the first, so it is sent until it counts.
        while !program.has_ended() {
            program.signal(signal);
            thread::yield_now();
        }
        assert_eq!(program.ended().0.code(), Some(code));
        drop(waiting);
    }
}

#[test]
fn a_closed_standard_error_does_not_end_the_server() {
    let program = Program::without_log(&["--sandbox", "--log-level", "debug"], &[]);
    for _ in 0..20 {
        let answer = program.server.call("mixpanel_get_projects", json!({}));
        assert!(!answer.is_error, "{}", answer.text);
    }
    program.signal(Signal::TERM);
    assert_eq!(program.ended().0.code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_told_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let output = Program::run(&["--sandbox", "--port", &address.port().to_string()], &[]);
    assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
    let told = String::from_utf8(output.stderr).unwrap();
    let expected = format!("error: --host, --port: cannot listen on {address}: ");
    assert!(told.starts_with(&expected), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn bad_settings_are_told_in_one_line_that_names_them_and_nothing_else_is_said() {
    let cases: [(Flags, Variables, &str); 8] = [
        (&["--port", "x"], &[], "--port"),
        (&["--idle-seconds", "0"], &[], "--idle-seconds"),
        (&["--no-such"], &[], "--no-such"),
        (&["serve"], &[], "--help"),
        (
            &[],
            &[("MIXPANEL_REGION", "uk\nerror: two")],
            "MIXPANEL_REGION",
        ),
        (
            &[],
            &[("MIXPANEL_MCP_SERVER_WORKERS", "-1")],
            "MIXPANEL_MCP_SERVER_WORKERS",
        ),
        (
            &[],
            &[("MIXPANEL_SERVICE_ACCOUNT_USERNAME", "a")],
            "MIXPANEL_SERVICE_ACCOUNT_SECRET",
        ),
        (&["--ca-file", "/nowhere"], &[], "/nowhere"),
    ];
    for (flags, variables, named) in cases {
        let output = Program::run(flags, variables);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), output.stdout),
            (Some(1), Vec::new()),
            "{told}"
        );
        assert!(
            told.starts_with("error: ") && told.contains(named),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn help_goes_to_standard_output() {
    let output = Program::run(&["--help"], &[]);
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(
        help.contains("--stop-seconds, MIXPANEL_MCP_SERVER_STOP_SECONDS SECONDS"),
        "{help}"
    );
}

/// The product has no tool that panics, so this binary serves one, as a process whose log can be read.
#[test]
fn a_panic_costs_one_call_and_is_logged_by_its_place_alone() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "ending::serves_what_panics_as_a_child",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let url = stdout
        .by_ref()
        .lines()
        .map(Result::unwrap)
        .find_map(|line| line.find("http://").map(|at| line[at..].to_owned()));
    let server = TestServer::at(url.unwrap());
    for _ in 0..3 {
        let broken = server.rpc("tools/call", json!({"name": "break_off"}));
        assert_eq!(broken["error"]["code"], -32603, "{broken}");
        assert!(
            !broken.to_string().contains("a fault of the probe"),
            "{broken}"
        );
        let whole = server.rpc("tools/call", json!({"name": "give_all_kinds"}));
        assert_eq!(whole["result"]["content"][0]["text"], "done");
    }
    drop(child.stdin.take());
    // Read to its end, or the child cannot say that its test has passed.
    stdout.read_to_end(&mut Vec::new()).unwrap();
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    let told = "ERROR tools/call broke off by a fault of the server";
    assert_eq!(log.matches(told).count(), 3, "{log}");
    let place = "ERROR a fault of the server at tests/integration/protocol/probe.rs:";
    assert_eq!(log.matches(place).count(), 3, "{log}");
    assert!(!log.contains("a fault of the probe"), "{log}");
}

/// Only does something as the child of the test above.
#[test]
fn serves_what_panics_as_a_child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    journal::start(log::LevelFilter::Debug);
    let probe = Probe::start();
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", probe.server.url()).unwrap();
    stdout.flush().unwrap();
    // Until the other test has done.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
