//! What Mixpanel documents about requests, as one table, and the check of a recorded request against it.
//!
//! The table holds every documented operation and the three undocumented ones that are used. It is proved against
//! Mixpanel's OpenAPI files where these are at hand. Where those are wrong, an erratum says so: `E..` as Mixpanel's own
//! prose or clients contradict the files, `L..` where the table is stricter on purpose. Only requests are here; what
//! Mixpanel answers is for the sandbox.

mod app;
mod checking;
mod data;
mod errata;
mod examples;
mod expression;
mod flags;
mod ingestion;
mod kind;
mod openapi;
mod operation;
mod practice;
mod query;
mod warehouse;

pub(crate) use checking::{check, operation_of};

/// The ids of all operations in the table.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    operation::all().map(|operation| operation.id)
}
