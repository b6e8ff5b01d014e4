//! The projects that there are, as far as they never change.

/// What is known of a project and never changes.
pub(super) struct Facts {
    pub(super) id: u64,
    pub(super) name: &'static str,
    pub(super) token: &'static str,
    pub(super) timezone: &'static str,
    pub(super) workspace_id: u64,
}

/// The shop's project id.
pub const PROJECT_ID: u64 = 12345;
/// The shop's project token.
pub const PROJECT_TOKEN: &str = "sandbox";
/// A second project, empty at first.
pub const EMPTY_PROJECT_ID: u64 = 67890;

/// The organization of all projects.
pub(super) const ORGANIZATION_ID: u64 = 500;

pub(super) const PROJECTS: &[Facts] = &[
    Facts {
        id: PROJECT_ID,
        name: "Sandbox Shop",
        token: PROJECT_TOKEN,
        timezone: "UTC",
        workspace_id: 1234500,
    },
    Facts {
        id: EMPTY_PROJECT_ID,
        name: "Sandbox Blog",
        token: "sandbox-blog",
        timezone: "Europe/Berlin",
        workspace_id: 6789000,
    },
];

/// The facts of a visible project.
pub(super) fn facts(id: u64) -> Option<&'static Facts> {
    PROJECTS.iter().find(|facts| facts.id == id)
}

/// The facts of the project that a workspace belongs to.
pub(super) fn facts_of_workspace(id: u64) -> Option<&'static Facts> {
    PROJECTS.iter().find(|facts| facts.workspace_id == id)
}

/// The facts of the project that a token belongs to.
pub(super) fn facts_of_token(token: &str) -> Option<&'static Facts> {
    PROJECTS.iter().find(|facts| facts.token == token)
}
