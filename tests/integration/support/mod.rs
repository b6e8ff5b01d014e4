//! Upstreams that a test puts in Mixpanel's place, on ports that the system picks.

mod answer;
pub(crate) mod process;
pub(crate) mod program;
mod published;
pub(crate) mod recorder;
pub(crate) mod schema;
pub(crate) mod seeded;
pub(crate) mod server;
pub(crate) mod upstream;
mod wire;

pub(crate) use answer::RecordedAnswer;
pub(crate) use process::StdioServer;
pub(crate) use program::Program;
pub(crate) use published::{definition, schema};
pub(crate) use recorder::{Exchange, Recorder};
pub(crate) use seeded::Seeded;
pub(crate) use server::TestServer;
pub(crate) use upstream::{Answer, Ending, Pace, Upstream};
pub(crate) use wire::RecordedRequest;

mod tests;
