//! What a server offers, as the protocol's room sees it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::call::Call;
use super::headers::Headers;
use super::jsonrpc::Fault;
use super::result::{Outcome, ToolResult};

/// Tools, resources, prompts and completions. Lists are JSON arrays in the form of the newest revision:
/// members that an older client does not know are legal there.
pub trait Application: Send + Sync + 'static {
    /// Name, title, version and so on: the protocol's `Implementation`, an object.
    fn implementation(&self) -> Value;

    /// Short guidance for the model.
    fn instructions(&self) -> String;

    /// The tools: a JSON array as text, the same bytes for the same header fields.
    fn tools(&self, headers: &Headers) -> Result<Arc<str>, Fault>;

    /// Runs a tool. `None`: there is none of that name.
    fn call_tool(
        &self,
        name: &str,
        arguments: &Value,
        call: &Call,
    ) -> Option<Result<Outcome<ToolResult>, Fault>>;

    /// The resources that can be named without asking anyone for long.
    fn resources(&self, call: &Call) -> Result<Vec<Value>, Fault>;

    /// URI templates of further resources.
    fn resource_templates(&self) -> Vec<Value>;

    /// The contents of a resource. `None`: there is none at that URI.
    fn read_resource(&self, uri: &str, call: &Call) -> Option<Result<Vec<Value>, Fault>>;

    /// The prompts.
    fn prompts(&self) -> Vec<Value>;

    /// A prompt with its arguments filled in: `description` and `messages`.
    /// `None`: there is none of that name.
    fn prompt(
        &self,
        name: &str,
        arguments: &Map<String, Value>,
        call: &Call,
    ) -> Option<Result<Outcome<Map<String, Value>>, Fault>>;

    /// Ways to go on from `value` for an argument. Unknown references and arguments have none.
    fn complete(&self, wanted: &CompletionWanted<'_>, call: &Call) -> Result<Completion, Fault>;
}

/// What is to be completed.
pub struct CompletionWanted<'a> {
    /// A prompt's name or a resource's URI template.
    pub reference: Reference<'a>,
    /// The argument's name.
    pub argument: &'a str,
    /// What has been typed of it.
    pub value: &'a str,
    /// Arguments that are already filled in.
    pub context: &'a Map<String, Value>,
}

/// Whose argument is to be completed.
pub enum Reference<'a> {
    /// A prompt's, by name.
    Prompt(&'a str),
    /// A resource template's, by URI.
    Resource(&'a str),
}

/// Ways to go on, the likeliest first.
#[derive(Default)]
pub struct Completion {
    /// All of them; the first 100 are sent.
    pub values: Vec<String>,
}
