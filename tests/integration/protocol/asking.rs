//! What destroys asks the user first: in the revisions with a handshake by a request on the call's stream, whose answer
//! the client posts. Nothing is done before the answer has come.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use mixpanel_mcp_server::sandbox::Sandbox;
use serde_json::{Value, json};

use super::{
    MODERN, STREAMS, borrowed, enveloped, modern_headers, notification, request, session_with,
};
use crate::support::server::{self, EventStream, HttpAnswer};
use crate::support::{Program, Recorder, StdioServer, TestServer};

const TOOL: &str = "mixpanel_delete_annotation";
const FLAGS: [&str; 2] = ["--toolsets", "annotations"];
const REVISIONS: [&str; 2] = ["2025-06-18", "2025-11-25"];

/// A sandbox that is looked at, with one annotation in it.
struct Place {
    recorder: Recorder,
    _sandbox: Sandbox,
}

impl Place {
    fn new() -> Place {
        let sandbox = server::sandbox();
        Place {
            recorder: Recorder::before(&sandbox.url()),
            _sandbox: sandbox,
        }
    }

    #[track_caller]
    fn server(&self, flags: &[&str]) -> TestServer {
        TestServer::start_before(&self.recorder.url(), &[&FLAGS, flags].concat())
    }

    /// Deletions since the last time.
    #[track_caller]
    fn deletions(&self) -> usize {
        let requests = self.recorder.take();
        let deletions = requests.iter().filter(|one| one.method == "DELETE");
        deletions.count()
    }
}

/// Makes an annotation: its id.
#[track_caller]
fn annotate(server: &TestServer) -> Value {
    let arguments = json!({"date": "2026-01-15 12:00:00", "description": "launch"});
    let made = server.data("mixpanel_create_annotation", arguments);
    made["annotation"]["annotation_id"].clone()
}

#[track_caller]
fn is_there(server: &TestServer, annotation: &Value) -> bool {
    let arguments = json!({"annotation_id": annotation});
    let answer = server.call("mixpanel_get_annotation", arguments);
    assert!(
        !answer.is_error || answer.data["kind"] == "not_found",
        "{}",
        answer.data
    );
    !answer.is_error
}

fn delete(annotation: &Value) -> Value {
    json!({"name": TOOL, "arguments": {"annotation_id": annotation}})
}

fn asking() -> Value {
    json!({"elicitation": {}})
}

fn yes() -> Value {
    json!({"action": "accept", "content": {"confirm": true}})
}

/// A client's answer to what it was asked.
fn answer(question: &Value, result: Value) -> String {
    json!({"jsonrpc": "2.0", "id": question["id"], "result": result}).to_string()
}

/// Calls the tool within a session: the stream that answers.
#[track_caller]
fn call(server: &TestServer, session: &str, annotation: &Value) -> EventStream {
    let headers = [
        STREAMS,
        ("mcp-session-id", session),
        ("content-type", "application/json"),
    ];
    let body = request("call", "tools/call", delete(annotation));
    server.stream("POST", "/mcp", &headers, &body)
}

#[track_caller]
fn post(server: &TestServer, session: &str, body: &str) -> HttpAnswer {
    server.post("/mcp", &[STREAMS, ("mcp-session-id", session)], body)
}

/// The question comes next.
#[track_caller]
fn question(stream: &mut EventStream) -> Value {
    let question = stream.message();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    question
}

/// The facts of a call that failed: the last message of its stream.
#[track_caller]
fn failed(answer: &Value) -> Value {
    let result = &answer["result"];
    assert_eq!(result["isError"], true, "{answer}");
    let facts = server::told(result);
    let told = facts["error"].as_str().unwrap();
    assert!(told.contains("nothing was done"), "{told}");
    facts
}

#[track_caller]
fn assert_accepted(answer: &HttpAnswer) {
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
}

#[test]
fn a_user_who_agrees_is_asked_on_the_stream_with_the_question_of_the_stateless_revision() {
    let place = Place::new();
    let server = place.server(&[]);
    for revision in REVISIONS {
        let annotation = annotate(&server);
        let params = enveloped(json!({
            "name": TOOL,
            "arguments": {"annotation_id": annotation},
            "_meta": {"io.modelcontextprotocol/clientCapabilities": asking()},
        }));
        let headers = modern_headers("tools/call", &params);
        let body = request(1, "tools/call", params);
        let stateless = server.post("/mcp", &borrowed(&headers), &body).json();

        let held = session_with(&server, revision, asking());
        let mut stream = call(&server, &held, &annotation);
        let question = question(&mut stream);
        let asked = &stateless["result"]["inputRequests"]["confirm"];
        assert_eq!(question["params"], asked["params"], "{MODERN}: {stateless}");
        let id = annotation.as_str().unwrap();
        let message = format!(
            "This will delete annotation {id} of project 12345, \"launch\" at 2026-01-15 12:00:00, for good. Go on?"
        );
        assert_eq!(question["params"]["message"], message);
        assert_eq!(place.deletions(), 0);

        assert_accepted(&post(&server, &held, &answer(&question, yes())));
        let last = stream.message();
        assert_eq!(last["id"], "call");
        assert_eq!(
            last["result"]["structuredContent"]["annotation_id"],
            annotation
        );
        assert_eq!(stream.next(), None);
        assert_eq!(place.deletions(), 1);
        assert!(!is_there(&server, &annotation));

        // Again, where nobody waits for it.
        assert_accepted(&post(&server, &held, &answer(&question, yes())));
    }
}

