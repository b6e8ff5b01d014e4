//! A Model Context Protocol server for Mixpanel.
//!
//! A request comes in by a transport, is understood as MCP, runs a tool, and the tool asks Mixpanel.
//! Each room knows only the next: **transport → mcp → tools → mixpanel**.
//!
//! # Where to begin
//!
//! - `main.rs` names all the parts.
//! - [`tools`] has one file a toolset; a tool is a row of data and a function. To add one, begin there.
//! - [`mcp`] lists the methods that are answered.
//!
//! # The rooms, and what stays true in each
//!
//! | room | purpose | invariant |
//! | --- | --- | --- |
//! | [`server`] | joins the parts | nothing is decided there |
//! | [`settings`] | every flag and variable, read once | after it nothing looks at the environment |
//! | [`journal`] | the log | no secret is in it; nothing can end the server through it |
//! | [`transport`] | how messages come and go | nothing there knows what a message means |
//! | [`mcp`] | JSON-RPC, the revisions, the shape of a tool | only it knows that there is more than one revision; nothing in it knows Mixpanel |
//! | [`tools`] | what a model can call | a handler sees only arguments that passed their shape, and never builds JSON-RPC |
//! | [`mixpanel`] | four clients over one `http.rs` | only `http.rs` opens connections, retries, or reads a status code |
//! | [`sandbox`] | a Mixpanel in memory, on loopback | the server cannot tell it from the real one |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::print_stdout))]

pub mod journal;
pub mod mcp;
pub mod mixpanel;
pub mod sandbox;
pub mod server;
pub mod settings;
pub mod tools;
pub mod transport;
