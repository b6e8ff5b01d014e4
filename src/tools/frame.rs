//! What the calls of all tools share: `fresh`, how old a kept answer is, which days were meant, what is left of the
//! quota, which request failed; `dry_run` and what it would have sent. No tool declares, reads or writes these itself.

use serde_json::{Value, json};

use crate::mcp::call::Call;
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Context, Effect, Failure, Tool};
use crate::mixpanel::{Error, Quota, Unsent, instant};

use super::ask::{Ask, counted};

const FRESH: &[Field] =
    &[Field::sometimes("fresh", Shape::Flag).about("Ask anew, past the cache.")];
const READING: &[Field] = &[
    Field::sometimes("cached_age_s", Shape::Count),
    Field::sometimes("quota", Shape::Words),
];
const NAMING: &[Field] = &[Field::sometimes("nearest_names", WORDS)];
const DATED: &[Field] = &[
    Field::sometimes("from_date", Shape::Words),
    Field::sometimes("to_date", Shape::Words),
    Field::sometimes("timezone", Shape::Words),
    Field::sometimes("dates_note", Shape::Words),
];
const DRY_RUN: &str = "dry_run";
const REHEARSED: &[Field] = &[Field::sometimes(DRY_RUN, Shape::Flag).about("Show, do not send.")];
const WORDS: Shape = Shape::list(&Shape::Words);
const WRITING: &[Field] = &[
    Field::sometimes("warnings", WORDS),
    Field::sometimes(DRY_RUN, Shape::Flag),
    Field::sometimes("requests", Shape::list(&Shape::MapOf(&Shape::Words)))
        .about("What a dry run would have sent."),
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
            Effect::Adds | Effect::Sets | Effect::Destroys(_) => REHEARSED,
        }
    }

    fn output(tool: &Tool<Ask>) -> Vec<Field> {
        if !tool.effect.reads() {
            return WRITING.to_vec();
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

    fn stand_in(tool: &Tool<Ask>) -> Option<&'static str> {
        (!tool.effect.reads()).then_some(DRY_RUN)
    }

    fn is_rehearsal(&self) -> bool {
        let clients = self.mixpanel();
        clients.is_ok_and(|clients| clients.unsent().is_some())
    }

    fn begin(&self, _: &Tool<Ask>, arguments: &Value) {
        let Ok(clients) = self.mixpanel() else {
            return;
        };
        let wants = |name: &str| arguments.get(name) == Some(&Value::Bool(true));
        if wants("fresh") {
            clients.ask_anew();
        }
        if wants(DRY_RUN) {
            clients.rehearse();
        }
    }

    fn end(&self, tool: &Tool<Ask>, answer: &mut Result<Answer, Failure>) {
        let Ok(clients) = self.mixpanel() else {
            return;
        };
        if let Some(unsent) = clients.unsent() {
            tell_rehearsal(answer, unsent);
        }
        let warnings = self.warnings();
        if !warnings.is_empty() {
            match answer {
                Ok(answer) => answer.data.insert("warnings", warnings),
                Err(failure) => {
                    failure.facts.insert("warnings".into(), warnings.into());
                }
            }
        }
        match answer {
            Ok(answer) if tool.effect.reads() => {
                let data = &mut answer.data;
                if let Some(age) = clients.oldest_kept() {
                    data.insert("cached_age_s", age.as_secs());
                }
                if let Some(dated) = self.dated() {
                    dated.tell(self, data);
                }
                if let Some(nearest) = self.nearest() {
                    data.insert("nearest_names", nearest);
                }
                let low = clients.low_quotas_drawn_on();
                let low: Vec<String> = low.iter().map(in_words).collect();
                if !low.is_empty() {
                    data.insert("quota", low.join("; "));
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

/// Puts what would have been sent in the place of a tool's answer; beside it, where the tool came to one.
fn tell_rehearsal(answer: &mut Result<Answer, Failure>, (unsent, number): (Vec<Unsent>, usize)) {
    let is_dry = |failure: &Failure| {
        failure.facts.get("kind").and_then(Value::as_str) == Some(Error::DryRun.kind())
    };
    if answer.as_ref().is_err_and(is_dry) {
        *answer = Ok(Answer {
            summary: String::new(),
            data: Data::default(),
        });
    }
    // Another failure is one of the call itself: it would not have come so far.
    let Ok(Answer { summary, data }) = answer else {
        return;
    };
    let own = match summary.as_str() {
        "" => String::new(),
        own => format!("; {own}"),
    };
    *summary = format!(
        "dry run, nothing was sent: {} would be{own}",
        counted(number, "request")
    );
    let requests: Vec<Value> = unsent.into_iter().map(shown).collect();
    data.insert(DRY_RUN, true);
    data.insert("requests", requests);
}

fn shown(unsent: Unsent) -> Value {
    let Unsent {
        method,
        url,
        query,
        body,
    } = unsent;
    json!({"method": method, "url": url, "query": query, "body": body})
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
