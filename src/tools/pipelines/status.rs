//! How far a pipeline is: its tasks by their state, or the days that it has exported.

use serde_json::{Map, Value};

use crate::mcp::args::{Arg as _, Id, List, Text, args, choice};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::ProjectId;
use crate::tools::ask::{Ask, bad_arguments, counted, quoted};

pub(super) const GET_PIPELINE_STATUS: Tool<Ask> = Tool {
    name: "mixpanel_get_pipeline_status",
    title: "Data pipeline's status",
    about: "Tells how far a data pipeline is: how many tasks are in which state, the tasks themselves, or which days were synced when. Deprecated by Mixpanel.",
    effect: Effect::Reads,
    params: GetPipelineStatus::FIELDS,
    output: &[
        Field::sometimes("counts", Shape::MapOf(&Shape::Count)).about("Tasks by state."),
        Field::sometimes("tasks", LIST),
        Field::sometimes("syncs", LIST),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| get(ask, GetPipelineStatus::read(arguments)),
};

const LIST: Shape = Shape::list(&Shape::MapOf(&Shape::Any));

choice! {
    enum View {
        Counts = "counts",
        Tasks = "tasks",
        Syncs = "syncs",
    }
}

choice! {
    enum TaskState {
        Pending = "pending",
        Running = "running",
        Retried = "retried",
        Failed = "failed",
        Canceled = "canceled",
        TimedOut = "timed_out",
    }
}

args! {
    struct GetPipelineStatus {
        /// As mixpanel_list_pipelines lists it.
        pipeline_name: Text<255>,
        /// counts: tasks by state, the default. tasks: each task. syncs: each day, with its times of sync.
        view: Option<View>,
        /// Only tasks in these states; not for syncs. Default: all.
        states: Option<List<TaskState, 1, 6>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn get(ask: &Ask, args: GetPipelineStatus) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let name = args.pipeline_name.0;
    let view = args.view.unwrap_or(View::Counts);
    let states: Vec<&str> = args
        .states
        .iter()
        .flat_map(|states| states.0.iter().map(|state| state.word()))
        .collect();
    if view == View::Syncs {
        if !states.is_empty() {
            return Err(bad_arguments(vec![
                "states: not for the view syncs; leave it out".into(),
            ]));
        }
        return syncs(ask, &project, &name);
    }
    let export = &ask.mixpanel()?.export;
    let is_summary = view == View::Counts;
    let by_state = export.pipeline_status(&project, &name, is_summary, &states)?;
    let Value::Object(by_state) = by_state else {
        return Err(Failure::new(
            "unexpected_answer",
            "Mixpanel's answer does not tell tasks by their state",
        ));
    };
    let counts: Map<String, Value> = by_state
        .iter()
        .filter_map(|(state, told)| {
            let count = told
                .as_u64()
                .or(told.as_array().map(|all| all.len() as u64))?;
            Some((state.clone(), count.into()))
        })
        .collect();
    let named: Vec<String> = counts
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let mut summary = format!(
        "project {project}, pipeline {}: {}",
        quoted(&name),
        if named.is_empty() {
            "no tasks".into()
        } else {
            named.join(", ")
        }
    );
    let mut data = Data::of([("counts", counts.into())]);
    let mut whole = true;
    if view == View::Tasks {
        let tasks = by_state.into_iter().flat_map(|(_, told)| match told {
            Value::Array(tasks) => tasks,
            _ => Vec::new(),
        });
        let (tasks, all) = ask.fitting_values(tasks.filter(Value::is_object));
        whole = all;
        if !whole {
            summary.push_str(&format!(
                "; truncated, {} are here: ask for fewer states",
                counted(tasks.len(), "task")
            ));
        }
        data.insert("tasks", tasks);
    }
    data.insert("truncated", !whole);
    Ok(Answer { summary, data })
}

fn syncs(ask: &Ask, project: &ProjectId, name: &str) -> Result<Answer, Failure> {
    let mut timeline = ask.mixpanel()?.export.pipeline_timeline(project, name)?;
    let syncs = match timeline.get_mut("day_syncs").map(Value::take) {
        Some(Value::Array(syncs)) => syncs,
        _ => Vec::new(),
    };
    let found = syncs.len();
    let syncs = syncs.into_iter().filter(Value::is_object);
    let (syncs, whole) = ask.fitting_values(syncs);
    let mut summary = format!(
        "project {project}, pipeline {}: {} synced",
        quoted(name),
        counted(found, "day")
    );
    if !whole {
        summary.push_str(&format!(
            "; truncated, {} of them are here: the rest is more than this client takes in one answer",
            syncs.len()
        ));
    }
    Ok(Answer {
        summary,
        data: Data::of([("syncs", syncs.into()), ("truncated", (!whole).into())]),
    })
}
