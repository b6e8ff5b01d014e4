//! Service accounts of an organization: who signs in beside people, and to which projects they belong.

use serde_json::{Map, Value, json};

use crate::mcp::args::{Arg as _, Id, List, Text, args, choice};
use crate::mcp::consent::Loss;
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{NewServiceAccount, ProjectId, ProjectRole, ServiceAccountDetails};

use super::ask::{Ask, bad_arguments, counted, object, quoted};

pub(super) const TOOLS: &[Tool<Ask>] = &[
    Tool {
        name: "mixpanel_list_service_accounts",
        title: "Service accounts",
        about: "Lists the service accounts of a project with their roles in it, or with organization_id all of the organization. Needs an account that is an admin.",
        effect: Effect::Reads,
        params: ListServiceAccounts::FIELDS,
        output: &[
            Field::always("service_accounts", Shape::list(&ACCOUNT)),
            Field::always("truncated", Shape::Flag),
        ],
        run: |ask, arguments| list(ask, ListServiceAccounts::read(arguments)),
    },
    Tool {
        name: "mixpanel_get_service_account",
        title: "Service account",
        about: "Tells about one service account of an organization: name, creation, end, last use.",
        effect: Effect::Reads,
        params: OneServiceAccount::FIELDS,
        output: &[Field::always("service_account", ACCOUNT)],
        run: |ask, arguments| get(ask, OneServiceAccount::read(arguments)),
    },
    Tool {
        name: "mixpanel_create_service_account",
        title: "Create a service account",
        about: "Makes a service account in an organization. Its token (the secret that it signs in with) is told once, in the answer, and never again by anybody: so ask the user whether it may appear in the conversation.",
        effect: Effect::Adds,
        params: CreateServiceAccount::FIELDS,
        output: &[
            Field::always("service_account", ACCOUNT),
            Field::always("token", Shape::Words).about("A secret; the only copy of it."),
        ],
        run: |ask, arguments| create(ask, CreateServiceAccount::read(arguments)),
    },
    Tool {
        name: "mixpanel_delete_service_account",
        title: "Delete a service account",
        about: "Deletes a service account for good; whatever signs in with it is shut out.",
        effect: Effect::Destroys(deletion),
        params: OneServiceAccount::FIELDS,
        output: &[Field::always("service_account_id", Shape::Id)],
        run: |ask, arguments| delete(ask, OneServiceAccount::read(arguments)),
    },
    Tool {
        name: "mixpanel_add_service_accounts",
        title: "Add service accounts to projects",
        about: "Makes each of some service accounts a member of each of some projects, in the role that is given for the project. This grants access.",
        effect: Effect::Sets,
        params: AddServiceAccounts::FIELDS,
        output: MEMBERSHIP,
        run: |ask, arguments| add(ask, AddServiceAccounts::read(arguments)),
    },
    Tool {
        name: "mixpanel_remove_service_accounts",
        title: "Remove service accounts from projects",
        about: "Takes each of some service accounts out of each of some projects; whatever signs in with it there is shut out. The accounts remain in the organization.",
        effect: Effect::Destroys(removal),
        params: RemoveServiceAccounts::FIELDS,
        output: MEMBERSHIP,
        run: |ask, arguments| remove(ask, RemoveServiceAccounts::read(arguments)),
    },
];

const ACCOUNT: Shape = Shape::Object(&[
    Field::always("service_account_id", Shape::Id),
    Field::always("username", Shape::Words),
    Field::sometimes("role", Shape::Words),
    Field::sometimes("created", Shape::Words),
    Field::sometimes("expires", Shape::Words),
    Field::sometimes("last_used", Shape::Words),
    Field::sometimes("creator_id", Shape::Words),
]);
const IDS: Shape = Shape::list(&Shape::Id);
const MEMBERSHIP: &[Field] = &[
    Field::always("service_account_ids", IDS),
    Field::always("project_ids", IDS),
];

choice! {
    enum Role {
        Owner = "owner",
        Admin = "admin",
        Analyst = "analyst",
        Consumer = "consumer",
    }
}

