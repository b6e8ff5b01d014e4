//! Persons' data for GDPR and CCPA: it is put together for them, or deleted. A person's OAuth token asks for it; a
//! service account is not enough.

use serde_json::Value;

use crate::mcp::args::{Arg as _, Id, List, Text, args, choice};
use crate::mcp::consent::Loss;
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{Clients, DataRetrieval, ProjectId, Secret};

use super::ask::{Ask, bad_arguments, counted, quoted};

/// How many users a question names; of the others it tells the number.
const USERS_NAMED: usize = 10;

pub(super) const TOOLS: &[Tool<Ask>] = &[
    Tool {
        name: "mixpanel_create_data_retrieval",
        title: "Retrieve users' data",
        about: "Has Mixpanel put together all data of some users, as GDPR and CCPA grant it. Takes up to 30 days: follow it by mixpanel_get_data_retrieval. Needs an OAuth token.",
        effect: Effect::Adds,
        params: CreateDataRetrieval::FIELDS,
        output: BEGUN,
        run: |ask, arguments| create_retrieval(ask, CreateDataRetrieval::read(arguments)),
    },
    Tool {
        name: "mixpanel_get_data_retrieval",
        title: "Data retrieval",
        about: "Tells how far a retrieval of users' data is, and where the data can be downloaded in the end. Needs an OAuth token.",
        effect: Effect::Reads,
        params: Job::FIELDS,
        output: &[
            Field::always("status", Shape::Words).about(STATES),
            Field::sometimes("download_url", Shape::Words),
            Field::always("distinct_ids", IDS),
            Field::always("truncated", Shape::Flag),
        ],
        run: |ask, arguments| get_retrieval(ask, Job::read(arguments)),
    },
    Tool {
        name: "mixpanel_create_data_deletion",
        title: "Delete users' data",
        about: "Has Mixpanel delete all events and profiles of some users for good. Takes up to 30 days, and can be cancelled until it has started. Needs an OAuth token.",
        effect: Effect::Destroys(loss),
        params: CreateDataDeletion::FIELDS,
        output: BEGUN,
        run: |ask, arguments| create_deletion(ask, CreateDataDeletion::read(arguments)),
    },
    Tool {
        name: "mixpanel_get_data_deletion",
        title: "Data deletion",
        about: "Tells how far a deletion of users' data is. Needs an OAuth token.",
        effect: Effect::Reads,
        params: Job::FIELDS,
        output: &[
            Field::always("status", Shape::Words).about(STATES),
            Field::always("requested_by", Shape::Words),
            Field::always("requested_at", Shape::Words),
            Field::always("compliance_type", Shape::Words),
            Field::always("distinct_ids", IDS),
            Field::always("truncated", Shape::Flag),
        ],
        run: |ask, arguments| get_deletion(ask, Job::read(arguments)),
    },
    Tool {
        name: "mixpanel_cancel_data_deletion",
        title: "Cancel a data deletion",
        about: "Cancels a deletion of users' data, so that nothing is lost; works only until it has started. Needs an OAuth token.",
        effect: Effect::Sets,
        params: Job::FIELDS,
        output: &[Field::always("tracking_id", Shape::Words)],
        run: |ask, arguments| cancel_deletion(ask, Job::read(arguments)),
    },
];

const BEGUN: &[Field] = &[
    Field::always("tracking_id", Shape::Words).about("By which it is followed."),
    Field::always("users", Shape::Count),
];
const IDS: Shape = Shape::list(&Shape::Words);
const STATES: &str =
    "PENDING, STAGING, STARTED, SUCCESS, FAILURE, REVOKED (cancelled), NOT_FOUND or UNKNOWN.";

choice! {
    enum Compliance {
        Gdpr = "GDPR",
        Ccpa = "CCPA",
    }
}

choice! {
    enum Disclosure {
        Data = "Data",
        Categories = "Categories",
        Sources = "Sources",
    }
}

args! {
    struct CreateDataRetrieval {
        /// The users' ids, exact.
        distinct_ids: List<Text<255>, 1, 2_000>,
        /// The law. Default GDPR.
        compliance_type: Option<Compliance>,
        /// What is told, for CCPA only. Default Data.
        disclosure_type: Option<Disclosure>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct CreateDataDeletion {
        /// The users' ids, exact.
        distinct_ids: List<Text<255>, 1, 1_999>,
        /// The law. Default GDPR.
        compliance_type: Option<Compliance>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct Job {
        /// As the answer to the creation tells it.
        tracking_id: Text<64>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

/// What every tool here needs: the project, and the token that names it to Mixpanel.
struct Errand<'a> {
    clients: &'a Clients,
    project: ProjectId,
    token: Secret,
}

impl Errand<'_> {
    fn of<'a>(ask: &'a Ask, project_id: Option<&Id>) -> Result<Errand<'a>, Failure> {
        let clients = ask.mixpanel()?;
        // Before anything is looked up that would be for nothing.
        clients.require_oauth_token()?;
        let project = ask.project(project_id)?;
        let token = clients.project_token(Some(&project))?;
        Ok(Errand {
            clients,
            project,
            token,
        })
    }
}

