//! A Mixpanel in memory, over real HTTP on loopback: the newcomer's backend and the counterpart of the tests.
//!
//! **The server cannot tell it from the real one.** It computes: what is imported shows up in counts,
//! segmentation, retention, funnels, exports and profiles, and it has Mixpanel's shapes, statuses and quirks.
//! It is not a store: nothing outlives the process.
//!
//! Where to begin: `routes` lists every endpoint. A handler is a function of the store and the request.
//!
//! | file | what |
//! | --- | --- |
//! | `server` | the sandbox as its user sees it |
//! | `http` | requests and responses, and the loops that carry them |
//! | `routes`, `access`, `parameters`, `fault` | path to handler, who asks, for what, and the refusals |
//! | `store`, `event`, `packed`, `projects` | what is held, and how compactly |
//! | `time` | days and buckets; `where` and `on` are read by [`crate::mixpanel::expression`] |
//! | `shop`, `catalogue`, `saved`, `random` | the month of data, and the saved funnels, reports and cohorts |
//! | `ingestion`, `record`, `updates`, `export` | events in, profile changes in, events out |
//! | `identity` | which ids are one user |
//! | `counts`, `segmentation`, `retention`, `funnels`, `insights`, `profiles`, `app` | an API area each |
//! | `holdings`, `shelf`, `shape` | what people manage in a project, its limits, and what a body must look like |
//! | `annotations`, `experiments`, `feature_flags` with `evaluation`, `lexicon`, `lookup_tables`, `pipelines`, `privacy`, `service_accounts`, `warehouse` | an area of management each |
//!
//! Two service accounts: `sandbox`/`sandbox` may do everything, `viewer`/`viewer` may query, but neither import
//! nor see a project's settings (403). `sandbox-oauth` is a person's OAuth token. Two projects: the shop (12345) and an empty one (67890). 99999 is a project
//! of another cluster (400), any other id is one without access (403).
//!
//! Known differences: all days are UTC days, whatever the project's time zone; no rate limits are simulated
//! (a full project answers 429); JQL and `behaviors` are refused; service accounts that are made do not sign in;
//! flags know neither cohorts nor events; no warehouse is read and no pipeline writes; lookup tables are joined to nothing;
//! groups are asked for by their key as `data_group_id`; a birth cohort is counted by the first event *in the range*;
//! the month is made at the start and does not go on by itself.

mod access;
mod annotations;
mod app;
mod catalogue;
mod counts;
mod evaluation;
mod event;
mod experiments;
mod export;
mod fault;
mod feature_flags;
mod funnels;
mod holdings;
mod http;
mod identity;
mod ingestion;
mod insights;
mod lexicon;
mod lookup_tables;
mod packed;
mod parameters;
mod pipelines;
mod privacy;
mod profiles;
mod projects;
pub(crate) mod random;
mod record;
mod retention;
mod routes;
#[cfg(test)]
mod sample;
mod saved;
mod segmentation;
mod server;
mod service_accounts;
mod shape;
mod shelf;
mod shop;
mod store;
mod time;
mod updates;
mod warehouse;

pub use access::{OAUTH_TOKEN, SECRET, USERNAME, VIEWER_SECRET, VIEWER_USERNAME};
pub use projects::{EMPTY_PROJECT_ID, PROJECT_ID, PROJECT_TOKEN};
pub use server::Sandbox;