args! {
    struct ListServiceAccounts {
        /// The organization's id, as mixpanel_get_projects lists it. Default: the project's accounts are listed.
        organization_id: Option<Id>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct OneServiceAccount {
        /// The organization's id, as mixpanel_get_projects lists it.
        organization_id: Id,
        /// As mixpanel_list_service_accounts lists it.
        service_account_id: Id,
    }
}

args! {
    struct ProjectPart {
        /// The project.
        project_id: Id,
        /// The role in it.
        role: Role,
    }
}

args! {
    struct CreateServiceAccount {
        /// The organization's id, as mixpanel_get_projects lists it.
        organization_id: Id,
        /// A telling name; Mixpanel adds to it.
        username: Text<255>,
        /// Role in the organization. Default: Mixpanel's own.
        role: Option<Role>,
        /// When it ends, as 2027-01-31T00:00:00Z. Default: never.
        expires: Option<Text<40>>,
        /// Its projects. Default: none.
        projects: Option<List<ProjectPart, 1, 100>>,
        /// true: the user agreed that the answer shows the token. Default false: nothing is made.
        reveal_token: Option<bool>,
    }
}

args! {
    struct AddServiceAccounts {
        /// The organization's id, as mixpanel_get_projects lists it.
        organization_id: Id,
        /// As mixpanel_list_service_accounts lists them.
        service_account_ids: List<Id, 1, 100>,
        /// The projects, with the role in each.
        projects: List<ProjectPart, 1, 100>,
    }
}

args! {
    struct RemoveServiceAccounts {
        /// The organization's id, as mixpanel_get_projects lists it.
        organization_id: Id,
        /// As mixpanel_list_service_accounts lists them.
        service_account_ids: List<Id, 1, 100>,
        /// The projects.
        project_ids: List<Id, 1, 100>,
    }
}

fn list(ask: &Ask, args: ListServiceAccounts) -> Result<Answer, Failure> {
    let app = &ask.mixpanel()?.app;
    let (accounts, place) = match &args.organization_id {
        Some(_) if args.project_id.is_some() => {
            return Err(bad_arguments(vec![
                "organization_id: not beside project_id; give the one whose accounts you want"
                    .into(),
            ]));
        }
        Some(id) => (
            app.service_accounts(id.number())?,
            format!("organization {}", id.0),
        ),
        None => {
            let project = ask.project(args.project_id.as_ref())?;
            let accounts = app.project_service_accounts(&project)?;
            (accounts, format!("project {project}"))
        }
    };
    let found = accounts.len();
    let (accounts, whole) = ask.fitting(accounts, |account| account_json(account).into());
    let mut summary = format!("{place}: {}", counted(found, "service account"));
    if !whole {
        summary.push_str(&format!(
            "; truncated, the first {} are here: the rest is more than this client takes in one answer",
            accounts.len()
        ));
    }
    let accounts: Vec<Value> = accounts
        .iter()
        .map(|account| account_json(account).into())
        .collect();
    Ok(Answer {
        summary,
        data: Data::of([
            ("service_accounts", accounts.into()),
            ("truncated", (!whole).into()),
        ]),
    })
}

fn get(ask: &Ask, args: OneServiceAccount) -> Result<Answer, Failure> {
    let account = one(ask, &args)?;
    Ok(Answer {
        summary: format!(
            "organization {}: service account {}, {}",
            args.organization_id.0,
            account.id,
            quoted(&account.username)
        ),
        data: Data::of([("service_account", account_json(&account).into())]),
    })
}

fn create(ask: &Ask, args: CreateServiceAccount) -> Result<Answer, Failure> {
    let organization = args.organization_id.number();
    let mut faults = Vec::new();
    if let Some(expires) = &args.expires
        && expires.0.parse::<jiff::Timestamp>().is_err()
    {
        faults.push(format!(
            "expires: {} is not a moment such as 2027-01-31T00:00:00Z",
            quoted(&expires.0)
        ));
    }
    // An account whose token nobody was told is one that nobody can sign in with.
    if args.reveal_token != Some(true) {
        faults.push("reveal_token: must be true, as Mixpanel tells the token of a new account only once, in this answer; ask the user whether it may appear in the conversation".into());
    }
    if !faults.is_empty() {
        return Err(bad_arguments(faults));
    }
    let parts = args.projects.map(|parts| parts.0).unwrap_or_default();
    let projects = projects(ask, parts.iter().map(|part| &part.project_id))?;
    let roles = roles(&projects, &parts);
    let new = NewServiceAccount {
        username: &args.username.0,
        role: args.role.map(Role::word),
        expires: args.expires.as_ref().map(|expires| expires.0.as_str()),
        projects: &roles,
    };
    let app = &ask.mixpanel()?.app;
    let created = app.create_service_account(organization, &new)?;
    let account = &created.account;
    let mut summary = format!(
        "organization {organization}: service account {} is made, {}",
        account.id,
        quoted(&account.username)
    );
    let mut data = Data::of([("service_account", account_json(account).into())]);
    summary.push_str("; its token is here and nowhere else: have it kept safe now");
    data.insert("token", created.reveal_token());
    Ok(Answer { summary, data })
}

fn deletion(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = OneServiceAccount::read(arguments);
    let account = one(ask, &args)?;
    let used = account
        .last_used
        .map(|used| format!(" (last used {used})"))
        .unwrap_or_default();
    Ok(Some(Loss {
        what: format!(
            "delete the service account {} of organization {}{used} for good, and shut out whatever signs in with it",
            quoted(&account.username),
            args.organization_id.0
        ),
        name: account.username,
    }))
}

fn delete(ask: &Ask, args: OneServiceAccount) -> Result<Answer, Failure> {
    let app = &ask.mixpanel()?.app;
    let account = args.service_account_id.number();
    app.delete_service_account(args.organization_id.number(), account)?;
    Ok(Answer {
        summary: format!(
            "organization {}: service account {account} is deleted",
            args.organization_id.0
        ),
        data: Data::of([("service_account_id", account.to_string().into())]),
    })
}

fn add(ask: &Ask, args: AddServiceAccounts) -> Result<Answer, Failure> {
    let parts = args.projects.0;
    let projects = projects(ask, parts.iter().map(|part| &part.project_id))?;
    let accounts = numbers(&args.service_account_ids.0);
    let app = &ask.mixpanel()?.app;
    app.add_service_accounts(
        args.organization_id.number(),
        &roles(&projects, &parts),
        &accounts,
    )?;
    let told: Vec<String> = parts
        .iter()
        .map(|part| format!("{} as {}", part.project_id.0, part.role.word()))
        .collect();
    Ok(Answer {
        summary: format!(
            "{} belong to the projects {}",
            counted(accounts.len(), "service account"),
            told.join(", ")
        ),
        data: membership(&accounts, &projects),
    })
}

fn removal(ask: &Ask, arguments: &Value) -> Result<Option<Loss>, Failure> {
    let args = RemoveServiceAccounts::read(arguments);
    let app = &ask.mixpanel()?.app;
    let known = app.service_accounts(args.organization_id.number())?;
    let mut names = Vec::new();
    for id in numbers(&args.service_account_ids.0) {
        let account = known.iter().find(|account| account.id == id);
        let account = account.ok_or_else(|| {
            let text = format!(
                "organization {} has no service account {id}; mixpanel_list_service_accounts lists them",
                args.organization_id.0
            );
            Failure::new("not_found", text)
        })?;
        names.push(account.username.clone());
    }
    let projects: Vec<&str> = args.project_ids.0.iter().map(|id| id.0.as_str()).collect();
    let what = format!(
        "take {} out of {} {}, and shut out whatever signs in there with {}",
        names
            .iter()
            .map(|name| quoted(name))
            .collect::<Vec<_>>()
            .join(", "),
        if projects.len() == 1 {
            "the project"
        } else {
            "each of the projects"
        },
        projects.join(", "),
        if names.len() == 1 { "it" } else { "them" }
    );
    let name = match names.len() {
        1 => names.swap_remove(0),
        number => counted(number, "service account"),
    };
    Ok(Some(Loss { name, what }))
}

fn remove(ask: &Ask, args: RemoveServiceAccounts) -> Result<Answer, Failure> {
    let projects = projects(ask, args.project_ids.0.iter())?;
    let accounts = numbers(&args.service_account_ids.0);
    let app = &ask.mixpanel()?.app;
    app.remove_service_accounts(args.organization_id.number(), &projects, &accounts)?;
    let told: Vec<&str> = projects.iter().map(ProjectId::as_str).collect();
    Ok(Answer {
        summary: format!(
            "{} taken out of the projects {}",
            counted(accounts.len(), "service account"),
            told.join(", ")
        ),
        data: membership(&accounts, &projects),
    })
}

fn one(ask: &Ask, args: &OneServiceAccount) -> Result<ServiceAccountDetails, Failure> {
    let (organization, account) = (
        args.organization_id.number(),
        args.service_account_id.number(),
    );
    Ok(ask.mixpanel()?.app.service_account(organization, account)?)
}

fn projects<'a>(ask: &Ask, ids: impl Iterator<Item = &'a Id>) -> Result<Vec<ProjectId>, Failure> {
    ids.map(|id| ask.project(Some(id))).collect()
}

