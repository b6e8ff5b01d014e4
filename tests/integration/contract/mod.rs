//! What Mixpanel documents about requests and answers, as one table, and the check of what was recorded against it.
//!
//! The table holds every documented operation and the three undocumented ones that are used. It is proved against
//! Mixpanel's OpenAPI files where these are at hand. Where those are wrong, an erratum says so: `E..` as Mixpanel's own
//! prose or clients contradict the files, `L..` where the table differs on purpose. About answers the table may want
//! more than the files do, which leave most members out or open: the sandbox is held to it, and Mixpanel is not.

mod answering;
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

pub(crate) use answering::judge;
pub(crate) use checking::check;

/// The ids of the operations that are answered in another way where their request has some parameter.
pub(crate) fn operations_with_a_variant() -> impl Iterator<Item = &'static str> {
    let all = operation::all().filter(|operation| operation.answer_with.is_some());
    all.map(|operation| operation.id)
}

/// Method and path of every operation that wants credentials, `1` for what varies in it, and its id.
pub(crate) fn guarded() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    let all = operation::all().filter(|operation| !operation.auth.is_empty());
    all.map(|operation| {
        let segments = operation.path.split('/');
        let segments = segments.map(|segment| {
            if segment.starts_with('{') {
                "1"
            } else {
                segment
            }
        });
        let path: Vec<&str> = segments.collect();
        let path = format!("{}{}", operation.api.base_path(), path.join("/"));
        (operation.method, path, operation.id)
    })
}

/// The ids of all operations in the table.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    operation::all().map(|operation| operation.id)
}
