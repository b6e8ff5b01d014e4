//! Which projects there are.

use serde_json::{Value, json};

use crate::mcp::args::{Arg as _, Id, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{Me, MeProject, Quota, instant};

use super::ask::{Ask, counted};
use super::frame::in_words;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    Tool {
        name: "mixpanel_get_projects",
        title: "Mixpanel projects",
        about: "Lists the Mixpanel projects that the service account can see: id, name, time zone, organization, role. Begin here when you do not know a project_id. Costs no query quota.",
        effect: Effect::Reads,
        params: &[],
        output: &[Field::always("projects", Shape::list(&PROJECT))],
        run: |ask, _| get_projects(ask),
    },
    Tool {
        name: "mixpanel_get_project_info",
        title: "Mixpanel project",
        about: "Tells about one Mixpanel project: name, time zone (in which its days are counted), organization, role, workspaces. Costs no query quota.",
        effect: Effect::Reads,
        params: ProjectInfo::FIELDS,
        output: &[
            Field::always("project", PROJECT),
            Field::always("workspaces", Shape::list(&WORKSPACE)),
        ],
        run: |ask, arguments| get_project_info(ask, ProjectInfo::read(arguments)),
    },
    Tool {
        name: "mixpanel_get_quota",
        title: "Mixpanel query quota",
        about: "Tells how many queries and exports of this hour are left to a project, as counted by this server, and when the next is free. Costs nothing.",
        effect: Effect::Reads,
        params: GetQuota::FIELDS,
        output: &[Field::always(
            "apis",
            Shape::list(&Shape::Object(&[
                Field::always("api", Shape::Words),
                Field::always("used", Shape::Count),
                Field::sometimes("per_hour", Shape::Count),
                Field::sometimes("left", Shape::Count),
                Field::always("running", Shape::Count),
                Field::sometimes("at_once", Shape::Count),
                Field::always("next_free_in_s", Shape::Count),
                Field::always("next_free_at", Shape::Words),
            ])),
        )],
        run: |ask, arguments| get_quota(ask, GetQuota::read(arguments)),
    },
];

const PROJECT: Shape = Shape::Object(&[
    Field::always("project_id", Shape::Id),
    Field::sometimes("name", Shape::Words),
    Field::sometimes("timezone", Shape::Words),
    Field::sometimes("organization_id", Shape::Id),
    Field::sometimes("organization", Shape::Words),
    Field::sometimes("role", Shape::Words),
    Field::sometimes("domain", Shape::Words),
]);

const WORKSPACE: Shape = Shape::Object(&[
    Field::always("workspace_id", Shape::Id),
    Field::sometimes("name", Shape::Words),
]);

args! {
    struct ProjectInfo {
        /// The project's id, as mixpanel_get_projects lists it.
        project_id: Id,
    }
}

args! {
    struct GetQuota {
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn get_quota(ask: &Ask, args: GetQuota) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let quotas = ask.mixpanel()?.quotas(&project);
    let words: Vec<String> = quotas.iter().map(in_words).collect();
    let apis: Vec<Value> = quotas.iter().map(quota_json).collect();
    Ok(Answer {
        summary: format!(
            "{} (as counted by this server; others may use the same quota)",
            words.join("; ")
        ),
        data: Data::of([("apis", apis.into())]),
    })
}

fn quota_json(quota: &Quota) -> Value {
    let mut json = json!({
        "api": quota.api.as_str(),
        "used": quota.used,
        "running": quota.running,
        "next_free_in_s": quota.next_free_s,
        "next_free_at": instant(quota.next_free_s),
    });
    for (name, number) in [
        ("per_hour", quota.per_hour),
        ("left", quota.left),
        ("at_once", quota.at_once),
    ] {
        if let Some(number) = number {
            json[name] = number.into();
        }
    }
    json
}

fn get_projects(ask: &Ask) -> Result<Answer, Failure> {
    let me = ask.mixpanel()?.app.me()?;
    let projects: Vec<Value> = me
        .projects
        .iter()
        .map(|(id, project)| described(&me, id, project))
        .collect();
    let summary = match projects.as_slice() {
        [] => {
            "the service account sees no project; invite it to one in Mixpanel's project settings"
                .into()
        }
        some => format!(
            "the service account sees {}",
            counted(some.len(), "project")
        ),
    };
    Ok(Answer {
        summary,
        data: Data::of([("projects", projects.into())]),
    })
}

fn get_project_info(ask: &Ask, args: ProjectInfo) -> Result<Answer, Failure> {
    let project_id = ask.project(Some(&args.project_id))?;
    let app = &ask.mixpanel()?.app;
    let me = app.me()?;
    let Some(known) = me.projects.get(project_id.as_str()) else {
        let seen: Vec<&str> = me.projects.keys().take(20).map(String::as_str).collect();
        let text = format!(
            "project {project_id} is not among those that the service account sees ({}); check the id, the region, or invite the account",
            if seen.is_empty() {
                "none".into()
            } else {
                seen.join(", ")
            }
        );
        return Err(Failure::new("unknown_project", text).with("projects", seen));
    };
    let mut project = described(&me, project_id.as_str(), known);
    // A consumer may see a project and not its settings: what `/me` says is an answer too.
    let mut note = "";
    match app.project(&project_id) {
        Ok(details) => {
            if let (None, Some(domain)) = (project.get("domain"), details.domain) {
                project["domain"] = domain.into();
            }
        }
        Err(error) if matches!(error.status(), Some(403 | 404)) => {
            note = "; its settings are not open to this service account";
        }
        Err(error) => return Err(error.into()),
    }
    let workspaces: Vec<Value> = me
        .workspaces
        .iter()
        .filter(|(_, workspace)| workspace.project_id.as_deref() == Some(project_id.as_str()))
        .map(|(id, workspace)| {
            let mut described = json!({"workspace_id": id});
            if let Some(name) = &workspace.name {
                described["name"] = name.as_str().into();
            }
            described
        })
        .collect();
    let zone = known.timezone.as_deref().unwrap_or("not told");
    let name = known.name.as_deref().unwrap_or("no name");
    let summary = format!("project {project_id}: {name}, time zone {zone}{note}");
    Ok(Answer {
        summary,
        data: Data::of([
            ("project", project.into()),
            ("workspaces", workspaces.into()),
        ]),
    })
}

/// Only what is named here goes out: Mixpanel's answers hold secrets beside it.
fn described(me: &Me, id: &str, project: &MeProject) -> Value {
    let organization_id = project.organization_id.clone();
    let organization = organization_id
        .as_ref()
        .and_then(|id| me.organizations.get(id));
    let roles = [
        Some(&project.role),
        organization.map(|organization| &organization.role),
    ];
    let role = roles
        .into_iter()
        .flatten()
        .find(|role| !role.is_null())
        .map(|role| match role {
            Value::String(role) => role.clone(),
            // Some answers describe the role as an object with a name.
            role => role
                .get("name")
                .and_then(Value::as_str)
                .map_or_else(|| role.to_string(), str::to_owned),
        });
    let mut described = json!({"project_id": id});
    for (name, value) in [
        ("name", project.name.clone()),
        ("timezone", project.timezone.clone()),
        (
            "organization",
            organization.and_then(|organization| organization.name.clone()),
        ),
        ("organization_id", organization_id),
        ("role", role),
        ("domain", project.domain.clone()),
    ] {
        if let Some(value) = value {
            described[name] = value.into();
        }
    }
    described
}
