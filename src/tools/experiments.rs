//! Experiments: what is tried on users, from draft to decision.

use serde_json::{Map, Value};

use super::ask::{Ask, bad_arguments, counted, quoted};
use super::workspace::{called, given, row, text, whole_or_part, workspace};
use crate::mcp::args::{Arg as _, Id, Int, List, Text, args};
use crate::mcp::consent::Loss;
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::ExperimentDecision;

/// How many experiments are listed where the call does not say.
const LISTED_DEFAULT: usize = 100;
/// The states of an experiment's life. Others are left for Mixpanel to judge.
const STATES: &[&str] = &["draft", "active", "concluded", "success", "fail"];

pub(super) const TOOLS: &[Tool<Ask>] = &[
    Tool {
        name: "mixpanel_list_experiments",
        title: "Experiments",
        about: "Lists the experiments of a workspace, without archived ones: id, name, status (draft, active, concluded, then success or fail), dates, tags. Costs no query quota.",
        effect: Effect::Reads,
        params: ListExperiments::FIELDS,
        output: &[
            Field::always("experiments", Shape::list(&ROW)),
            Field::always("truncated", Shape::Flag),
        ],
        run: |ask, arguments| list_experiments(ask, ListExperiments::read(arguments)),
    },
    Tool {
        name: "mixpanel_get_experiment",
        title: "Experiment",
        about: "Reads one experiment whole: hypothesis, variants, metrics, settings, results so far. Costs no query quota.",
        effect: Effect::Reads,
        params: OneExperiment::FIELDS,
        output: &[
            Field::always("experiment", Shape::MapOf(&Shape::Any)),
            Field::always("truncated", Shape::Flag),
        ],
        run: |ask, arguments| get_experiment(ask, OneExperiment::read(arguments)),
    },
    Tool {
        name: "mixpanel_create_experiment",
        title: "Make an experiment",
        about: "Makes an experiment as a draft: no user gets its variants before mixpanel_launch_experiment.",
        effect: Effect::Adds,
        params: CreateExperiment::FIELDS,
        output: CHANGED,
        run: |ask, arguments| create_experiment(ask, CreateExperiment::read(arguments)),
    },
    Tool {
        name: "mixpanel_update_experiment",
        title: "Change an experiment",
        about: "Changes an experiment. What is not given stays; settings, variants, metrics and tags are replaced whole, so read them with mixpanel_get_experiment first. For the steps of its life there are tools of their own.",
        effect: Effect::Sets,
        params: UpdateExperiment::FIELDS,
        output: CHANGED,
        run: |ask, arguments| update_experiment(ask, UpdateExperiment::read(arguments)),
    },
    Tool {
        name: "mixpanel_archive_experiment",
        title: "Archive an experiment",
        about: "Puts an experiment out of sight, or brings an archived one back. Nothing is lost.",
        effect: Effect::Sets,
        params: ArchiveExperiment::FIELDS,
        output: &[
            Field::always("experiment_id", Shape::Words),
            Field::always("archived", Shape::Flag),
        ],
        run: |ask, arguments| archive_experiment(ask, ArchiveExperiment::read(arguments)),
    },
    Tool {
        name: "mixpanel_launch_experiment",
        title: "Launch an experiment",
        about: "Starts a draft: users get its variants from now on, so ask the user first. There is no way back to a draft.",
        effect: Effect::Sets,
        params: OneExperiment::FIELDS,
        output: CHANGED,
        run: |ask, arguments| launch_experiment(ask, OneExperiment::read(arguments)),
    },
    Tool {
        name: "mixpanel_conclude_experiment",
        title: "Conclude an experiment",
        about: "Ends an active experiment for good: it gathers nothing more. Then mixpanel_decide_experiment says how it came out.",
        effect: Effect::Destroys(conclude_loss),
        params: ConcludeExperiment::FIELDS,
        output: CHANGED,
        run: |ask, arguments| conclude_experiment(ask, ConcludeExperiment::read(arguments)),
    },
    Tool {
        name: "mixpanel_decide_experiment",
        title: "Decide an experiment",
        about: "Says for good how a concluded experiment came out, and which variant won.",
        effect: Effect::Destroys(decide_loss),
        params: DecideExperiment::FIELDS,
        output: CHANGED,
        run: |ask, arguments| decide_experiment(ask, DecideExperiment::read(arguments)),
    },
    Tool {
        name: "mixpanel_delete_experiment",
        title: "Delete an experiment",
        about: "Deletes an experiment with its results for good. mixpanel_archive_experiment only puts it out of sight.",
        effect: Effect::Destroys(delete_loss),
        params: OneExperiment::FIELDS,
        output: &[Field::always("experiment_id", Shape::Words)],
        run: |ask, arguments| delete_experiment(ask, OneExperiment::read(arguments)),
    },
];

