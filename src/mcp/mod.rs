//! The Model Context Protocol: JSON-RPC, the five revisions, dispatch, progress and cancellation, questions to the
//! client, and the [`tool::Tool`] type with its shapes.
//!
//! **Invariant:** only this room knows that there is more than one revision; nothing here knows Mixpanel.
//! A transport hands each message to [`service::Service::receive`] and is told what to do with it
//! ([`service::Reception`]); what the server offers is an [`application::Application`].

pub mod application;
pub mod args;
pub mod call;
pub mod consent;
pub mod data;
pub mod day;
pub mod dialog;
pub mod era;
mod handshake;
pub mod headers;
pub mod jsonrpc;
pub mod methods;
mod mirrored;
mod object;
mod questions;
pub mod result;
pub mod revision;
pub mod room;
mod rounds;
pub mod running;
pub mod service;
pub mod sessions;
pub mod shape;
mod standing;
pub mod tool;
