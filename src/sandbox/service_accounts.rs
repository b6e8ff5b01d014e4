//! Service accounts of the organization and their parts in projects. Those that are made here are listed, but do not
//! sign in: only the sandbox's two do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::access::{USERNAME, VIEWER_USERNAME};
use super::fault::Fault;
use super::holdings::{Asked, USER_ID, ok, results};
use super::http::Response;
use super::projects::{ORGANIZATION_ID, PROJECTS, facts};
use super::random::Random;
use super::shape::{self, Member, Shape, list, needs, takes, text};
use super::shelf::{Item, Shelf};
use super::time;
use crate::mixpanel::expression::parse_moment;

const ROLE: Shape = Shape::Words(&["owner", "admin", "analyst", "consumer"]);

const NEW: &[Member] = &[
    needs("username", Shape::Length(1, 255)),
    takes("role", ROLE),
    takes("expires", Shape::Text),
    takes(
        "projects",
        Shape::List(&Shape::Object(&[
            takes("id", Shape::Integer),
            takes("role", ROLE),
        ])),
    ),
];
const ADDITION: &[Member] = &[
    needs(
        "projects",
        Shape::List(&Shape::Object(&[
            needs("id", Shape::Integer),
            needs("role", ROLE),
        ])),
    ),
    needs("service_account_ids", Shape::List(&Shape::Integer)),
];
const REMOVAL: &[Member] = &[needs(
    "projects",
    Shape::List(&Shape::Object(&[
        needs("id", Shape::Integer),
        needs("service_account_ids", Shape::List(&Shape::Integer)),
    ])),
)];

/// All service accounts.
pub(super) struct Accounts {
    accounts: Shelf<u64>,
    /// By account and project, as many as there are accounts times projects at most.
    roles: BTreeMap<(u64, u64), String>,
    serial: u64,
}

impl Accounts {
    /// The sandbox's two.
    pub(super) fn new(now_ms: i64) -> Accounts {
        let mut accounts = Accounts {
            accounts: Shelf::default(),
            roles: BTreeMap::new(),
            serial: 0,
        };
        for (username, role) in [(USERNAME, "admin"), (VIEWER_USERNAME, "consumer")] {
            let account = accounts.made(username, Value::Null, &time::instant(now_ms));
            let id = accounts.serial;
            let put = accounts.accounts.put(id, account);
            debug_assert_eq!(put, Ok(()));
            for project in PROJECTS {
                accounts.roles.insert((id, project.id), role.into());
            }
        }
        accounts
    }

    fn made(&mut self, username: &str, expires: Value, now: &str) -> Item {
        self.serial += 1;
        let account = json!({
            "id": self.serial,
            "username": username,
            "last_used": null,
            "expires": expires,
            "creator": USER_ID,
            "created": now,
            "user": USER_ID + self.serial,
        });
        account.as_object().cloned().unwrap_or_default()
    }

    fn existing(&self, id: u64) -> Result<&Item, Fault> {
        self.accounts
            .get(&id)
            .ok_or_else(|| Fault::new(404, format!("Service account {id} does not exist")))
    }
}

/// `GET /organizations/{}/service-accounts`
pub(super) fn list_all(accounts: &mut Accounts, asked: &Asked<'_>) -> Result<Response, Fault> {
    of_organization(asked)?;
    let all: Vec<&Item> = accounts.accounts.iter().map(|(_, one)| one).collect();
    Ok(results(200, &json!(all)))
}

/// `POST /organizations/{}/service-accounts`: the only answer with the secret.
pub(super) fn create(accounts: &mut Accounts, asked: &Asked<'_>) -> Result<Response, Fault> {
    of_organization(asked)?;
    let body = shape::body(asked.request, NEW)?;
    let expires = match text(&body, "expires") {
        "" => Value::Null,
        given if parse_moment(given).is_some() => json!(given),
        given => {
            return Err(Fault::bad_request(format!(
                "body.expires '{given}' is not a date"
            )));
        }
    };
    let mut parts = Vec::new();
    for project in list(&body, "projects") {
        let role = project.get("role").and_then(Value::as_str);
        parts.push((visible(project)?, role.unwrap_or("consumer").to_owned()));
    }
    let mut random = Random::new(accounts.serial + 77);
    let username = format!(
        "{}.{:06x}.mp-service-account",
        text(&body, "username"),
        random.next() >> 40
    );
    let mut account = accounts.made(&username, expires, &asked.now());
    let id = accounts.serial;
    accounts.accounts.put(id, account.clone())?;
    for (project, role) in parts {
        accounts.roles.insert((id, project), role);
    }
    let token = format!("sandbox-{:016x}{:016x}", random.next(), random.next());
    account.insert("token".into(), json!(token));
    Ok(results(201, &Value::Object(account)))
}

