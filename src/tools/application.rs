//! The Mixpanel server as the protocol's room sees it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::mcp::application::{Application, Completion, CompletionWanted, PromptOutcome};
use crate::mcp::call::Call;
use crate::mcp::jsonrpc::Fault;
use crate::mcp::result::Outcome;
use crate::mixpanel::Mixpanel;

use super::ask::Ask;

const GUIDANCE: &str = "Ask Mixpanel about a product's events and users, and send it events. Names of events and properties are exact, also in case: look them up with mixpanel_list_events and mixpanel_list_event_properties before you ask for counts. Dates are YYYY-MM-DD, both ends inclusive, in the project's time zone. The query API allows a project 60 queries an hour and 5 at once: ask for a range once rather than day by day. Prefer counts and reports to mixpanel_query_events, which reads raw events.";

const SANDBOX_GUIDANCE: &str = " This server answers from a sandbox, an invented shop in memory (project 12345, the last 31 days): its figures are not real and nothing outlives the process.";

/// Tools on Mixpanel.
pub struct MixpanelApplication {
    mixpanel: Mixpanel,
    sandbox: bool,
    tools: Arc<str>,
}

impl MixpanelApplication {
    /// All tools on this Mixpanel; `sandbox`: it is an invented one, whose account everyone may use.
    pub fn new(mixpanel: Mixpanel, sandbox: bool) -> MixpanelApplication {
        let tools: Vec<Value> = super::all().map(|tool| tool.definition()).collect();
        MixpanelApplication {
            mixpanel,
            sandbox,
            tools: Value::from(tools).to_string().into(),
        }
    }

    fn ask(&self, call: &Call) -> Ask {
        Ask::new(
            &self.mixpanel,
            call,
            self.sandbox || call.headers().is_trusted(),
        )
    }
}

impl Application for MixpanelApplication {
    fn implementation(&self) -> Value {
        json!({
            "name": env!("CARGO_PKG_NAME"),
            "title": "Mixpanel",
            "version": env!("CARGO_PKG_VERSION"),
            "description": env!("CARGO_PKG_DESCRIPTION"),
        })
    }

    fn instructions(&self) -> String {
        let sandbox = if self.sandbox { SANDBOX_GUIDANCE } else { "" };
        format!("{GUIDANCE}{sandbox}")
    }

    fn tools(&self) -> Arc<str> {
        self.tools.clone()
    }

    fn call_tool(
        &self,
        name: &str,
        arguments: &Value,
        call: &Call,
    ) -> Option<Result<Outcome, Fault>> {
        let tool = super::all().find(|tool| tool.name == name)?;
        Some(Ok(Outcome::Complete(tool.call(&self.ask(call), arguments))))
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
    ) -> Option<Result<PromptOutcome, Fault>> {
        None
    }

    fn complete(&self, _: &CompletionWanted<'_>, _: &Call) -> Result<Completion, Fault> {
        Ok(Completion::default())
    }
}