/// What of an experiment is told beside its id.
const MEMBERS: &[&str] = &[
    "name",
    "status",
    "description",
    "hypothesis",
    "start_date",
    "end_date",
    "tags",
    "modified",
];

const ROW: Shape = Shape::Object(&[
    Field::always("experiment_id", Shape::Words),
    Field::sometimes("name", Shape::Words),
    Field::sometimes("status", Shape::Words),
    Field::sometimes("description", Shape::Words),
    Field::sometimes("hypothesis", Shape::Words),
    Field::sometimes("start_date", Shape::Words),
    Field::sometimes("end_date", Shape::Words),
    Field::sometimes("tags", Shape::list(&Shape::Words)),
    Field::sometimes("modified", Shape::Words),
]);

const CHANGED: &[Field] = &[Field::always("experiment", ROW)];

args! {
    struct ListExperiments {
        /// Most experiments. Default 100.
        limit: Option<Int<1, 1000>>,
        /// Id of the workspace. Default: the project's default one.
        workspace_id: Option<Id>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct OneExperiment {
        /// Id of the experiment, as mixpanel_list_experiments lists it.
        experiment_id: Text<64>,
        /// Id of the workspace. Default: the project's default one.
        workspace_id: Option<Id>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct CreateExperiment {
        /// Its name.
        name: Text<255>,
        /// What it is about. Default: nothing.
        description: Option<Text<400>>,
        /// What is expected to happen. Default: nothing.
        hypothesis: Option<Text<4000>>,
        /// In Mixpanel's form. Default: Mixpanel's own.
        settings: Option<Map<String, Value>>,
        /// One object each, as {"key": "control", "split": 0.5}. Default: none.
        variants: Option<List<Map<String, Value>, 0, 50>>,
        /// What it is measured by, one object each, in Mixpanel's form. Default: none.
        metrics: Option<List<Map<String, Value>, 0, 100>>,
        /// Who has access, a word of Mixpanel's. Default: Mixpanel's own.
        global_access_type: Option<Text<64>>,
        /// Id of the workspace. Default: the project's default one.
        workspace_id: Option<Id>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct UpdateExperiment {
        /// Id of the experiment, as mixpanel_list_experiments lists it.
        experiment_id: Text<64>,
        /// Its new name.
        name: Option<Text<255>>,
        /// What it is about.
        description: Option<Text<400>>,
        /// What is expected to happen.
        hypothesis: Option<Text<4000>>,
        /// In Mixpanel's form.
        settings: Option<Map<String, Value>>,
        /// One object each, as {"key": "control", "split": 0.5}.
        variants: Option<List<Map<String, Value>, 0, 50>>,
        /// What it is measured by, one object each, in Mixpanel's form.
        metrics: Option<List<Map<String, Value>, 0, 100>>,
        /// When it starts, ISO 8601.
        start_date: Option<Text<40>>,
        /// When it ends, ISO 8601.
        end_date: Option<Text<40>>,
        /// Names of tags.
        tags: Option<List<Text<255>, 0, 100>>,
        /// Who has access, a word of Mixpanel's.
        global_access_type: Option<Text<64>>,
        /// Id of the workspace. Default: the project's default one.
        workspace_id: Option<Id>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct ArchiveExperiment {
        /// Id of the experiment.
        experiment_id: Text<64>,
        /// true puts it out of sight, false brings it back.
        archived: bool,
        /// Id of the workspace. Default: the project's default one.
        workspace_id: Option<Id>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct ConcludeExperiment {
        /// Id of the experiment, as mixpanel_list_experiments lists it.
        experiment_id: Text<64>,
        /// When it ends, ISO 8601. Default: now.
        end_date: Option<Text<40>>,
        /// Id of the workspace. Default: the project's default one.
        workspace_id: Option<Id>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct DecideExperiment {
        /// Id of the experiment, as mixpanel_list_experiments lists it.
        experiment_id: Text<64>,
        /// Whether it did what was hoped for.
        success: bool,
        /// Key of the variant that won. Default: none.
        variant: Option<Text<255>>,
        /// Why it is decided so. Default: nothing.
        message: Option<Text<4000>>,
        /// Id of the workspace. Default: the project's default one.
        workspace_id: Option<Id>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn list_experiments(ask: &Ask, args: ListExperiments) -> Result<Answer, Failure> {
    let place = workspace(ask, args.workspace_id.as_ref(), args.project_id.as_ref())?;
    let experiments = ask.mixpanel()?.app.experiments(place)?;
    let found = experiments.len();
    let most = args.limit.map_or(LISTED_DEFAULT, |limit| limit.0 as usize);
    let rows = experiments.iter().take(most).map(told);
    let (rows, _) = ask.fitting_values(rows);
    let truncated = rows.len() < found;
    let mut summary = format!("workspace {place}: {}", counted(found, "experiment"));
    if truncated {
        summary += &format!("; truncated, the first {} are here", rows.len());
    }
    Ok(Answer {
        summary,
        data: Data::of([
            ("experiments", rows.into()),
            ("truncated", truncated.into()),
        ]),
    })
}

fn get_experiment(ask: &Ask, args: OneExperiment) -> Result<Answer, Failure> {
    let (place, experiment) = args.found(ask)?;
    let mut summary = format!("{} in workspace {place}", in_words(&experiment));
    let (experiment, is_whole) = whole_or_part(ask, experiment);
    if !is_whole {
        summary += "; truncated, its largest members are more than this client takes in one answer";
    }
    Ok(Answer {
        summary,
        data: Data::of([
            ("experiment", experiment.into()),
            ("truncated", (!is_whole).into()),
        ]),
    })
}

fn create_experiment(ask: &Ask, args: CreateExperiment) -> Result<Answer, Failure> {
    let place = workspace(ask, args.workspace_id.as_ref(), args.project_id.as_ref())?;
    let experiment = given([
        ("name", Some(args.name.0.into())),
        ("description", args.description.map(|text| text.0.into())),
        ("hypothesis", args.hypothesis.map(|text| text.0.into())),
        ("settings", args.settings.map(Value::from)),
        ("variants", args.variants.map(|list| list.0.into())),
        ("metrics", args.metrics.map(|list| list.0.into())),
        (
            "global_access_type",
            args.global_access_type.map(|text| text.0.into()),
        ),
    ]);
    let made = ask
        .mixpanel()?
        .app
        .create_experiment(place, &experiment.into())?;
    Ok(changed("made", place, &made))
}

fn update_experiment(ask: &Ask, args: UpdateExperiment) -> Result<Answer, Failure> {
    let changes = given([
        ("name", args.name.map(|text| text.0.into())),
        ("description", args.description.map(|text| text.0.into())),
        ("hypothesis", args.hypothesis.map(|text| text.0.into())),
        ("settings", args.settings.map(Value::from)),
        ("variants", args.variants.map(|list| list.0.into())),
        ("metrics", args.metrics.map(|list| list.0.into())),
        ("start_date", args.start_date.map(|text| text.0.into())),
        ("end_date", args.end_date.map(|text| text.0.into())),
        (
            "tags",
            args.tags
                .map(|tags| tags.0.into_iter().map(|tag| tag.0).collect()),
        ),
        (
            "global_access_type",
            args.global_access_type.map(|text| text.0.into()),
        ),
    ]);
    if changes.is_empty() {
        let fault = "nothing to change: give name, tags or another member";
        return Err(bad_arguments(vec![fault.into()]));
    }
    let place = workspace(ask, args.workspace_id.as_ref(), args.project_id.as_ref())?;
    let id = args.experiment_id.0.as_str();
    let app = &ask.mixpanel()?.app;
    let experiment = app.update_experiment(place, id, &changes.into())?;
    Ok(changed("changed", place, &experiment))
}

fn archive_experiment(ask: &Ask, args: ArchiveExperiment) -> Result<Answer, Failure> {
    let place = workspace(ask, args.workspace_id.as_ref(), args.project_id.as_ref())?;
    let id = args.experiment_id.0;
    let app = &ask.mixpanel()?.app;
    let done = if args.archived {
        app.archive_experiment(place, &id)?;
        "archived"
    } else {
        app.unarchive_experiment(place, &id)?;
        "no longer archived"
    };
    Ok(Answer {
        summary: format!("experiment {id} of workspace {place} is {done}"),
        data: Data::of([
            ("experiment_id", id.into()),
            ("archived", args.archived.into()),
        ]),
    })
}

fn launch_experiment(ask: &Ask, args: OneExperiment) -> Result<Answer, Failure> {
    let place = workspace(ask, args.workspace_id.as_ref(), args.project_id.as_ref())?;
    let app = &ask.mixpanel()?.app;
    let experiment = app.launch_experiment(place, &args.experiment_id.0)?;
    Ok(changed("launched", place, &experiment))
}

fn conclude_experiment(ask: &Ask, args: ConcludeExperiment) -> Result<Answer, Failure> {
    let place = workspace(ask, args.workspace_id.as_ref(), args.project_id.as_ref())?;
    let end = args.end_date.as_ref().map(|end| end.0.as_str());
    let app = &ask.mixpanel()?.app;
    let experiment = app.conclude_experiment(place, &args.experiment_id.0, end)?;
    Ok(changed("concluded", place, &experiment))
}

fn decide_experiment(ask: &Ask, args: DecideExperiment) -> Result<Answer, Failure> {
    let place = workspace(ask, args.workspace_id.as_ref(), args.project_id.as_ref())?;
    let decision = ExperimentDecision {
        success: args.success,
        variant: args.variant.as_ref().map(|key| key.0.as_str()),
        message: args.message.as_ref().map(|words| words.0.as_str()),
    };
    let app = &ask.mixpanel()?.app;
    let experiment = app.decide_experiment(place, &args.experiment_id.0, &decision)?;
    Ok(changed("decided", place, &experiment))
}

fn delete_experiment(ask: &Ask, args: OneExperiment) -> Result<Answer, Failure> {
    let place = workspace(ask, args.workspace_id.as_ref(), args.project_id.as_ref())?;
    let id = args.experiment_id.0;
    ask.mixpanel()?.app.delete_experiment(place, &id)?;
    Ok(Answer {
        summary: format!("experiment {id} of workspace {place} is deleted"),
        data: Data::of([("experiment_id", id.into())]),
    })
}

fn conclude_loss(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let end = ConcludeExperiment::read(arguments).end_date;
    let experiment = OneExperiment::read(arguments).in_state(ask, "active")?;
    let when = end.map_or("now".into(), |end| format!("at {}", quoted(&end.0)));
    Ok(Some(lost(arguments, &experiment, |words| {
        format!("end {words} {when}, for good")
    })))
}

fn decide_loss(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = DecideExperiment::read(arguments);
    let experiment = OneExperiment::read(arguments).in_state(ask, "concluded")?;
    let how = if args.success {
        "a success"
    } else {
        "a failure"
    };
    let winner = args
        .variant
        .map(|key| format!(" with the variant {}", quoted(&key.0)))
        .unwrap_or_default();
    Ok(Some(lost(arguments, &experiment, |words| {
        format!("decide {words} as {how}{winner}, for good")
    })))
}

fn delete_loss(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let (_, experiment) = OneExperiment::read(arguments).found(ask)?;
    Ok(Some(lost(arguments, &experiment, |words| {
        format!("delete {words} with its results for good")
    })))
}

/// What a call would destroy of the experiment that it is about.
fn lost(arguments: &Value, experiment: &Value, what: impl Fn(String) -> String) -> Loss {
    let id = OneExperiment::read(arguments).experiment_id.0;
    Loss {
        name: called(experiment, &id).to_owned(),
        what: what(in_words(experiment)),
    }
}

impl OneExperiment {
    /// The workspace, and the experiment in it.
    fn found(&self, ask: &Ask) -> Result<(u64, Value), Failure> {
        let place = workspace(ask, self.workspace_id.as_ref(), self.project_id.as_ref())?;
        let app = &ask.mixpanel()?.app;
        Ok((place, app.experiment(place, &self.experiment_id.0)?))
    }

    /// The experiment, if it may be in this state: nobody is asked about a step that cannot be taken.
    fn in_state(&self, ask: &Ask, needed: &str) -> Result<Value, Failure> {
        let (_, experiment) = self.found(ask)?;
        let state = text(&experiment, "status");
        if state == needed || !STATES.contains(&state) {
            return Ok(experiment);
        }
        let words = format!(
            "this step needs an experiment that is {needed}, not {}; nothing was done",
            in_words(&experiment)
        );
        Err(Failure::new("wrong_state", words)
            .with("status", state)
            .with("needed", needed))
    }
}

fn told(experiment: &Value) -> Value {
    row(experiment, "experiment_id", MEMBERS)
}

/// `the experiment "Big button" (active)`
fn in_words(experiment: &Value) -> String {
    let name = quoted(called(experiment, text(experiment, "id")));
    match text(experiment, "status") {
        "" => format!("the experiment {name}"),
        status => format!("the experiment {name} ({status})"),
    }
}

fn changed(how: &str, place: u64, experiment: &Value) -> Answer {
    Answer {
        summary: format!("{how} in workspace {place}: {}", in_words(experiment)),
        data: Data::of([("experiment", told(experiment).into())]),
    }
}