#[test]
fn without_a_clear_yes_nothing_is_changed() {
    let place = Place::new();
    let server = place.server(&[]);
    let annotation = annotate(&server);
    let held = session_with(&server, "2025-11-25", asking());
    for no in [
        json!({"action": "decline"}),
        json!({"action": "cancel"}),
        json!({"action": "accept", "content": {"confirm": false}}),
        json!({"action": "accept"}),
        json!("yes"),
    ] {
        let mut stream = call(&server, &held, &annotation);
        let question = question(&mut stream);
        assert_accepted(&post(&server, &held, &answer(&question, no.clone())));
        let facts = failed(&stream.message());
        assert_eq!(facts["kind"], "declined", "{no}");
        assert_eq!(stream.next(), None);
    }
    assert_eq!(place.deletions(), 0);
    assert!(is_there(&server, &annotation));
}

#[test]
fn a_client_that_fails_to_ask_is_told_the_other_way() {
    let place = Place::new();
    let server = place.server(&[]);
    let annotation = annotate(&server);
    let held = session_with(&server, "2025-06-18", asking());
    let mut stream = call(&server, &held, &annotation);
    let question = question(&mut stream);
    let error = json!({"code": -32603, "message": "no screen"});
    let body = json!({"jsonrpc": "2.0", "id": question["id"], "error": error});
    assert_accepted(&post(&server, &held, &body.to_string()));
    let facts = failed(&stream.message());
    assert_eq!(
        (&facts["kind"], &facts["confirm"]),
        (&json!("not_confirmed"), &json!("launch"))
    );
    let told = facts["error"].as_str().unwrap();
    assert!(told.contains("no screen"), "{told}");
    assert_eq!(place.deletions(), 0);
}

#[test]
fn an_answer_counts_only_from_the_session_that_was_asked() {
    let place = Place::new();
    let server = place.server(&[]);
    let annotation = annotate(&server);
    let (own, other) = (
        session_with(&server, "2025-11-25", asking()),
        session_with(&server, "2025-11-25", asking()),
    );
    let mut stream = call(&server, &own, &annotation);
    let question = question(&mut stream);
    let agreed = answer(&question, yes());

    assert_accepted(&post(&server, &other, &agreed));
    assert_accepted(&post(&server, "unknown", &agreed));
    assert_accepted(&server.post("/mcp", &[STREAMS], &agreed));
    let guessed = json!({"id": "0"});
    assert_accepted(&post(&server, &own, &answer(&guessed, yes())));
    // Had one of them counted, this would come too late.
    let declined = answer(&question, json!({"action": "decline"}));
    assert_accepted(&post(&server, &own, &declined));

    assert_eq!(failed(&stream.message())["kind"], "declined");
    assert_eq!(place.deletions(), 0);
}

#[test]
fn who_cannot_be_asked_has_to_name_what_is_lost() {
    let place = Place::new();
    let server = place.server(&[]);
    let annotation = annotate(&server);
    let check = |server: &TestServer, headers: &[(&str, &str)]| {
        let body = request(1, "tools/call", delete(&annotation));
        let answer = server.post("/mcp", headers, &body).json();
        let told = answer["result"]["content"][0]["text"].as_str().unwrap();
        let way =
            "ask the user, and if they agree call again with confirm=\"launch\"; nothing was done";
        assert!(told.ends_with(way), "{headers:?}: {told}");
    };
    for (revision, capabilities) in [
        ("2025-11-25", json!({})),
        ("2025-11-25", json!({"elicitation": {"url": {}}})),
        // It has no such request.
        ("2025-03-26", asking()),
    ] {
        let held = session_with(&server, revision, capabilities);
        check(&server, &[STREAMS, ("mcp-session-id", &held)]);
    }
    let held = session_with(&server, "2025-11-25", asking());
    let json_only = ("accept", "application/json");
    check(&server, &[json_only, ("mcp-session-id", &held)]);
    check(&server, &[STREAMS, ("mcp-protocol-version", "2025-11-25")]);
    let without_streams = place.server(&["--json-response"]);
    let held = session_with(&without_streams, "2025-11-25", asking());
    check(&without_streams, &[STREAMS, ("mcp-session-id", &held)]);
    assert_eq!(place.deletions(), 0);
    assert!(is_there(&server, &annotation));
}

