//! Who asks, and for which project.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::fault::Fault;
use super::http::Request;
use super::projects::{Facts, facts, facts_of_token};

/// The service account that may do everything: its name and its secret are the same word.
pub const USERNAME: &str = "sandbox";
/// See [`USERNAME`].
pub const SECRET: &str = "sandbox";
/// A second service account that may query but neither import nor see a project's settings.
pub const VIEWER_USERNAME: &str = "viewer";
/// See [`VIEWER_USERNAME`].
pub const VIEWER_SECRET: &str = "viewer";

/// The OAuth token of a person who may ask for the retrieval and deletion of data.
pub const OAUTH_TOKEN: &str = "sandbox-oauth";

/// A project that exists, but in another of Mixpanel's clusters.
const FOREIGN_PROJECT_ID: u64 = 99999;

/// What a service account may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    Admin,
    Viewer,
}

/// A service account that has proved itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    pub(super) username: &'static str,
    pub(super) role: Role,
}

impl Account {
    /// Nobody in particular: who signs with a project's token.
    pub(super) fn of_token() -> Account {
        Account {
            username: "token",
            role: Role::Viewer,
        }
    }
}

/// The name and secret of `Authorization: Basic`.
pub(super) fn basic(request: &Request) -> Option<(String, String)> {
    let (scheme, encoded) = request.authorization.as_deref()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (username, secret) = decoded.split_once(':')?;
    Some((username.to_owned(), secret.to_owned()))
}

/// The service account behind a request.
pub(super) fn account(request: &Request) -> Result<Account, Fault> {
    let (username, secret) = basic(request).ok_or_else(Fault::unauthorized)?;
    match (username.as_str(), secret.as_str()) {
        (USERNAME, SECRET) => Ok(Account {
            username: USERNAME,
            role: Role::Admin,
        }),
        (VIEWER_USERNAME, VIEWER_SECRET) => Ok(Account {
            username: VIEWER_USERNAME,
            role: Role::Viewer,
        }),
        _ => Err(Fault::unauthorized()),
    }
}

/// The person behind a request with an OAuth token, and the project that `token` names.
pub(super) fn person(request: &Request) -> Result<(Account, &'static Facts), Fault> {
    let authorization = request.authorization.as_deref().unwrap_or_default();
    if authorization.strip_prefix("Bearer ") != Some(OAUTH_TOKEN) {
        return Err(Fault::unauthorized());
    }
    let token = request.parameter("token").unwrap_or_default();
    let facts = facts_of_token(token)
        .ok_or_else(|| Fault::forbidden("The token is not that of a project you have access to"))?;
    let account = Account {
        username: "oauth",
        role: Role::Admin,
    };
    Ok((account, facts))
}

/// Who signs with a project's token alone: the token as the name, and no secret.
pub(super) fn project_of_token(request: &Request) -> Option<&'static Facts> {
    let (user, secret) = basic(request)?;
    facts_of_token(&user).filter(|_| secret.is_empty())
}

/// The project that `project_id` names. Service accounts must always name it.
pub(super) fn project(request: &Request) -> Result<&'static Facts, Fault> {
    let text = request.parameter("project_id").ok_or_else(|| {
        Fault::bad_request("project_id is a required parameter for service account authentication")
    })?;
    let id: u64 = text
        .parse()
        .map_err(|_| Fault::bad_request(format!("Invalid project_id: '{text}'")))?;
    if id == FOREIGN_PROJECT_ID {
        return Err(Fault::bad_request(format!(
            "Invalid project id for cluster: {id}"
        )));
    }
    facts(id).ok_or_else(|| {
        Fault::forbidden(format!(
            "The service account does not have access to project {id}"
        ))
    })
}
