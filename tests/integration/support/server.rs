//! A server under test, spoken to as any client would: over real HTTP.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use mixpanel_mcp_server::mcp::application::Application;
use mixpanel_mcp_server::mcp::service::Service;
use mixpanel_mcp_server::sandbox::Sandbox;
use mixpanel_mcp_server::server::Server;
use mixpanel_mcp_server::settings::{Command, Settings};
use mixpanel_mcp_server::transport::gate::Limits;
use mixpanel_mcp_server::transport::{Access, HttpServer, HttpSettings};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::process::named_binary;
use super::program::Program;
use super::schema::Conversation;

/// No answer takes longer in a test that is in order.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server in this process, or a process of its own where another build is to be tested, on a port that the system picked;
/// stopped when dropped.
///
/// Whatever it says is held against the protocol's schemas, where they are at hand.
pub(crate) struct TestServer {
    url: String,
    stop: Box<dyn Fn(Duration) + Send + Sync>,
    agent: ureq::Agent,
    /// Of Streamable HTTP by their session id, of HTTP+SSE by the address for messages.
    conversations: Conversations,
}

type Conversations = Arc<Mutex<HashMap<String, Conversation>>>;

/// An HTTP answer, read whole.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    /// The status.
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// As it came.
    pub(crate) body: String,
}

/// What a tool gave back.
#[derive(Debug)]
pub(crate) struct ToolAnswer {
    /// `isError`.
    pub(crate) is_error: bool,
    /// The answer's data with its `summary`, or a failure's facts with its text in `error`.
    pub(crate) data: Value,
    /// The first block of content.
    pub(crate) text: String,
}

/// What a result tells: its data, or a failure's facts with its text in `error`.
#[track_caller]
pub(crate) fn told(result: &Value) -> Value {
    if result["isError"] != true {
        return result["structuredContent"].clone();
    }
    // Clients hold a structured result against the tool's output schema, also that of a failure.
    assert!(result.get("structuredContent").is_none(), "{result}");
    let blocks = result["content"].as_array().unwrap();
    assert_eq!(blocks.len(), 2, "{result}");
    let facts = blocks[1]["text"].as_str().unwrap();
    let mut facts: Value = serde_json::from_str(facts).unwrap_or_else(|_| panic!("{facts}"));
    assert!(facts["kind"].is_string(), "{result}");
    facts["error"] = blocks[0]["text"].clone();
    facts
}

/// One event of an event stream.
#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    /// `message` or `endpoint`.
    pub(crate) name: String,
    /// As it came.
    pub(crate) data: String,
}

/// An open event stream.
pub(crate) struct EventStream {
    reader: BufReader<Box<dyn std::io::Read + Send>>,
    conversation: Conversation,
    conversations: Conversations,
}

impl TestServer {
    /// A server with these flags and variables; a port of its own comes by itself.
    #[track_caller]
    pub(crate) fn start(flags: &[&str], variables: &[(&str, &str)]) -> TestServer {
        let Some(_) = named_binary() else {
            return TestServer::start_with(flags, variables, |_| {});
        };
        let program = Program::start(flags, variables);
        let url = program.server.url();
        let program = Mutex::new(Some(program));
        TestServer::running(url, move |patience| {
            let mut running = program.lock().unwrap_or_else(PoisonError::into_inner);
            // Without patience it is dropped, and so killed.
            if let Some(program) = running.take()
                && !patience.is_zero()
            {
                program.signal(Signal::TERM);
                program.ended();
            }
        })
    }

