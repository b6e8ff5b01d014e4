//! Drives the server from outside. One file per behaviour; all in one binary, so they link once.

#![allow(clippy::unwrap_used, missing_docs)]

/// What Mixpanel documents, as data, and the check of a request against it.
mod contract;
/// Upstreams for tests: one that records, one that misbehaves.
mod support;

/// Who may come in.
mod access;
mod analysis;
mod annotations;
mod cache;
mod calls;
mod credentials;
mod dry_run;
mod ending;
mod events;
mod experiments;
mod explore;
mod failures;
mod feature_flags;
mod gate;
mod generated;
mod import;
mod ingest;
mod lexicon;
mod limits;
mod load;
mod lookup_tables;
mod operations;
mod people;
mod pipelines;
mod privacy;
mod profiles;
mod program;
mod projects;
mod prompts;
/// Every revision of the protocol.
mod protocol;
mod quota;
mod reports;
mod resources;
mod secrets;
mod service_accounts;
mod stdio;
mod table;
mod time;
mod toolsets;
mod transports;
mod warehouse;
