//! The App API: who one is, and what the projects are. Much of it is undocumented; the fields are those that clients read.

use serde_json::{Map, Value, json};

use super::access::{Account, Role};
use super::fault::Fault;
use super::holdings::{USER_ID, results};
use super::http::Response;
use super::projects::{Facts, ORGANIZATION_ID, PROJECTS, facts};

const ORGANIZATION: &str = "Sandbox Organization";
/// Values that must never get past the server; recognisable, so that tests can look for them.
const API_KEY: &str = "sandbox-api-key";
const API_SECRET: &str = "sandbox-api-secret";

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Viewer => "consumer",
    }
}

/// `GET /me`: maps by id, as text.
pub(super) fn me(account: Account) -> Response {
    let by_id = |value: fn(&Facts) -> (u64, Value)| -> Map<String, Value> {
        PROJECTS
            .iter()
            .map(value)
            .map(|(id, value)| (id.to_string(), value))
            .collect()
    };
    let mut projects = by_id(|facts| {
        // The id is the key; clients cannot count on it being inside, too.
        let project = json!({
            "name": facts.name,
            "timezone": facts.timezone,
            "organization_id": ORGANIZATION_ID,
            "domain": "mixpanel.com",
            "has_workspaces": true,
            "is_demo": false,
        });
        (facts.id, project)
    });
    for project in projects.values_mut().filter_map(Value::as_object_mut) {
        project.insert("role".into(), json!({"name": role_word(account.role)}));
    }
    let workspaces = by_id(|facts| (facts.workspace_id, workspace(facts)));
    results(
        200,
        &json!({
            "user_id": USER_ID,
            "user_name": account.username,
            "user_email": format!("{}@serviceaccount.example.com", account.username),
            "organizations": {
                ORGANIZATION_ID.to_string(): {
                    "id": ORGANIZATION_ID,
                    "name": ORGANIZATION,
                    "role": role_word(account.role),
                    "is_demo": false,
                },
            },
            "projects": projects,
            "workspaces": workspaces,
        }),
    )
}

fn workspace(facts: &Facts) -> Value {
    json!({
        "id": facts.workspace_id,
        "name": "All Project Data",
        "project_id": facts.id,
        "description": "",
        "is_global": true,
        "is_default": true,
        "is_restricted": false,
    })
}

/// The project that a path names.
pub(super) fn visible(id: &str) -> Result<&'static Facts, Fault> {
    let id: u64 = id
        .parse()
        .map_err(|_| Fault::new(404, format!("Project '{id}' does not exist")))?;
    facts(id).ok_or_else(|| Fault::forbidden(format!("You do not have access to project {id}")))
}

/// `GET /projects/{id}`: for admins, as it holds secrets.
pub(super) fn project(account: Account, id: &str) -> Result<Response, Fault> {
    let facts = visible(id)?;
    if account.role != Role::Admin {
        return Err(Fault::forbidden(
            "You need the role owner or admin to see the project settings",
        ));
    }
    Ok(results(
        200,
        &json!({
            "id": facts.id,
            "name": facts.name,
            "timezone": facts.timezone,
            "organization_id": ORGANIZATION_ID,
            "created": "2026-01-05T08:30:00",
            "domain": "mixpanel.com",
            "token": facts.token,
            "api_key": API_KEY,
            "api_secret": API_SECRET,
            "role": {"name": role_word(account.role)},
        }),
    ))
}

/// `GET /projects/{id}/workspaces/public`
pub(super) fn workspaces(id: &str) -> Result<Response, Fault> {
    Ok(results(200, &json!([workspace(visible(id)?)])))
}