    /// One in this process, with what no setting changes.
    #[track_caller]
    pub(crate) fn start_with(
        flags: &[&str],
        variables: &[(&str, &str)],
        change: impl FnOnce(&mut Settings),
    ) -> TestServer {
        let flags = flags.iter().chain(&["--port", "0"]).map(OsString::from);
        let variable = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| OsString::from(value))
        };
        let Ok(Command::Serve(mut settings)) = Command::read(flags, variable) else {
            panic!("these settings do not serve")
        };
        change(&mut settings);
        let server = Server::start(*settings).unwrap();
        TestServer::running(server.url(), move |patience| server.stop(patience))
    }

    /// A server of the library's transport and protocol with other things to offer than the product's.
    pub(crate) fn offering(application: impl Application) -> TestServer {
        let settings = HttpSettings {
            address: ([127, 0, 0, 1], 0).into(),
            access: Access {
                loopback: true,
                allowed_origins: Vec::new(),
                allowed_hosts: Vec::new(),
                token: None,
                credential_fields: &[],
            },
            json_response: false,
            calls_max: 4,
            waiting_max: 4,
            streams_max: 4,
            limits: Limits::default(),
        };
        let service = Service::new(application, PATIENCE);
        let server = HttpServer::start(settings, service).unwrap();
        let url = format!("http://{}", server.address());
        TestServer::running(url, move |patience| server.stop(patience))
    }

    /// A server that someone else runs. One that listens on all addresses is spoken to on loopback.
    pub(crate) fn at(url: String) -> TestServer {
        TestServer::running(url, |_| ())
    }

    fn running(url: String, stop: impl Fn(Duration) + Send + Sync + 'static) -> TestServer {
        TestServer {
            url: url.replace("//0.0.0.0:", "//127.0.0.1:"),
            stop: Box::new(stop),
            agent: agent(),
            conversations: Conversations::default(),
        }
    }

    /// A server on a sandbox of its own: for tests that change something and count it.
    pub(crate) fn sandbox() -> TestServer {
        TestServer::start(&["--sandbox"], &[])
    }

    /// The one server on a sandbox that tests share which change nothing, or only under names of their own.
    pub(crate) fn shared() -> &'static TestServer {
        static SHARED: OnceLock<TestServer> = OnceLock::new();
        SHARED.get_or_init(TestServer::sandbox)
    }

    /// A server with the sandbox's account whose four APIs are below one URL, as the sandbox's are: for a recorder
    /// or a misbehaving upstream in between.
    pub(crate) fn before(upstream: &str) -> TestServer {
        TestServer::before_with(upstream, &[])
    }

    /// The same with flags.
    pub(crate) fn start_before(upstream: &str, flags: &[&str]) -> TestServer {
        let variables = variables_before(upstream);
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        TestServer::start(flags, &variables)
    }

    /// The same with more variables.
    pub(crate) fn before_with(upstream: &str, variables: &[(&str, &str)]) -> TestServer {
        let common = variables_before(upstream);
        // An empty value of the test's own takes one of the common ones away.
        let others = common
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .filter(|(name, _)| variables.iter().all(|(own, _)| own != name));
        let all: Vec<(&str, &str)> = variables.iter().copied().chain(others).collect();
        TestServer::start(&[], &all)
    }

    /// Where it listens, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Stops it as a signal does: nobody is let in any more, open streams are ended, and what is on its way may arrive.
    pub(crate) fn stop(&self) {
        (self.stop)(PATIENCE);
    }

    /// Calls a tool with the server's own credentials.
    #[track_caller]
    pub(crate) fn call(&self, tool: &str, arguments: Value) -> ToolAnswer {
        self.call_with(&[], tool, arguments)
    }

    /// Calls a tool and wants an answer: its data.
    #[track_caller]
    pub(crate) fn data(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.call(tool, arguments);
        assert!(!answer.is_error, "{tool}: {}", answer.text);
        answer.data
    }

    /// Calls a tool and wants a failure: its facts, the text in `error`.
    #[track_caller]
    pub(crate) fn failure(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.call(tool, arguments);
        assert!(answer.is_error, "{tool} gave {}", answer.data);
        answer.data
    }

    /// Calls a tool with these header fields.
    #[track_caller]
    pub(crate) fn call_with(
        &self,
        headers: &[(&str, &str)],
        tool: &str,
        arguments: Value,
    ) -> ToolAnswer {
        let params = json!({"name": tool, "arguments": arguments});
        let message = self.rpc_with(headers, "tools/call", params);
        let result = message
            .get("result")
            .unwrap_or_else(|| panic!("{tool}: {message}"));
        ToolAnswer {
            is_error: result["isError"].as_bool().unwrap_or(false),
            data: told(result),
            text: result["content"][0]["text"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// Sends a request of revision 2025-11-25 and gives the whole message that answers it.
    #[track_caller]
    pub(crate) fn rpc(&self, method: &str, params: Value) -> Value {
        self.rpc_with(&[], method, params)
    }

    /// The same with these header fields.
    #[track_caller]
    pub(crate) fn rpc_with(&self, headers: &[(&str, &str)], method: &str, params: Value) -> Value {
        let headers = [headers, &[("mcp-protocol-version", "2025-11-25")]].concat();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self.post("/mcp", &headers, &body.to_string());
        serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{method}: {answer:?}"))
    }

    /// Posts JSON to a path.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> HttpAnswer {
        let named = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let json: &[(&str, &str)] = if named {
            &[]
        } else {
            &[("content-type", "application/json")]
        };
        self.send("POST", path, &[headers, json].concat(), body)
    }

    /// Sends any request and reads its answer whole.
    #[track_caller]
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> HttpAnswer {
        let conversation = self.conversation(path, headers, body);
        let mut response = self.response(method, path, headers, body);
        let mut text = String::new();
        response
            .body_mut()
            .as_reader()
            .read_to_string(&mut text)
            .unwrap();
        let answer = HttpAnswer {
            status: response.status().as_u16(),
            headers: fields(&response),
            body: text,
        };
        if answer.header("content-type") == Some("application/json") && path != "/health" {
            conversation.heard(&answer.json());
        }
        if let Some(session) = answer.header("mcp-session-id") {
            lock(&self.conversations).insert(session.to_owned(), conversation);
        }
        answer
    }

    /// The conversation that a request belongs to, with what it asks noted.
    fn conversation(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Conversation {
        let header = |name: &str| {
            let found = headers
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| *value)
        };
        let known = lock(&self.conversations);
        let held = known
            .get(path)
            .or_else(|| known.get(header("mcp-session-id")?));
        let conversation = match (held, header("mcp-protocol-version")) {
            (Some(held), _) => held.clone(),
            (None, Some("2026-07-28")) => Conversation::at("2026-07-28"),
            (None, Some(revision @ ("2024-11-05" | "2025-03-26" | "2025-06-18"))) => {
                Conversation::at(revision)
            }
            (None, Some(_)) => Conversation::at("2025-11-25"),
            // Who names no revision speaks the one that had no way to.
            (None, None) => Conversation::at("2025-03-26"),
        };
        conversation.asked(body);
        conversation
    }

    /// Sends a request whose answer is an event stream.
    #[track_caller]
    pub(crate) fn stream(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> EventStream {
        let conversation = match path {
            "/sse" => Conversation::at("2024-11-05"),
            path => self.conversation(path, headers, body),
        };
        let response = self.response(method, path, headers, body);
        let fields = fields(&response);
        assert_eq!(response.status(), 200, "{fields:?}");
        assert!(
            fields.contains(&("content-type".into(), "text/event-stream".into())),
            "{fields:?}"
        );
        EventStream {
            reader: BufReader::new(Box::new(response.into_body().into_reader())),
            conversation,
            conversations: self.conversations.clone(),
        }
    }

    #[track_caller]
    fn response(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> ureq::http::Response<ureq::Body> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match body {
            "" => self.agent.run(request.body(()).unwrap()).unwrap(),
            body => self
                .agent
                .run(request.body(body.to_owned()).unwrap())
                .unwrap(),
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        (self.stop)(Duration::ZERO);
    }
}

impl HttpAnswer {
    /// A header field's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

impl EventStream {
    /// The next event; comments are passed over. `None`: the stream has ended.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Event> {
        let (mut name, mut data) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end_matches('\n') {
                "" if data.is_empty() => (),
                "" => break,
                line if line.starts_with(':') => (),
                line => match line.split_once(": ") {
                    Some(("event", value)) => name = value.to_owned(),
                    Some(("data", value)) => data = value.to_owned(),
                    _ => panic!("{line:?} is no line of an event"),
                },
            }
        }
        match name.as_str() {
            "endpoint" => {
                lock(&self.conversations).insert(data.clone(), self.conversation.clone());
            }
            _ => self
                .conversation
                .heard(&serde_json::from_str(&data).unwrap()),
        }
        Some(Event { name, data })
    }

    /// The next event, which must be a message: its JSON.
    #[track_caller]
    pub(crate) fn message(&mut self) -> Value {
        let event = self.next().expect("the stream goes on");
        assert_eq!(event.name, "message");
        serde_json::from_str(&event.data).unwrap()
    }
}

/// The variables of a server with the sandbox's account whose four APIs are below one URL, as the sandbox's are.
pub(crate) fn variables_before(upstream: &str) -> [(&'static str, String); 10] {
    [
        ("MIXPANEL_INGESTION_URL", upstream.into()),
        ("MIXPANEL_EXPORT_URL", format!("{upstream}/api/2.0")),
        ("MIXPANEL_QUERY_URL", format!("{upstream}/api/query")),
        ("MIXPANEL_APP_URL", format!("{upstream}/api/app")),
        ("MIXPANEL_SERVICE_ACCOUNT_USERNAME", "sandbox".into()),
        ("MIXPANEL_SERVICE_ACCOUNT_SECRET", "sandbox".into()),
        ("MIXPANEL_PROJECT_ID", "12345".into()),
        // Most tests look at what is asked: every question is, and no limit is in its way.
        ("MIXPANEL_CACHE_SECONDS", "0".into()),
        ("MIXPANEL_QUERIES_PER_HOUR", "0".into()),
        ("MIXPANEL_CONCURRENT_QUERIES", "0".into()),
    ]
}

fn lock(conversations: &Conversations) -> std::sync::MutexGuard<'_, HashMap<String, Conversation>> {
    conversations.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A sandbox of its own, to put a recorder before it.
pub(crate) fn sandbox() -> Sandbox {
    Sandbox::start().unwrap()
}

fn fields<Body>(response: &ureq::http::Response<Body>) -> Vec<(String, String)> {
    let text =
        |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE))
        // The server is not an upstream: its answers come as they are.
        .allow_non_standard_methods(true)
        .build()
        .new_agent()
}
