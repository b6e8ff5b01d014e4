//! How messages come and go: Streamable HTTP (`/mcp`), HTTP+SSE (`/sse`, `/messages/`) and `/health`; or
//! standard input and output, and then nothing else.
//!
//! **Invariant:** nothing here knows what a message means; [`crate::mcp::service::Service`] says what to do with it.
//!
//! Threads: the `crew` receives requests and runs calls; one heartbeat thread keeps every open stream
//! alive and notices broken ones.

mod access;
mod crew;
mod event_stream;
pub mod gate;
mod health;
mod heartbeat;
mod http;
mod line;
mod routes;
mod sse;
mod stdio;
mod streamable;
mod streams;
mod wire;

pub use access::Access;
pub use health::ask_health;
pub use http::{HttpServer, HttpSettings};
pub use stdio::{Stdio, StdioSettings};
