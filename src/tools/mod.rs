//! What a model can call: one file a toolset, a tool is a row of data and a function. Beside the tools: resources,
//! prompts and completions, which are made of them.
//!
//! **Invariant:** a handler sees only arguments that passed their shape, and never builds JSON-RPC.
//!
//! To add a tool: write its `args!` struct, its row and its function in the toolset's file; a test that calls
//! it in `tests/integration/<toolset>.rs`; then `make docs`, which renews the README's table and the snapshots.

mod analysis;
mod annotations;
mod application;
mod ask;
mod completions;
mod dates;
mod events;
mod experiments;
mod explore;
mod feature_flags;
mod frame;
mod ingest;
mod lexicon;
mod lookup_tables;
mod nearest;
mod offer;
mod pipelines;
mod privacy;
mod profiles;
mod projects;
mod prompts;
mod reports;
mod resources;
mod service_accounts;
mod stream;
mod warehouse;
mod workspace;

pub use application::MixpanelApplication;
pub use ask::Ask;
pub use offer::{Offer, listing};

use crate::mcp::tool::Tool;

/// A group of tools that are switched on and off together.
pub struct Toolset {
    /// Its name in settings.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// Whether it is on where nothing is said.
    pub default: bool,
    /// Its tools, in the order in which they are listed.
    pub tools: &'static [Tool<Ask>],
}

/// Every toolset, in the order in which their tools are listed. The first tool of all is a cheap reading one:
/// clients and test suites call it to see whether a server works.
pub const TOOLSETS: &[Toolset] = &[
    Toolset {
        name: "projects",
        about: "which projects there are",
        default: true,
        tools: projects::TOOLS,
    },
    Toolset {
        name: "events",
        about: "which events there are, how often they come, raw events",
        default: true,
        tools: events::TOOLS,
    },
    Toolset {
        name: "reports",
        about: "segmentation, retention, frequency, funnels, saved reports",
        default: true,
        tools: reports::TOOLS,
    },
    Toolset {
        name: "profiles",
        about: "single users and what they did",
        default: true,
        tools: profiles::TOOLS,
    },
    Toolset {
        name: "analysis",
        about: "what the query API cannot answer, from one raw export",
        // The four take as much of a model's context as nine others.
        default: false,
        tools: analysis::TOOLS,
    },
    Toolset {
        name: "ingest",
        about: "events and profiles go in",
        default: true,
        tools: ingest::TOOLS,
    },
    Toolset {
        name: "people",
        about: "profiles by the batch and of groups, which ids are one person",
        default: false,
        tools: ingest::PEOPLE,
    },
    Toolset {
        name: "annotations",
        about: "notes at moments of charts, and their tags",
        default: false,
        tools: annotations::TOOLS,
    },
    Toolset {
        name: "lexicon",
        about: "what events and profiles mean, by their schemas",
        default: false,
        tools: lexicon::TOOLS,
    },
    Toolset {
        name: "lookup_tables",
        about: "CSV that joins properties to events and profiles",
        default: false,
        tools: lookup_tables::TOOLS,
    },
    Toolset {
        name: "explore",
        about: "workspaces, cohorts, profiles of many users, values of a property, scripts",
        default: false,
        tools: explore::TOOLS,
    },
    Toolset {
        name: "feature_flags",
        about: "which variants users get: flags, their rules, what they decide",
        default: false,
        tools: feature_flags::TOOLS,
    },
    Toolset {
        name: "experiments",
        about: "what is tried on users, from draft to decision",
        default: false,
        tools: experiments::TOOLS,
    },
    Toolset {
        name: "privacy",
        about: "users' data are retrieved or deleted, for GDPR and CCPA; needs an OAuth token",
        default: false,
        tools: privacy::TOOLS,
    },
    Toolset {
        name: "service_accounts",
        about: "who signs in beside people, and in which projects",
        default: false,
        tools: service_accounts::TOOLS,
    },
    Toolset {
        name: "warehouse",
        about: "imports from data warehouses",
        default: false,
        tools: warehouse::TOOLS,
    },
    Toolset {
        name: "pipelines",
        about: "exports to storage and warehouses, which Mixpanel has deprecated",
        default: false,
        tools: pipelines::TOOLS,
    },
];

/// Every tool, in the order in which they are listed.
pub fn all() -> impl Iterator<Item = &'static Tool<Ask>> {
    TOOLSETS.iter().flat_map(|toolset| toolset.tools)
}

/// The tool of this name.
fn named(name: &str) -> Option<&'static Tool<Ask>> {
    all().find(|tool| tool.name == name)
}
