//! What the calls of all tools share: `fresh`, how old a kept answer is, which days were meant, what is left of the
//! quota, which request failed. No tool declares, reads or writes these itself.

use serde_json::Value;

use crate::mcp::call::Call;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Context, Effect, Failure, Tool};
use crate::mixpanel::{Quota, instant};

use super::ask::{Ask, counted};

const FRESH: &[Field] =
    &[Field::sometimes("fresh", Shape::Flag).about("Ask anew, past the cache.")];
const READING: &[Field] = &[
    Field::sometimes("cached_age_s", Shape::Count),
    Field::sometimes("quota", Shape::Words),
];
const NAMING: &[Field] = &[Field::sometimes(
    "nearest_names",
    Shape::List {
        item: &Shape::Words,
        min: 0,
        max: usize::MAX,
    },
)];
const DATED: &[Field] = &[
    Field::sometimes("from_date", Shape::Words),
    Field::sometimes("to_date", Shape::Words),
    Field::sometimes("timezone", Shape::Words),
    Field::sometimes("dates_note", Shape::Words),
];
/// Arguments that are names of events or properties.
const NAMES: &[&str] = &["event", "event_names", "steps", "born_event", "property"];

impl Context for Ask {
    fn call(&self) -> &Call {
        self.call()
    }

    fn params(tool: &Tool<Ask>) -> &'static [Field] {
        match tool.effect {
            Effect::Reads => FRESH,
            Effect::Adds | Effect::Sets | Effect::Destroys(_) => &[],
        }
    }

    fn output(tool: &Tool<Ask>) -> Vec<Field> {
        if !tool.effect.reads() {
            return Vec::new();
        }
        let mut fields = READING.to_vec();
        if tool.params.iter().any(|field| NAMES.contains(&field.name)) {
            fields.extend_from_slice(NAMING);
        }
        if tool.params.iter().any(|field| field.shape.has_date()) {
            fields.extend_from_slice(DATED);
        }
        fields.retain(|field| tool.output.iter().all(|own| own.name != field.name));
        fields
    }

    fn begin(&self, _: &Tool<Ask>, arguments: &Value) {
        if arguments.get("fresh") == Some(&Value::Bool(true))
            && let Ok(clients) = self.mixpanel()
        {
            clients.ask_anew();
        }
    }

    fn end(&self, tool: &Tool<Ask>, answer: &mut Result<Answer, Failure>) {
        let Ok(clients) = self.mixpanel() else {
            return;
        };
        match answer {
            Ok(answer) if tool.effect.reads() => {
                let data = &mut answer.data;
                if let Some(age) = clients.oldest_kept() {
                    data.insert("cached_age_s".into(), age.as_secs().into());
                }
                if let Some(dated) = self.dated() {
                    dated.tell(self, data);
                }
                if let Some(nearest) = self.nearest() {
                    data.insert("nearest_names".into(), nearest.into());
                }
                let low: Vec<String> = clients
                    .quotas_drawn_on()
                    .iter()
                    .filter(|quota| quota.is_low())
                    .map(in_words)
                    .collect();
                if !low.is_empty() {
                    data.insert("quota".into(), low.join("; ").into());
                }
            }
            Ok(_) => (),
            Err(failure) => {
                let kind = failure.facts.get("kind").and_then(Value::as_str);
                if let Some(id) = kind.and_then(|kind| clients.failed_request(kind)) {
                    failure.facts.insert("request_id".into(), id.into());
                }
            }
        }
    }
}

/// `5 of 60 requests an hour to the query API are left to project 7`
pub(super) fn in_words(quota: &Quota) -> String {
    let Quota {
        project, api, used, ..
    } = quota;
    let mut words = match (quota.left, quota.per_hour) {
        (Some(left), Some(per_hour)) => {
            format!(
                "{left} of {per_hour} requests an hour to the {api} API are left to project {project}"
            )
        }
        _ => format!(
            "{} of the last hour to the {api} API for project {project}, without a limit",
            counted(used, "request")
        ),
    };
    if quota.next_free_s > 0 {
        words += &format!(", the next is free at {}", instant(quota.next_free_s));
    }
    words
}
