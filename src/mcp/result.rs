//! What a tool call gives back, and its JSON for each revision.

use serde_json::{Map, Value, json};

use super::jsonrpc::write_onto;
use super::revision::Revision;

/// One block of a result's content.
#[derive(Clone, Debug)]
pub enum Content {
    /// Text for the model.
    Text(String),
    /// The result's structured form as text.
    Structured,
    /// A picture: base64 and its media type.
    Image {
        /// Base64.
        data: String,
        /// Such as `image/png`.
        mime_type: String,
    },
    /// Sound: base64 and its media type. Told as text to revisions without it.
    Audio {
        /// Base64.
        data: String,
        /// Such as `audio/wav`.
        mime_type: String,
    },
    /// The contents of a resource, as `resources/read` gives them.
    Resource(Value),
    /// Where more can be read. Told as text to revisions without links.
    ResourceLink {
        /// The resource's URI.
        uri: String,
        /// Its name.
        name: String,
    },
}

impl Content {
    fn write_onto(&self, json: &mut Vec<u8>, revision: Revision, structured: &str) {
        let block = match self {
            // By far the most, and the longest: not copied into a value.
            Content::Text(text) => return write_text_onto(json, |json| write_onto(json, text)),
            Content::Structured => {
                return write_text_onto(json, |json| quote_onto(json, structured));
            }
            Content::Image { data, mime_type } => {
                json!({"type": "image", "data": data, "mimeType": mime_type})
            }
            Content::Audio { data, mime_type } if revision.has_audio() => {
                json!({"type": "audio", "data": data, "mimeType": mime_type})
            }
            Content::Audio { mime_type, .. } => {
                json!({"type": "text", "text": format!("(sound, {mime_type}, which this client cannot take)")})
            }
            Content::Resource(resource) => json!({"type": "resource", "resource": resource}),
            Content::ResourceLink { uri, name } if revision.has_structured_results() => {
                json!({"type": "resource_link", "uri": uri, "name": name})
            }
            Content::ResourceLink { uri, name } => {
                json!({"type": "text", "text": format!("{name}: {uri}")})
            }
        };
        write_onto(json, &block);
    }
}

fn write_text_onto(json: &mut Vec<u8>, write_text: impl FnOnce(&mut Vec<u8>)) {
    json.extend_from_slice(br#"{"type":"text","text":"#);
    write_text(json);
    json.push(b'}');
}

/// Writes JSON text as a JSON string. serde_json would look for all that a text may have, and write what is between two signs to
/// be escaped piece by piece; of these JSON that it has written itself only has two, but many.
fn quote_onto(json: &mut Vec<u8>, text: &str) {
    json.push(b'"');
    for &byte in text.as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            json.push(b'\\');
        }
        json.push(byte);
    }
    json.push(b'"');
}

/// What a tool call gives back to the model.
#[derive(Clone, Debug)]
pub struct ToolResult {
    /// For every client.
    pub content: Vec<Content>,
    /// A JSON object as text, for clients that read structured results.
    pub structured: Option<String>,
    /// Whether the call failed in a way that the model can mend.
    pub is_error: bool,
}

impl ToolResult {
    /// A result whose structured form is also its text, as the protocol asks.
    pub fn structured(object: String) -> ToolResult {
        ToolResult {
            content: vec![Content::Structured],
            structured: Some(object),
            is_error: false,
        }
    }

    /// A failure that the model can mend: what to do in words, then the facts as JSON. Both are content, as a
    /// structured result would have to fit the tool's output schema.
    pub fn failure(text: String, facts: Map<String, Value>) -> ToolResult {
        let facts = Value::Object(facts).to_string();
        ToolResult {
            content: vec![Content::Text(text), Content::Text(facts)],
            structured: None,
            is_error: true,
        }
    }

    /// The data as JSON text, or the facts of the failure with its words in `error`.
    pub fn told(self) -> Result<String, Value> {
        if !self.is_error {
            return Ok(self.structured.unwrap_or_default());
        }
        let mut texts = self.content.into_iter().map(|block| match block {
            Content::Text(text) => text,
            _ => String::new(),
        });
        let words = texts.next().unwrap_or_default();
        let facts = texts.next().unwrap_or_default();
        let mut facts: Map<String, Value> =
            serde_json::from_slice(facts.as_bytes()).unwrap_or_default();
        facts.insert("error".into(), words.into());
        Err(facts.into())
    }

    /// About how many bytes [`ToolResult::write_onto`] writes.
    pub(super) fn bytes(&self) -> usize {
        let structured = self.structured.as_ref().map_or(0, String::len);
        let texts = self.content.iter().map(|block| match block {
            Content::Text(text) => text.len(),
            Content::Structured => structured,
            _ => 0,
        });
        // In JSON each quotation mark takes two bytes, and texts are mostly JSON.
        texts.map(|bytes| bytes + bytes / 2).sum::<usize>() + structured
    }

    /// Writes the members of the result, without the outer braces.
    pub(super) fn write_onto(&self, json: &mut Vec<u8>, revision: Revision) {
        let structured = self.structured.as_deref();
        json.extend_from_slice(br#""content":["#);
        for (place, block) in self.content.iter().enumerate() {
            if place > 0 {
                json.push(b',');
            }
            block.write_onto(json, revision, structured.unwrap_or_default());
        }
        json.push(b']');
        if let Some(structured) = structured.filter(|_| revision.has_structured_results()) {
            json.extend_from_slice(br#","structuredContent":"#);
            json.extend_from_slice(structured.as_bytes());
        }
        if self.is_error {
            json.extend_from_slice(br#","isError":true"#);
        }
    }
}

/// How a call ends, unless it is a fault of the protocol's use.
pub enum Outcome<T> {
    /// With a result.
    Complete(T),
    /// With questions to the client: with their answers the handler is called again.
    InputRequired {
        /// Requests to the client, by a key of ours.
        requests: Map<String, Value>,
        /// What the client brings back unread.
        state: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_text_is_quoted_as_serde_json_quotes_any_text() {
        for value in [
            json!({}),
            json!({"a\"b": ["\\", "line\nline", "\u{1}", "\u{7f}é😀", null, 1.5]}),
        ] {
            let text = value.to_string();
            let mut quoted = Vec::new();
            quote_onto(&mut quoted, &text);
            assert_eq!(
                String::from_utf8(quoted).unwrap(),
                Value::from(text).to_string()
            );
        }
    }
}
