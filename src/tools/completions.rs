//! Ways to go on with an argument of a prompt or a variable of a resource: names and ids that Mixpanel knows.
//! They come from the tools that list them.

use log::debug;
use serde_json::{Map, Value};

use crate::mcp::application::{Completion, CompletionWanted, Reference};

use super::ask::Ask;
use super::{prompts, resources};

/// The most names that are looked through: the most that the tools give.
const NAMES_MAX: usize = 1_000;

/// What is known beforehand of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Known {
    /// It is a project's id.
    Projects,
    /// It is the name of an event of the project.
    Events,
    /// It is the name of a property of the event that is filled in already.
    Properties,
    /// It is the name of a saved funnel of the project.
    Funnels,
}

/// What begins as the value does, then what has it within, in any case of letters. Nothing for what is unknown, and
/// where Mixpanel cannot be asked: a client that completes has no place to show why.
pub(super) fn complete(wanted: &CompletionWanted<'_>, ask: &Ask) -> Completion {
    let known = match wanted.reference {
        Reference::Prompt(name) => prompts::argument(name, wanted.argument),
        Reference::Resource(uri) => resources::variable(uri, wanted.argument),
    };
    let values = known.and_then(|known| known.all(wanted, ask));
    Completion {
        values: matching(wanted.value, values.unwrap_or_default()),
    }
}

impl Known {
    /// Everything that the value may be. `None`: that cannot be told.
    fn all(self, wanted: &CompletionWanted<'_>, ask: &Ask) -> Option<Vec<String>> {
        let filled = |name: &str| wanted.context.get(name).filter(|value| **value != "");
        let (tool, list, member) = match self {
            Known::Projects => ("mixpanel_get_projects", "projects", Some("project_id")),
            Known::Events => ("mixpanel_list_events", "events", None),
            Known::Properties => ("mixpanel_list_event_properties", "properties", Some("name")),
            Known::Funnels => ("mixpanel_list_saved_funnels", "funnels", Some("name")),
        };
        let mut arguments = Map::new();
        if self != Known::Projects {
            arguments.insert("limit".into(), NAMES_MAX.into());
            if !wanted.value.is_empty() {
                arguments.insert("search".into(), wanted.value.into());
            }
            // A prompt's argument and a resource's variable.
            if let Some(project) = filled("project_id").or(filled("id")) {
                arguments.insert("project_id".into(), project.clone());
            }
        }
        if self == Known::Properties {
            arguments.insert("event".into(), filled("event")?.clone());
        }
        let told = ask
            .told_by(tool, &Value::Object(arguments))
            .inspect_err(|facts| debug!("nothing to complete with: {}", facts["kind"]))
            .ok()?;
        let told: Value = serde_json::from_slice(told.as_bytes()).ok()?;
        let text = |item: &Value| {
            let text = member.map_or(item, |member| &item[member]);
            text.as_str().map(str::to_owned)
        };
        Some(told[list].as_array()?.iter().filter_map(text).collect())
    }
}

fn matching(typed: &str, mut values: Vec<String>) -> Vec<String> {
    let typed = typed.to_lowercase();
    values.retain(|value| value.to_lowercase().contains(&typed));
    // Stable: among equals the most common stays first.
    values.sort_by_key(|value| !value.to_lowercase().starts_with(&typed));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, expected: &[&str]) {
        let values = ["Purchase", "App Open", "app close", "Upgrade"];
        let values = values.map(str::to_owned).to_vec();
        assert_eq!(matching(typed, values), expected);
    }

    #[test]
    fn what_begins_so_comes_before_what_has_it_within() {
        check("", &["Purchase", "App Open", "app close", "Upgrade"]);
        check("ap", &["App Open", "app close"]);
        check("P", &["Purchase", "App Open", "app close", "Upgrade"]);
        check("UP", &["Upgrade"]);
        check("open", &["App Open"]);
        check("x", &[]);
    }
}
