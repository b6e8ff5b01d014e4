//! The Mixpanel server as the protocol's room sees it.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};

use crate::mcp::application::{Application, Completion, CompletionWanted};
use crate::mcp::call::Call;
use crate::mcp::headers::Headers;
use crate::mcp::jsonrpc::{self, Fault, written};
use crate::mcp::result::{Outcome, ToolResult};
use crate::mixpanel::Mixpanel;

use super::ask::Ask;
use super::offer::Offer;
use super::{completions, prompts, resources};

const GUIDANCE: &str = "Ask Mixpanel about a product's events and users, and send it events. Names of events and properties are exact, also in case: look them up with mixpanel_list_events and mixpanel_list_event_properties before you ask for counts. Dates are YYYY-MM-DD, or today, yesterday, 7d, this_week, last_month and so on, both ends inclusive, in the project's time zone: from_date 7d with to_date today are seven days. The query API allows a project 60 queries an hour and 5 at once: ask for a range once rather than day by day. mixpanel_get_quota tells what is left. Answers are kept for a short while: fresh=true asks anew. Prefer counts and reports to mixpanel_query_events, which reads raw events.";

const SANDBOX_GUIDANCE: &str = " This server answers from a sandbox, an invented shop in memory (project 12345, the last 31 days): its figures are not real and nothing outlives the process.";

/// Tools on Mixpanel.
pub struct MixpanelApplication {
    mixpanel: Mixpanel,
    sandbox: bool,
    offer: Offer,
    /// What a request without wishes of its own is answered: the same bytes each time, made for the first.
    tools: OnceLock<Arc<str>>,
}

impl MixpanelApplication {
    /// These tools on this Mixpanel; `sandbox`: it is an invented one, whose account everyone may use.
    pub fn new(mixpanel: Mixpanel, sandbox: bool, offer: Offer) -> MixpanelApplication {
        MixpanelApplication {
            mixpanel,
            sandbox,
            offer,
            tools: OnceLock::new(),
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

/// The tools as a JSON array.
fn definitions(offer: &Offer) -> Arc<str> {
    let mut text = b"[".to_vec();
    for tool in offer.tools() {
        if text.len() > 1 {
            text.push(b',');
        }
        tool.write_definition(&mut text);
    }
    text.push(b']');
    written(text).into()
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

    fn tools(&self, headers: &Headers) -> Result<Arc<str>, Fault> {
        let offer = self.offer.narrowed(headers)?;
        Ok(if *offer == self.offer {
            let tools = self.tools.get_or_init(|| definitions(&offer));
            tools.clone()
        } else {
            definitions(&offer)
        })
    }

    fn call_tool(
        &self,
        name: &str,
        arguments: &Value,
        call: &Call,
    ) -> Option<Result<Outcome<ToolResult>, Fault>> {
        let tool = super::named(name)?;
        let offer = match self.offer.narrowed(call.headers()) {
            Ok(offer) => offer,
            Err(fault) => return Some(Err(fault)),
        };
        if !offer.tools().any(|offered| offered.name == name) {
            return Some(Err(Fault::new(
                jsonrpc::INVALID_PARAMS,
                offer.why_not(tool),
            )));
        }
        Some(Ok(tool.call(&self.ask(call), arguments)))
    }

    fn resources(&self, call: &Call) -> Result<Vec<Value>, Fault> {
        resources::list(&self.ask(call))
    }

    fn resource_templates(&self) -> Vec<Value> {
        resources::templates()
    }

    fn read_resource(&self, uri: &str, call: &Call) -> Option<Result<Vec<Value>, Fault>> {
        resources::read(uri, &self.ask(call))
    }

    fn prompts(&self) -> Vec<Value> {
        prompts::list()
    }

    fn prompt(
        &self,
        name: &str,
        arguments: &Map<String, Value>,
        _: &Call,
    ) -> Option<Result<Outcome<Map<String, Value>>, Fault>> {
        Some(prompts::get(name, arguments)?.map(Outcome::Complete))
    }

    fn complete(&self, wanted: &CompletionWanted<'_>, call: &Call) -> Result<Completion, Fault> {
        Ok(completions::complete(wanted, &self.ask(call)))
    }
}
