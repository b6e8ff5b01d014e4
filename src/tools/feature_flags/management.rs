//! Flags are listed, read, made, changed and deleted. Mixpanel replaces a flag whole, so a change is laid over the flag
//! as it is.

use serde_json::{Map, Value, json};

use super::flag::{Ruleset, Serving, Status, faults, kept};
use crate::mcp::args::{Arg as _, Id, Int, List, Text, args};
use crate::mcp::consent::Loss;
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::ProjectId;
use crate::tools::ask::{Ask, bad_arguments, counted, quoted};
use crate::tools::workspace::{called, given, row, text, whole_or_part, workspace};

/// How many flags are listed where the call does not say.
const LISTED_DEFAULT: usize = 100;

pub(super) const LIST_FEATURE_FLAGS: Tool<Ask> = Tool {
    name: "mixpanel_list_feature_flags",
    title: "Feature flags",
    about: "Lists the feature flags of a workspace: id, key, name, status, tags. mixpanel_get_feature_flag tells the rules of one. Costs no query quota.",
    effect: Effect::Reads,
    params: ListFeatureFlags::FIELDS,
    output: &[
        Field::always("flags", Shape::list(&ROW)),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| list_feature_flags(ask, ListFeatureFlags::read(arguments)),
};

pub(super) const GET_FEATURE_FLAG: Tool<Ask> = Tool {
    name: "mixpanel_get_feature_flag",
    title: "Feature flag",
    about: "Reads one feature flag whole: variants, rules, who is testing, who changed it last. Costs no query quota.",
    effect: Effect::Reads,
    params: OneFlag::FIELDS,
    output: &[
        Field::always("flag", Shape::MapOf(&Shape::Any)),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| get_feature_flag(ask, OneFlag::read(arguments)),
};

pub(super) const CREATE_FEATURE_FLAG: Tool<Ask> = Tool {
    name: "mixpanel_create_feature_flag",
    title: "Make a feature flag",
    about: "Makes a feature flag. It is disabled unless status says enabled, and then users get its variants at once.",
    effect: Effect::Adds,
    params: CreateFeatureFlag::FIELDS,
    output: CHANGED,
    run: |ask, arguments| create_feature_flag(ask, CreateFeatureFlag::read(arguments)),
};

pub(super) const UPDATE_FEATURE_FLAG: Tool<Ask> = Tool {
    name: "mixpanel_update_feature_flag",
    title: "Change a feature flag",
    about: "Changes a feature flag, and with it what users get at once. What is not given stays; ruleset and tags are replaced whole, so read them with mixpanel_get_feature_flag first.",
    effect: Effect::Destroys(update_loss),
    params: UpdateFeatureFlag::FIELDS,
    output: CHANGED,
    run: |ask, arguments| update_feature_flag(ask, UpdateFeatureFlag::read(arguments)),
};

pub(super) const DELETE_FEATURE_FLAG: Tool<Ask> = Tool {
    name: "mixpanel_delete_feature_flag",
    title: "Delete a feature flag",
    about: "Deletes a feature flag for good; users get none of its variants any more. To switch it off only, update its status to disabled.",
    effect: Effect::Destroys(delete_loss),
    params: OneFlag::FIELDS,
    output: &[Field::always("flag_id", Shape::Words)],
    run: |ask, arguments| delete_feature_flag(ask, OneFlag::read(arguments)),
};

/// What of a flag is told beside its id.
const MEMBERS: &[&str] = &[
    "key",
    "name",
    "description",
    "status",
    "serving_method",
    "tags",
    "experiment_id",
    "modified",
];

const ROW: Shape = Shape::Object(&[
    Field::always("flag_id", Shape::Words),
    Field::sometimes("key", Shape::Words),
    Field::sometimes("name", Shape::Words),
    Field::sometimes("description", Shape::Words),
    Field::sometimes("status", Shape::Words),
    Field::sometimes("serving_method", Shape::Words),
    Field::sometimes("tags", Shape::list(&Shape::Words)),
    Field::sometimes("experiment_id", Shape::Words),
    Field::sometimes("modified", Shape::Words),
]);

const CHANGED: &[Field] = &[Field::always("flag", ROW)];

args! {
    struct ListFeatureFlags {
        /// Whether archived flags are listed too. Default false.
        include_archived: Option<bool>,
        /// Most flags. Default 100.
        limit: Option<Int<1, 1000>>,
        /// Id of the workspace. Default: the project's default one.
        workspace_id: Option<Id>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct OneFlag {
        /// Id of the flag, as mixpanel_list_feature_flags lists it; not its key.
        flag_id: Text<64>,
        /// Id of the workspace. Default: the project's default one.
        workspace_id: Option<Id>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct CreateFeatureFlag {
        /// Its name, for people.
        name: Text<255>,
        /// Its name in code, as new_checkout; no other flag may have it.
        key: Text<255>,
        /// Variants and who gets them.
        ruleset: Ruleset,
        /// Who decides: client and server SDKs, remotely (remote_only) or also by themselves (remote_or_local).
        serving_method: Serving,
        /// By which id users are told apart: distinct_id, device_id or a group key. Default distinct_id.
        context: Option<Text<255>>,
        /// What it is about. Default: nothing.
        description: Option<Text<1000>>,
        /// Names of tags. Default: none.
        tags: Option<List<Text<255>, 0, 100>>,
        /// Whether users get its variants. Default disabled.
        status: Option<Status>,
        /// Id of the experiment that it is part of. Default: none.
        experiment_id: Option<Text<64>>,
        /// Id of the group type, if context is a group key. Default: none.
        data_group_id: Option<Text<64>>,
        /// Id of the workspace. Default: the project's default one.
        workspace_id: Option<Id>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct UpdateFeatureFlag {
        /// Id of the flag, as mixpanel_list_feature_flags lists it; not its key.
        flag_id: Text<64>,
        /// Its name, for people.
        name: Option<Text<255>>,
        /// Its name in code. Code that asks for the old one gets nothing any more.
        key: Option<Text<255>>,
        /// Variants and who gets them.
        ruleset: Option<Ruleset>,
        /// Who decides: client and server SDKs, remotely (remote_only) or also by themselves (remote_or_local).
        serving_method: Option<Serving>,
        /// By which id users are told apart: distinct_id, device_id or a group key.
        context: Option<Text<255>>,
        /// What it is about.
        description: Option<Text<1000>>,
        /// Names of tags.
        tags: Option<List<Text<255>, 0, 100>>,
        /// Whether users get its variants.
        status: Option<Status>,
        /// Id of the experiment that it is part of.
        experiment_id: Option<Text<64>>,
        /// Id of the group type, if context is a group key.
        data_group_id: Option<Text<64>>,
        /// true deals the variants to users anew. Default false.
        reset_hash_salt: Option<bool>,
        /// Id of the workspace. Default: the project's default one.
        workspace_id: Option<Id>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn list_feature_flags(ask: &Ask, args: ListFeatureFlags) -> Result<Answer, Failure> {
    let (project, place) = place(ask, args.workspace_id.as_ref(), args.project_id.as_ref())?;
    let with_archived = args.include_archived == Some(true);
    let flags = ask
        .mixpanel()?
        .app
        .feature_flags(&project, place, with_archived)?;
    let found = flags.len();
    let most = args.limit.map_or(LISTED_DEFAULT, |limit| limit.0 as usize);
    let (rows, _) = ask.fitting_values(flags.iter().take(most).map(told));
    let truncated = rows.len() < found;
    let mut summary = format!(
        "project {project}, workspace {place}: {}",
        counted(found, "feature flag")
    );
    if truncated {
        summary += &format!("; truncated, the first {} are here", rows.len());
    }
    Ok(Answer {
        summary,
        data: Data::of([("flags", rows.into()), ("truncated", truncated.into())]),
    })
}

fn get_feature_flag(ask: &Ask, args: OneFlag) -> Result<Answer, Failure> {
    let Found { place, flag, .. } = args.found(ask)?;
    let mut summary = format!("{} in workspace {place}", in_words(&flag));
    let (flag, is_whole) = whole_or_part(ask, flag);
    if !is_whole {
        summary += "; truncated, its largest members are more than this client takes in one answer";
    }
    Ok(Answer {
        summary,
        data: Data::of([("flag", flag.into()), ("truncated", (!is_whole).into())]),
    })
}

fn create_feature_flag(ask: &Ask, args: CreateFeatureFlag) -> Result<Answer, Failure> {
    let faults = faults(&args.ruleset.0);
    if !faults.is_empty() {
        return Err(bad_arguments(faults));
    }
    let mut flag = Map::from_iter([
        ("tags".into(), json!([])),
        ("context".into(), json!("distinct_id")),
    ]);
    flag.extend(given([
        ("name", Some(args.name.0.into())),
        ("key", Some(args.key.0.into())),
        ("ruleset", Some(args.ruleset.0)),
        ("serving_method", Some(args.serving_method.word().into())),
        ("context", args.context.map(|text| text.0.into())),
        ("description", args.description.map(|text| text.0.into())),
        ("tags", args.tags.map(texts)),
        ("status", args.status.map(|status| status.word().into())),
        ("experiment_id", args.experiment_id.map(|id| id.0.into())),
        ("data_group_id", args.data_group_id.map(|id| id.0.into())),
    ]));
    let (project, place) = place(ask, args.workspace_id.as_ref(), args.project_id.as_ref())?;
    let app = &ask.mixpanel()?.app;
    let made = app.create_feature_flag(&project, place, &flag.into())?;
    Ok(changed("made", place, &made))
}

fn update_feature_flag(ask: &Ask, args: UpdateFeatureFlag) -> Result<Answer, Failure> {
    let (one, changes) = args.split();
    let faults = change_faults(&changes);
    if !faults.is_empty() {
        return Err(bad_arguments(faults));
    }
    let found = one.found(ask)?;
    let mut flag = kept(&found.flag);
    flag.extend(changes);
    let app = &ask.mixpanel()?.app;
    let flag =
        app.update_feature_flag(&found.project, found.place, &one.flag_id.0, &flag.into())?;
    Ok(changed("changed", found.place, &flag))
}

fn delete_feature_flag(ask: &Ask, args: OneFlag) -> Result<Answer, Failure> {
    let (project, place) = place(ask, args.workspace_id.as_ref(), args.project_id.as_ref())?;
    let id = args.flag_id.0;
    ask.mixpanel()?
        .app
        .delete_feature_flag(&project, place, &id)?;
    Ok(Answer {
        summary: format!("feature flag {id} of workspace {place} is deleted"),
        data: Data::of([("flag_id", id.into())]),
    })
}

fn update_loss(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let (one, changes) = UpdateFeatureFlag::read(arguments).split();
    // What cannot be done need not be asked about.
    if !change_faults(&changes).is_empty() {
        return Ok(None);
    }
    let flag = one.found(ask)?.flag;
    let names: Vec<&str> = changes.keys().map(String::as_str).collect();
    let from_to = match (text(&flag, "status"), changes.get("status")) {
        (from, Some(Value::String(to))) if from != to => format!(" (it becomes {to})"),
        _ => String::new(),
    };
    Ok(Some(Loss {
        name: called(&flag, &one.flag_id.0).to_owned(),
        what: format!(
            "replace {} of {}{from_to}: what stood there is lost, and what users get changes at once",
            names.join(", "),
            in_words(&flag)
        ),
    }))
}

fn delete_loss(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let one = OneFlag::read(arguments);
    let flag = one.found(ask)?.flag;
    Ok(Some(Loss {
        name: called(&flag, &one.flag_id.0).to_owned(),
        what: format!(
            "delete {} for good: users get none of its variants any more",
            in_words(&flag)
        ),
    }))
}

/// A flag, and where it is.
struct Found {
    project: ProjectId,
    place: u64,
    flag: Value,
}

impl OneFlag {
    fn found(&self, ask: &Ask) -> Result<Found, Failure> {
        let (project, place) = place(ask, self.workspace_id.as_ref(), self.project_id.as_ref())?;
        let app = &ask.mixpanel()?.app;
        let flag = app.feature_flag(&project, place, &self.flag_id.0)?;
        Ok(Found {
            project,
            place,
            flag,
        })
    }
}

impl UpdateFeatureFlag {
    /// Which flag is meant, and the members that it gets.
    fn split(self) -> (OneFlag, Map<String, Value>) {
        let changes = given([
            ("name", self.name.map(|text| text.0.into())),
            ("key", self.key.map(|text| text.0.into())),
            ("ruleset", self.ruleset.map(|ruleset| ruleset.0)),
            (
                "serving_method",
                self.serving_method.map(|method| method.word().into()),
            ),
            ("context", self.context.map(|text| text.0.into())),
            ("description", self.description.map(|text| text.0.into())),
            ("tags", self.tags.map(texts)),
            ("status", self.status.map(|status| status.word().into())),
            ("experiment_id", self.experiment_id.map(|id| id.0.into())),
            ("data_group_id", self.data_group_id.map(|id| id.0.into())),
            (
                "reset_hash_salt",
                self.reset_hash_salt.filter(|reset| *reset).map(Value::from),
            ),
        ]);
        let one = OneFlag {
            flag_id: self.flag_id,
            workspace_id: self.workspace_id,
            project_id: self.project_id,
        };
        (one, changes)
    }
}

fn change_faults(changes: &Map<String, Value>) -> Vec<String> {
    if changes.is_empty() {
        return vec!["nothing to change: give status, ruleset or another member".into()];
    }
    changes.get("ruleset").map(faults).unwrap_or_default()
}

/// The project and the workspace that are meant.
fn place(
    ask: &Ask,
    workspace_id: Option<&Id>,
    project_id: Option<&Id>,
) -> Result<(ProjectId, u64), Failure> {
    let project = ask.project(project_id)?;
    Ok((project, workspace(ask, workspace_id, project_id)?))
}

fn texts(list: List<Text<255>, 0, 100>) -> Value {
    list.0.into_iter().map(|text| text.0).collect()
}

fn told(flag: &Value) -> Value {
    row(flag, "flag_id", MEMBERS)
}

/// `the feature flag "New checkout" (new_checkout_flow, enabled)`
fn in_words(flag: &Value) -> String {
    let name = quoted(called(flag, text(flag, "id")));
    let facts: Vec<&str> = [text(flag, "key"), text(flag, "status")]
        .into_iter()
        .filter(|fact| !fact.is_empty())
        .collect();
    match facts.as_slice() {
        [] => format!("the feature flag {name}"),
        facts => format!("the feature flag {name} ({})", facts.join(", ")),
    }
}

fn changed(how: &str, place: u64, flag: &Value) -> Answer {
    Answer {
        summary: format!("{how} in workspace {place}: {}", in_words(flag)),
        data: Data::of([("flag", told(flag).into())]),
    }
}