#[test]
fn a_question_without_an_answer_is_taken_back_in_the_end() {
    let place = Place::new();
    let server = place.server(&["--question-seconds", "1"]);
    let annotation = annotate(&server);
    let held = session_with(&server, "2025-11-25", asking());
    let mut stream = call(&server, &held, &annotation);
    let question = question(&mut stream);

    let taken_back = stream.message();
    assert_eq!(taken_back["method"], "notifications/cancelled");
    assert_eq!(taken_back["params"]["requestId"], question["id"]);
    let facts = failed(&stream.message());
    assert_eq!(facts["kind"], "not_confirmed");
    let told = facts["error"].as_str().unwrap();
    assert!(
        told.starts_with("a question was not answered within 1 s; "),
        "{told}"
    );
    assert_eq!(stream.next(), None);

    assert_accepted(&post(&server, &held, &answer(&question, yes())));
    assert_eq!(place.deletions(), 0);
    assert!(is_there(&server, &annotation));
}

#[test]
fn a_cancelled_call_takes_its_question_back_and_ends_without_an_answer() {
    let place = Place::new();
    let server = place.server(&[]);
    let annotation = annotate(&server);
    let held = session_with(&server, "2025-06-18", asking());
    let mut stream = call(&server, &held, &annotation);
    let question = question(&mut stream);
    let cancel = notification("notifications/cancelled", json!({"requestId": "call"}));
    assert_accepted(&post(&server, &held, &cancel));

    let taken_back = stream.message();
    assert_eq!(taken_back["params"]["requestId"], question["id"]);
    assert_eq!(stream.next(), None);
    assert_accepted(&post(&server, &held, &answer(&question, yes())));
    assert_eq!(place.deletions(), 0);
    assert!(is_there(&server, &annotation));
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_question_ends_its_call() {
    let place = Place::new();
    let program = Program::before(&place.recorder.url(), &FLAGS);
    let server = &program.server;
    let annotation = annotate(server);

    let held = session_with(server, "2025-11-25", asking());
    let url = server.url();
    let address = url.strip_prefix("http://").unwrap();
    let body = request("call", "tools/call", delete(&annotation));
    let mut client = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\naccept: {}\r\nmcp-session-id: {held}\r\ncontent-length: {}\r\n\r\n",
        STREAMS.1,
        body.len()
    );
    client
        .write_all(format!("{head}{body}").as_bytes())
        .unwrap();
    let mut reader = std::io::BufReader::new(client);
    let question = loop {
        let mut line = String::new();
        assert_ne!(
            std::io::BufRead::read_line(&mut reader, &mut line).unwrap(),
            0
        );
        if let Some(data) = line.strip_prefix("data: ") {
            break serde_json::from_str::<Value>(data).unwrap();
        }
    };
    drop(reader);

    program.logs(&format!("tools/call \"{TOOL}\" was cancelled"));
    assert_accepted(&post(server, &held, &answer(&question, yes())));
    assert_eq!(place.deletions(), 0);
    assert!(is_there(server, &annotation));
}

#[test]
fn questions_that_wait_hold_up_neither_a_ping_nor_other_calls() {
    let place = Place::new();
    let streams_max = 6;
    let server = place.server(&["--workers", "1", "--waiting-calls", "1", "--streams", "6"]);
    let mut asked: Vec<_> = (0..streams_max)
        .map(|_| {
            let annotation = annotate(&server);
            let held = session_with(&server, "2025-11-25", asking());
            let mut stream = call(&server, &held, &annotation);
            let question = question(&mut stream);
            (annotation, held, stream, question)
        })
        .collect();

    let other = session_with(&server, "2025-11-25", asking());
    let pinged = post(&server, &other, &request(1, "ping", json!({})));
    assert_eq!(pinged.json()["result"], json!({}));
    let all_there = asked.iter().all(|(one, ..)| is_there(&server, one));
    assert!(all_there);
    // One more counts as a stream too many.
    let body = request(2, "tools/call", delete(&asked[0].0));
    let facts = failed(&post(&server, &other, &body).json());
    assert_eq!(facts["kind"], "not_confirmed");
    assert_eq!(place.deletions(), 0);

    for (annotation, held, stream, question) in &mut asked {
        assert_accepted(&post(&server, held, &answer(question, yes())));
        assert_eq!(stream.message()["id"], "call");
        assert_eq!(stream.next(), None);
        assert!(!is_there(&server, annotation));
    }
    assert_eq!(place.deletions(), streams_max);
    // Their places are free again.
    let annotation = annotate(&server);
    question(&mut call(&server, &other, &annotation));
}