/// `GET /organizations/{}/service-accounts/{}`: bare, unlike its siblings.
pub(super) fn get(accounts: &mut Accounts, asked: &Asked<'_>) -> Result<Response, Fault> {
    of_organization(asked)?;
    let account = accounts.existing(asked.id(1)?)?;
    Ok(Response::json(200, &json!(account)))
}

/// `DELETE /organizations/{}/service-accounts/{}`
pub(super) fn delete(accounts: &mut Accounts, asked: &Asked<'_>) -> Result<Response, Fault> {
    of_organization(asked)?;
    let id = asked.id(1)?;
    let account = accounts.existing(id)?;
    if text(account, "username") == asked.account.username {
        return Err(Fault::bad_request("A service account cannot delete itself"));
    }
    accounts.accounts.take(&id);
    accounts.roles.retain(|(account, _), _| *account != id);
    Ok(ok())
}

/// `GET /projects/{}/service-accounts`
pub(super) fn list_project(accounts: &mut Accounts, asked: &Asked<'_>) -> Result<Response, Fault> {
    let project = visible_id(asked.id(0)?)?;
    let members: Vec<Item> = accounts
        .accounts
        .iter()
        .filter_map(|(id, account)| {
            let role = accounts.roles.get(&(*id, project))?;
            let mut member = account.clone();
            member.insert("role".into(), json!(role));
            member.insert("target_type".into(), json!("individual"));
            member.insert("hasSensitiveAccess".into(), json!(false));
            Some(member)
        })
        .collect();
    Ok(results(200, &json!(members)))
}

/// `POST /organizations/{}/service-accounts/add-to-project`: all or nothing.
pub(super) fn add(accounts: &mut Accounts, asked: &Asked<'_>) -> Result<Response, Fault> {
    of_organization(asked)?;
    let body = shape::body(asked.request, ADDITION)?;
    let mut parts = Vec::new();
    for project in list(&body, "projects") {
        let role = project.get("role").and_then(Value::as_str);
        for account in known(accounts, list(&body, "service_account_ids"))? {
            parts.push(((account, visible(project)?), role.unwrap_or_default()));
        }
    }
    for (place, role) in parts {
        accounts.roles.insert(place, role.to_owned());
    }
    Ok(ok())
}

/// `POST /organizations/{}/service-accounts/remove-from-project`: all or nothing.
pub(super) fn remove(accounts: &mut Accounts, asked: &Asked<'_>) -> Result<Response, Fault> {
    of_organization(asked)?;
    let body = shape::body(asked.request, REMOVAL)?;
    let mut parts = Vec::new();
    for project in list(&body, "projects") {
        let ids = project
            .as_object()
            .map(|project| list(project, "service_account_ids"));
        for account in known(accounts, ids.unwrap_or_default())? {
            parts.push((account, visible(project)?));
        }
    }
    for place in parts {
        accounts.roles.remove(&place);
    }
    Ok(ok())
}

/// The ids, if all of them exist.
fn known(accounts: &Accounts, ids: &[Value]) -> Result<Vec<u64>, Fault> {
    ids.iter()
        .map(|id| {
            let id = id.as_u64().unwrap_or_default();
            accounts.existing(id).map(|_| id)
        })
        .collect()
}

fn visible(project: &Value) -> Result<u64, Fault> {
    visible_id(
        project
            .get("id")
            .and_then(Value::as_u64)
            .unwrap_or_default(),
    )
}

fn visible_id(id: u64) -> Result<u64, Fault> {
    match facts(id) {
        Some(facts) => Ok(facts.id),
        None => Err(Fault::forbidden(format!(
            "You do not have access to project {id}"
        ))),
    }
}

fn of_organization(asked: &Asked<'_>) -> Result<(), Fault> {
    if asked.part(0) == ORGANIZATION_ID.to_string() {
        return Ok(());
    }
    Err(Fault::forbidden(format!(
        "You do not have access to organization {}",
        asked.part(0)
    )))
}
