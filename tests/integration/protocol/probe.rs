//! An application whose tools do what the product's tools never do, or only at times that a test cannot choose.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use mixpanel_mcp_server::mcp::application::{Application, Completion, CompletionWanted};
use mixpanel_mcp_server::mcp::call::{Call, Level};
use mixpanel_mcp_server::mcp::headers::Headers;
use mixpanel_mcp_server::mcp::jsonrpc::Fault;
use mixpanel_mcp_server::mcp::result::{Content, Outcome, ToolResult};
use serde_json::{Map, Value, json};

use crate::support::TestServer;

const TOOLS: [&str; 6] = [
    "tell",
    "tell_late",
    "give_some",
    "give_much",
    "give_all_kinds",
    "break_off",
];

/// The bytes of what `give_much` gives: more than a client takes as one event.
pub(super) const MUCH: usize = 1_100_000;

/// The bytes of what `give_some` gives: two of these are more than a client takes as one event.
pub(super) const SOME: usize = 600_000;

/// A server with these tools:
///
/// - `tell`: three times progress, all at once, the second one going back; then a debug and a warning log message.
/// - `tell_late`: leaves a thread behind that tells after the answer, when [`Probe::tell_now`] says so.
/// - `give_some`: [`SOME`] bytes of text.
/// - `give_much`: [`MUCH`] bytes of text.
/// - `give_all_kinds`: text, sound and a link, with structured content.
/// - `break_off`: panics.
pub(crate) struct Probe {
    pub(crate) server: TestServer,
    now: Sender<()>,
    told: Receiver<()>,
}

impl Probe {
    pub(crate) fn start() -> Probe {
        let (now, wait) = channel();
        let (tell, told) = channel();
        let application = Tools {
            wait: Arc::new(Mutex::new(wait)),
            tell,
        };
        Probe {
            server: TestServer::offering(application),
            now,
            told,
        }
    }

    /// Lets the thread of `tell_late` tell, and waits until it has.
    pub(super) fn tell_now(&self) {
        self.now.send(()).unwrap();
        self.told.recv().unwrap();
    }
}

struct Tools {
    wait: Arc<Mutex<Receiver<()>>>,
    tell: Sender<()>,
}

impl Tools {
    fn tell_late(&self, call: &Call) {
        let (wait, tell, call) = (self.wait.clone(), self.tell.clone(), call.clone());
        thread::spawn(move || {
            let waited = wait.lock().unwrap().recv();
            call.progress(1.0, None, "too late");
            call.log(Level::Emergency, "probe", "too late".into());
            // The test is over if nobody waits.
            let _ = waited.map(|()| tell.send(()));
        });
    }
}

impl Application for Tools {
    fn implementation(&self) -> Value {
        json!({"name": "probe", "version": "1"})
    }

    fn instructions(&self) -> String {
        String::new()
    }

    fn tools(&self, _: &Headers) -> Result<Arc<str>, Fault> {
        Ok({
            let tools: Vec<Value> = TOOLS
                .iter()
                .map(|name| json!({"name": name, "inputSchema": {"type": "object"}}))
                .collect();
            Value::from(tools).to_string().into()
        })
    }

    fn call_tool(
        &self,
        name: &str,
        _: &Value,
        call: &Call,
    ) -> Option<Result<Outcome<ToolResult>, Fault>> {
        let mut result = ToolResult {
            content: vec![Content::Text("done".into())],
            structured: None,
            is_error: false,
        };
        match name {
            "tell" => {
                call.progress(1.0, Some(3.0), "begun");
                call.progress(0.5, Some(3.0), "back");
                call.progress(2.0, Some(3.0), "too soon after the first");
                call.log(Level::Debug, "probe", "a detail".into());
                call.log(Level::Warning, "probe", "a warning".into());
            }
            "tell_late" => self.tell_late(call),
            "give_some" => result.content = vec![Content::Text("x".repeat(SOME))],
            "give_much" => result.content = vec![Content::Text("x".repeat(MUCH))],
            "give_all_kinds" => {
                result.content.extend([
                    Content::Audio {
                        data: "UklGRg==".into(),
                        mime_type: "audio/wav".into(),
                    },
                    Content::ResourceLink {
                        uri: "probe://more".into(),
                        name: "more".into(),
                    },
                ]);
                result.structured = Some(r#"{"kinds":3}"#.into());
            }
            "break_off" => panic!("a fault of the probe"),
            _ => return None,
        }
        Some(Ok(Outcome::Complete(result)))
    }

    fn resources(&self, _: &Call) -> Result<Vec<Value>, Fault> {
        Ok(Vec::new())
    }

    fn resource_templates(&self) -> Vec<Value> {
        Vec::new()
    }

    fn read_resource(&self, _: &str, _: &Call) -> Option<Result<Vec<Value>, Fault>> {
        None
    }

    fn prompts(&self) -> Vec<Value> {
        Vec::new()
    }

    fn prompt(
        &self,
        _: &str,
        _: &Map<String, Value>,
        _: &Call,
    ) -> Option<Result<Outcome<Map<String, Value>>, Fault>> {
        None
    }

    fn complete(&self, _: &CompletionWanted<'_>, _: &Call) -> Result<Completion, Fault> {
        Ok(Completion::default())
    }
}