fn loss(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = CreateDataDeletion::read(arguments);
    ask.mixpanel()?.require_oauth_token()?;
    let project = ask.project(args.project_id.as_ref())?;
    let ids = texts(args.distinct_ids.0);
    let name = match ids.as_slice() {
        [id] => id.clone(),
        ids => format!("{} users", ids.len()),
    };
    Ok(Some(Loss {
        name,
        what: format!(
            "delete all events and profiles of {} in project {project} for good",
            in_words(&ids)
        ),
    }))
}

fn create_retrieval(ask: &Ask, args: CreateDataRetrieval) -> Result<Answer, Failure> {
    if args.disclosure_type.is_some() && args.compliance_type != Some(Compliance::Ccpa) {
        return Err(bad_arguments(vec![
            "disclosure_type: only for the compliance_type CCPA; leave it out".into(),
        ]));
    }
    let errand = Errand::of(ask, args.project_id.as_ref())?;
    let ids = texts(args.distinct_ids.0);
    let retrieval = DataRetrieval {
        distinct_ids: &ids,
        compliance_type: args.compliance_type.map(Compliance::word),
        disclosure_type: args.disclosure_type.map(Disclosure::word),
    };
    let app = &errand.clients.app;
    let tracking_id = app.create_data_retrieval(&errand.token, &retrieval)?;
    Ok(begun("retrieval", &errand.project, &ids, tracking_id))
}

fn create_deletion(ask: &Ask, args: CreateDataDeletion) -> Result<Answer, Failure> {
    let errand = Errand::of(ask, args.project_id.as_ref())?;
    let ids = texts(args.distinct_ids.0);
    let compliance = args.compliance_type.map(Compliance::word);
    let app = &errand.clients.app;
    let tracking_id = app.create_data_deletion(&errand.token, &ids, compliance)?;
    Ok(begun("deletion", &errand.project, &ids, tracking_id))
}

fn begun(what: &str, project: &ProjectId, ids: &[String], tracking_id: String) -> Answer {
    Answer {
        summary: format!(
            "Mixpanel took up the {what} {tracking_id} of the data of {} in project {project}; it may take 30 days",
            in_words(ids)
        ),
        data: Data::of([
            ("tracking_id", tracking_id.into()),
            ("users", ids.len().into()),
        ]),
    }
}

fn get_retrieval(ask: &Ask, args: Job) -> Result<Answer, Failure> {
    let errand = Errand::of(ask, args.project_id.as_ref())?;
    let id = args.tracking_id.0;
    let job = errand.clients.app.data_retrieval(&errand.token, &id)?;
    let summary = format!(
        "retrieval {id}, project {}: {}",
        errand.project,
        told(&job.status)
    );
    let mut data = Data::of([("status", job.status.into())]);
    if !job.results.is_empty() {
        data.insert("download_url", job.results);
    }
    tell_whose(ask, job.distinct_ids, &mut data);
    Ok(Answer { summary, data })
}

fn get_deletion(ask: &Ask, args: Job) -> Result<Answer, Failure> {
    let errand = Errand::of(ask, args.project_id.as_ref())?;
    let id = args.tracking_id.0;
    let job = errand.clients.app.data_deletion(&errand.token, &id)?;
    let summary = format!(
        "deletion {id}, project {}: {}",
        errand.project,
        told(&job.status)
    );
    let mut data = Data::of([
        ("status", job.status.into()),
        ("requested_by", job.requesting_user.into()),
        ("requested_at", job.date_requested.into()),
        ("compliance_type", job.compliance_type.into()),
    ]);
    tell_whose(ask, job.distinct_ids, &mut data);
    Ok(Answer { summary, data })
}

fn cancel_deletion(ask: &Ask, args: Job) -> Result<Answer, Failure> {
    let errand = Errand::of(ask, args.project_id.as_ref())?;
    let id = args.tracking_id.0;
    match errand.clients.app.cancel_data_deletion(&errand.token, &id) {
        Ok(()) => Ok(Answer {
            summary: format!(
                "the deletion {id} in project {} is cancelled; the data stay",
                errand.project
            ),
            data: Data::of([("tracking_id", id.into())]),
        }),
        Err(error) if error.status() == Some(405) => {
            let mut failure = Failure::from(error);
            failure.text = format!(
                "the deletion {id} has started, ended or been cancelled, so it cannot be cancelled any more; mixpanel_get_data_deletion tells how far it is"
            );
            failure.facts.insert("kind".into(), "too_late".into());
            Err(failure)
        }
        Err(error) => Err(error.into()),
    }
}

/// Nothing is said of a job that is not known yet: Mixpanel answers so for some time after its creation.
fn told(status: &str) -> &str {
    match status {
        "NOT_FOUND" => "NOT_FOUND; check the tracking_id, or ask again later if it is new",
        status => status,
    }
}

fn tell_whose(ask: &Ask, ids: Vec<String>, data: &mut Data) {
    let (ids, whole) = ask.fitting_rows(ids);
    data.insert("distinct_ids", ids);
    data.insert("truncated", !whole);
}

fn texts(ids: Vec<Text<255>>) -> Vec<String> {
    ids.into_iter().map(|id| id.0).collect()
}

/// `the user "a"`, `3 users ("a", "b", "c")`.
fn in_words(ids: &[String]) -> String {
    let named: Vec<String> = ids.iter().take(USERS_NAMED).map(|id| quoted(id)).collect();
    let more = match ids.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match named.as_slice() {
        [id] => format!("the user {id}"),
        named => format!(
            "{} ({}{more})",
            counted(ids.len(), "user"),
            named.join(", ")
        ),
    }
}
