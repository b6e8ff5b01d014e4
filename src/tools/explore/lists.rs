//! Workspaces and cohorts: the ids that other tools take.

use serde_json::{Value, json};

use crate::mcp::args::{Arg as _, Id, Int, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{SavedCohort, Workspace};
use crate::tools::ask::{Ask, counted, quoted};

/// How many are listed where the call does not say.
const LIMIT_DEFAULT: usize = 100;

pub(super) const LIST_WORKSPACES: Tool<Ask> = Tool {
    name: "mixpanel_list_workspaces",
    title: "Workspaces",
    about: "Lists the workspaces of a project by id and name: what tools of experiments and feature flags are asked by. Costs no query quota.",
    effect: Effect::Reads,
    params: ListWorkspaces::FIELDS,
    output: &[
        Field::always(
            "workspaces",
            Shape::list(&Shape::Object(&[
                Field::sometimes("workspace_id", Shape::Id),
                Field::sometimes("name", Shape::Words),
                Field::sometimes("is_default", Shape::Flag),
                Field::sometimes("is_global", Shape::Flag),
            ])),
        ),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| list_workspaces(ask, ListWorkspaces::read(arguments)),
};

pub(super) const LIST_COHORTS: Tool<Ask> = Tool {
    name: "mixpanel_list_cohorts",
    title: "Saved cohorts",
    about: "Lists the saved cohorts of a project, the largest first, with how many users each had when last counted. mixpanel_query_profiles reads the users of one. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: ListCohorts::FIELDS,
    output: &[
        Field::always(
            "cohorts",
            Shape::list(&Shape::Object(&[
                Field::always("cohort_id", Shape::Id),
                Field::always("name", Shape::Words),
                Field::sometimes("count", Shape::Count),
                Field::sometimes("description", Shape::Words),
                Field::sometimes("created", Shape::Words),
                Field::sometimes("is_hidden", Shape::Flag),
            ])),
        ),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| list_cohorts(ask, ListCohorts::read(arguments)),
};

args! {
    struct ListWorkspaces {
        /// Most workspaces. Default 100.
        limit: Option<Int<1, 1000>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct ListCohorts {
        /// Only names with this in them, in any case.
        search: Option<Text<255>>,
        /// Most cohorts. Default 100.
        limit: Option<Int<1, 1000>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn list_workspaces(ask: &Ask, args: ListWorkspaces) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let workspaces = ask.mixpanel()?.app.workspaces(&project)?;
    let items = workspaces.iter().map(workspace_json).collect();
    let summary = format!(
        "{} in project {project}",
        counted(workspaces.len(), "workspace")
    );
    Ok(listed(ask, "workspaces", items, args.limit, summary))
}

fn list_cohorts(ask: &Ask, args: ListCohorts) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let mut cohorts = ask.mixpanel()?.query.cohorts_list(&project)?;
    let saved = cohorts.len();
    let mut asked = format!("saved cohorts of project {project}");
    if let Some(Text(search)) = &args.search {
        let wanted = search.to_lowercase();
        cohorts.retain(|cohort| cohort.name.to_lowercase().contains(&wanted));
        asked += &format!(", with {} in the name", quoted(search));
    }
    cohorts.sort_by_key(|cohort| std::cmp::Reverse(cohort.count));
    let summary = match (cohorts.len(), saved) {
        (0, 0) => format!("{asked}: none"),
        (0, saved) => format!("{asked}: none of {saved}; ask without search to see all"),
        (found, _) => format!("{asked}: {found}"),
    };
    let items = cohorts.iter().map(cohort_json).collect();
    Ok(listed(ask, "cohorts", items, args.limit, summary))
}

/// The first of what was found, and how to get the rest.
fn listed(
    ask: &Ask,
    name: &'static str,
    found: Vec<Value>,
    limit: Option<Int<1, 1000>>,
    mut summary: String,
) -> Answer {
    let limit = limit.map_or(LIMIT_DEFAULT, |limit| limit.0 as usize);
    let number = found.len();
    let (items, _) = ask.fitting_values(found.into_iter().take(limit));
    let truncated = items.len() < number;
    if truncated {
        summary += &format!(
            "; truncated, the first {} are here: raise limit (at most 1000)",
            items.len()
        );
    }
    Answer {
        summary,
        data: Data::of([(name, items.into()), ("truncated", truncated.into())]),
    }
}

fn workspace_json(workspace: &Workspace) -> Value {
    let mut json = json!({});
    if let Some(id) = &workspace.id {
        json["workspace_id"] = id.as_str().into();
    }
    if let Some(name) = &workspace.name {
        json["name"] = name.as_str().into();
    }
    for (name, flag) in [
        ("is_default", workspace.is_default),
        ("is_global", workspace.is_global),
    ] {
        if let Some(flag) = flag {
            json[name] = flag.into();
        }
    }
    json
}

fn cohort_json(cohort: &SavedCohort) -> Value {
    let mut json = json!({"cohort_id": cohort.id.to_string(), "name": cohort.name});
    if let Some(count) = cohort.count {
        json["count"] = count.into();
    }
    for (name, text) in [
        ("description", &cohort.description),
        ("created", &cohort.created),
    ] {
        if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
            json[name] = text.as_str().into();
        }
    }
    if cohort.is_visible == Some(0) {
        json["is_hidden"] = true.into();
    }
    json
}
