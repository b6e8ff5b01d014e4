//! Where goes what is sent with a project's token.

use crate::mcp::args::Id;
use crate::mcp::tool::Failure;
use crate::mixpanel::{ProjectId, Secret};
use crate::tools::ask::Ask;

/// A project's token, and the project in words.
pub(super) struct Destination {
    pub(super) token: Secret,
    pub(super) place: String,
}

impl Destination {
    /// Looks the token up where the settings have none for this project.
    pub(super) fn of(ask: &Ask, project_id: Option<&Id>) -> Result<Destination, Failure> {
        // With a token alone no project need be named.
        let project = ask.project(project_id).ok();
        Ok(Destination {
            token: ask.mixpanel()?.project_token(project.as_ref())?,
            place: place(project.as_ref()),
        })
    }
}

pub(super) fn place(project: Option<&ProjectId>) -> String {
    match project {
        Some(project) => format!("project {project}"),
        None => "the project of the server's token".into(),
    }
}