#[test]
fn the_end_of_the_server_ends_its_questions_at_once() {
    let place = Place::new();
    let server = place.server(&[]);
    let annotation = annotate(&server);
    let held = session_with(&server, "2025-11-25", asking());
    let mut stream = call(&server, &held, &annotation);
    let question = question(&mut stream);

    let begun = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| server.stop());
        let taken_back = stream.message();
        assert_eq!(taken_back["params"]["requestId"], question["id"]);
        let facts = failed(&stream.message());
        let told = facts["error"].as_str().unwrap();
        assert!(told.starts_with("the server is stopping; "), "{told}");
    });
    // Not the time that a running call would have, nor that of the question.
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(place.deletions(), 0);
}

#[test]
fn over_http_with_sse_the_user_is_asked_on_the_clients_one_stream() {
    let place = Place::new();
    let server = place.server(&[]);
    for (result, is_kept) in [(json!({"action": "decline"}), true), (yes(), false)] {
        let annotation = annotate(&server);
        let mut streams = [(); 2].map(|()| server.stream("GET", "/sse", &[], ""));
        let [own, other] = streams.each_mut().map(|stream| stream.next().unwrap().data);
        let post = |address: &str, body: &str| {
            assert_eq!(server.post(address, &[], body).status, 202);
        };
        let client = json!({"name": "test", "version": "1"});
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": asking(), "clientInfo": client});
        post(&own, &request(0, "initialize", params));
        let settled = streams[0].message();
        assert_eq!(settled["result"]["protocolVersion"], "2025-06-18");

        post(&own, &request(1, "tools/call", delete(&annotation)));
        let question = question(&mut streams[0]);
        post(&other, &answer(&question, yes()));
        post(&own, &request(2, "ping", json!({})));
        assert_eq!(streams[0].message()["id"], 2);
        assert_eq!(place.deletions(), 0);
        post(&own, &answer(&question, result));
        let last = streams[0].message();
        assert_eq!(last["id"], 1);
        assert_eq!(last["result"]["isError"] == true, is_kept, "{last}");
        assert_eq!(place.deletions(), usize::from(!is_kept));
        assert_eq!(is_there(&server, &annotation), is_kept);
    }
}

#[test]
fn a_stream_of_http_with_sse_that_breaks_ends_its_question() {
    let place = Place::new();
    let program = Program::before(&place.recorder.url(), &FLAGS);
    let server = &program.server;
    let annotation = annotate(server);
    let mut stream = server.stream("GET", "/sse", &[], "");
    let address = stream.next().unwrap().data;
    let client = json!({"name": "test", "version": "1"});
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": asking(), "clientInfo": client});
    for body in [
        request(0, "initialize", params),
        request(1, "tools/call", delete(&annotation)),
    ] {
        assert_eq!(server.post(&address, &[], &body).status, 202);
    }
    assert_eq!(stream.message()["id"], 0);
    question(&mut stream);

    drop(stream);

    program.logs(&format!("tools/call \"{TOOL}\" was cancelled"));
    assert_eq!(place.deletions(), 0);
    assert!(is_there(server, &annotation));
}

#[test]
fn on_stdio_the_user_is_asked_between_other_messages() {
    let place = Place::new();
    let elsewhere = place.server(&[]);
    let mut server = StdioServer::start_before(&place.recorder.url(), &FLAGS);
    server.initialize_with("2025-06-18", asking());
    for (result, is_kept) in [(json!({"action": "cancel"}), true), (yes(), false)] {
        let annotation = annotate(&elsewhere);
        server.ask(1, "tools/call", delete(&annotation));
        let question = server.message();
        assert_eq!(question["method"], "elicitation/create");
        assert_eq!(server.answer(2, "ping", json!({}))["result"], json!({}));
        assert_eq!(place.deletions(), 0);
        server.write(&format!("{}\n", answer(&question, result)));
        let last = server.message();
        assert_eq!(last["id"], 1);
        assert_eq!(last["result"]["isError"] == true, is_kept, "{last}");
        assert_eq!(place.deletions(), usize::from(!is_kept));
        assert_eq!(is_there(&elsewhere, &annotation), is_kept);
    }

    // A client that closes its end cannot answer any more.
    let annotation = annotate(&elsewhere);
    server.ask(3, "tools/call", delete(&annotation));
    assert_eq!(server.message()["method"], "elicitation/create");
    server.close_input();
    let (status, rest, _) = server.ended();
    assert!(status.success());
    let [taken_back, last] = &rest[..] else {
        panic!("{rest:?}")
    };
    assert_eq!(taken_back["method"], "notifications/cancelled");
    failed(last);
    assert_eq!(place.deletions(), 0);
    assert!(is_there(&elsewhere, &annotation));
}