fn roles<'a>(projects: &'a [ProjectId], parts: &[ProjectPart]) -> Vec<ProjectRole<'a>> {
    let both = projects.iter().zip(parts);
    both.map(|(project, part)| ProjectRole {
        project,
        role: part.role.word(),
    })
    .collect()
}

fn membership(accounts: &[u64], projects: &[ProjectId]) -> Data {
    let accounts: Vec<String> = accounts.iter().map(u64::to_string).collect();
    let projects: Vec<&str> = projects.iter().map(ProjectId::as_str).collect();
    Data::of([
        ("service_account_ids", accounts.into()),
        ("project_ids", projects.into()),
    ])
}

fn numbers(ids: &[Id]) -> Vec<u64> {
    ids.iter().map(Id::number).collect()
}

fn account_json(account: &ServiceAccountDetails) -> Map<String, Value> {
    let mut json = object([
        ("service_account_id", account.id.to_string().into()),
        ("username", account.username.as_str().into()),
    ]);
    for (name, value) in [
        ("role", &account.role),
        ("created", &account.created),
        ("expires", &account.expires),
        ("last_used", &account.last_used),
        ("creator_id", &account.creator),
    ] {
        if let Some(value) = value {
            json.insert(name.into(), json!(value));
        }
    }
    json
}
