//! The pipelines of a project as a whole: which there are, and the end of one.

use serde_json::Value;

use crate::mcp::args::{Arg as _, Id, Text, args};
use crate::mcp::consent::Loss;
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{PipelineStep, ProjectId};
use crate::tools::ask::{Ask, counted, quoted};

/// How many names a failure lists.
const NAMES_LISTED: usize = 20;

pub(super) const LIST_PIPELINES: Tool<Ask> = Tool {
    name: "mixpanel_list_pipelines",
    title: "Data pipelines",
    about: "Lists the data pipelines that export a project's data to storage or a warehouse: name, state (Dispatcher), frequency, last dispatch. Deprecated by Mixpanel.",
    effect: Effect::Reads,
    params: ListPipelines::FIELDS,
    output: &[
        Field::always("pipelines", Shape::list(&Shape::MapOf(&Shape::Any))),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| list(ask, ListPipelines::read(arguments)),
};

pub(super) const CANCEL_PIPELINE: Tool<Ask> = Tool {
    name: "mixpanel_cancel_pipeline",
    title: "Cancel a data pipeline",
    about: "Ends a data pipeline for good, and its history is lost; what it exported stays. To stop it for a while use mixpanel_update_pipeline with paused. Deprecated by Mixpanel.",
    effect: Effect::Destroys(loss),
    params: CancelPipeline::FIELDS,
    output: &[Field::always("pipeline_name", Shape::Words)],
    run: |ask, arguments| cancel(ask, CancelPipeline::read(arguments)),
};

args! {
    struct ListPipelines {
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct CancelPipeline {
        /// As mixpanel_list_pipelines lists it.
        pipeline_name: Text<255>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn list(ask: &Ask, args: ListPipelines) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let pipelines = of_project(ask, &project)?;
    let found = pipelines.len();
    let (pipelines, whole) = ask.fitting_values(pipelines);
    let mut summary = format!("project {project}: {}", counted(found, "data pipeline"));
    if !whole {
        summary.push_str(&format!(
            "; truncated, {} of them are here: the rest is more than this client takes in one answer",
            pipelines.len()
        ));
    }
    Ok(Answer {
        summary,
        data: Data::of([
            ("pipelines", pipelines.into()),
            ("truncated", (!whole).into()),
        ]),
    })
}

fn loss(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = CancelPipeline::read(arguments);
    let project = ask.project(args.project_id.as_ref())?;
    let name = args.pipeline_name.0;
    let pipelines = of_project(ask, &project)?;
    let known: Vec<&str> = pipelines
        .iter()
        .filter_map(|pipeline| pipeline["name"].as_str())
        .collect();
    if !known.contains(&name.as_str()) {
        let listed: Vec<&str> = known.into_iter().take(NAMES_LISTED).collect();
        let text = format!(
            "project {project} has no pipeline {}, but {}",
            quoted(&name),
            if listed.is_empty() {
                "none at all".into()
            } else {
                listed.join(", ")
            }
        );
        return Err(Failure::new("not_found", text).with("pipelines", listed));
    }
    Ok(Some(Loss {
        what: format!(
            "end the data pipeline {} of project {project} for good, and its history is lost",
            quoted(&name)
        ),
        name,
    }))
}

fn cancel(ask: &Ask, args: CancelPipeline) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let name = args.pipeline_name.0;
    let export = &ask.mixpanel()?.export;
    export.step_pipeline(&project, &name, PipelineStep::Cancel)?;
    Ok(Answer {
        summary: format!(
            "project {project}: the data pipeline {} is cancelled",
            quoted(&name)
        ),
        data: Data::of([("pipeline_name", name.into())]),
    })
}

/// Mixpanel lists pipelines by project; only this one's were asked for.
fn of_project(ask: &Ask, project: &ProjectId) -> Result<Vec<Value>, Failure> {
    let mut lists = ask.mixpanel()?.export.pipelines(project)?;
    let list = lists.get_mut(project.as_str()).map(Value::take);
    let items = match list {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    Ok(items.into_iter().filter(Value::is_object).collect())
}
