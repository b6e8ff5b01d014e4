//! What can be read by its URI: a project, its events, the properties of an event. Each is a tool's answer under an
//! address, so what it says and what it costs is the tool's.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::mcp::jsonrpc::{self, Fault};

use super::ask::Ask;
use super::completions::Known;

/// The most projects that are listed; those beyond are read by their URI all the same.
const PROJECTS_MAX: usize = 250;
/// The most names in one resource: the most that the tools give.
const NAMES_MAX: usize = 1_000;

const PREFIX: &str = "mixpanel://project/";
const MIME_TYPE: &str = "application/json";

/// One kind of resource.
struct Template {
    uri: &'static str,
    name: &'static str,
    title: &'static str,
    about: &'static str,
    /// What stands in braces in the URI.
    variables: &'static [(&'static str, Known)],
}

const TEMPLATES: &[Template] = &[
    Template {
        uri: "mixpanel://project/{id}",
        name: "project",
        title: "Mixpanel project",
        about: "A project: name, time zone, organization, role, workspaces. Costs no query quota.",
        variables: &[("id", Known::Projects)],
    },
    Template {
        uri: "mixpanel://project/{id}/events",
        name: "events",
        title: "Events of a project",
        about: "The names of the events that came in the last 31 days, the most common first. Costs 1 query of the 60 an hour.",
        variables: &[("id", Known::Projects)],
    },
    Template {
        uri: "mixpanel://project/{id}/events/{event}/properties",
        name: "properties",
        title: "Properties of an event",
        about: "The properties that an event carries, with how many events carry each, the most common first. The event's name is percent-encoded. Costs 1 query of the 60 an hour.",
        variables: &[("id", Known::Projects), ("event", Known::Events)],
    },
];

/// The projects that the caller can see, each with its events. Without credentials there are none.
pub(super) fn list(ask: &Ask) -> Result<Vec<Value>, Fault> {
    let seen = match ask.told_by("mixpanel_get_projects", &json!({})) {
        Ok(seen) => seen,
        Err(facts) if facts["kind"] == "no_credentials" => return Ok(Vec::new()),
        Err(facts) => return Err(fault(facts)),
    };
    let seen: Value = serde_json::from_slice(seen.as_bytes()).unwrap_or_default();
    let mut projects: Vec<&Value> = seen["projects"].as_array().into_iter().flatten().collect();
    // First the one that is meant when none is named, so that no limit cuts it off.
    if let Ok(default) = ask.project(None) {
        projects.sort_by_key(|project| project["project_id"] != default.as_str());
    }
    projects.truncate(PROJECTS_MAX);
    Ok(projects.into_iter().flat_map(listed).collect())
}

fn listed(project: &Value) -> [Value; 2] {
    let id = project["project_id"].as_str().unwrap_or_default();
    let title = match project["name"].as_str() {
        Some(name) => format!("{name} ({id})"),
        None => format!("Project {id}"),
    };
    [
        json!({
            "uri": format!("{PREFIX}{id}"),
            "name": format!("project {id}"),
            "title": title,
            "description": format!("The Mixpanel project {title}: time zone, organization, role, workspaces."),
            "mimeType": MIME_TYPE,
        }),
        json!({
            "uri": format!("{PREFIX}{id}/events"),
            "name": format!("events of project {id}"),
            "title": format!("{title}: events"),
            "description": format!("The names of the events that came to {title} in the last 31 days, the most common first."),
            "mimeType": MIME_TYPE,
        }),
    ]
}

/// The templates, as the protocol lists them.
pub(super) fn templates() -> Vec<Value> {
    let listed = |template: &Template| {
        json!({
            "uriTemplate": template.uri,
            "name": template.name,
            "title": template.title,
            "description": template.about,
            "mimeType": MIME_TYPE,
        })
    };
    TEMPLATES.iter().map(listed).collect()
}

/// What a variable of a template can be filled with.
pub(super) fn variable(uri: &str, name: &str) -> Option<Known> {
    let template = TEMPLATES.iter().find(|template| template.uri == uri)?;
    let mut variables = template.variables.iter();
    variables
        .find(|(known, _)| *known == name)
        .map(|(_, known)| *known)
}

/// The contents at a URI. `None`: there is nothing.
pub(super) fn read(uri: &str, ask: &Ask) -> Option<Result<Vec<Value>, Fault>> {
    let (tool, arguments) = question(uri)?;
    match ask.told_by(tool, &arguments) {
        Ok(text) => Some(Ok(vec![
            json!({"uri": uri, "mimeType": MIME_TYPE, "text": text}),
        ])),
        // The URI has the right form, and yet names nothing.
        Err(facts) if facts["kind"] == "bad_arguments" || facts["kind"] == "unknown_project" => {
            None
        }
        Err(facts) => Some(Err(fault(facts))),
    }
}

/// The tool that answers what a URI asks, with its arguments.
fn question(uri: &str) -> Option<(&'static str, Value)> {
    let rest = uri.strip_prefix(PREFIX)?;
    let Some((id, rest)) = rest.split_once('/') else {
        return Some(("mixpanel_get_project_info", json!({"project_id": rest})));
    };
    if rest == "events" {
        let arguments = json!({"project_id": id, "limit": NAMES_MAX});
        return Some(("mixpanel_list_events", arguments));
    }
    let event = rest.strip_prefix("events/")?.strip_suffix("/properties")?;
    let event = percent_decode_str(event).decode_utf8().ok()?;
    let arguments = json!({"project_id": id, "event": event, "limit": NAMES_MAX});
    Some(("mixpanel_list_event_properties", arguments))
}

/// A tool's failure as the protocol tells it where there is no tool: its sentence, and its facts as data.
fn fault(facts: Value) -> Fault {
    let sentence = facts["error"].as_str().unwrap_or_default().to_owned();
    Fault::new(jsonrpc::INTERNAL_ERROR, sentence).with(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, expected: Option<(&str, Value)>) {
        assert_eq!(question(uri), expected, "{uri}");
    }

    #[test]
    fn a_uri_asks_the_tool_that_knows() {
        check(
            "mixpanel://project/12",
            Some(("mixpanel_get_project_info", json!({"project_id": "12"}))),
        );
        check(
            "mixpanel://project/12/events",
            Some((
                "mixpanel_list_events",
                json!({"project_id": "12", "limit": 1000}),
            )),
        );
        for event in ["Sign%20Up%2FIn%20%C3%BC", "Sign Up/In ü"] {
            check(
                &format!("mixpanel://project/12/events/{event}/properties"),
                Some((
                    "mixpanel_list_event_properties",
                    json!({"project_id": "12", "event": "Sign Up/In ü", "limit": 1000}),
                )),
            );
        }
    }

    #[test]
    fn what_is_no_uri_of_ours_asks_nobody() {
        for uri in [
            "",
            "mixpanel://",
            "file:///etc/passwd",
            "mixpanel://project",
            "mixpanel://project/12/",
            "mixpanel://project/12/funnels",
            "mixpanel://project/12/events/",
            "mixpanel://project/12/events/a",
            "mixpanel://project/12/events/%FF/properties",
        ] {
            check(uri, None);
        }
    }
}
