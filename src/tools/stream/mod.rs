//! Events of any number, one after the other, in memory that does not grow with them: what every analysis over a raw
//! export reads.
//!
//! `reading` asks for the days and goes on where an export broke; `event` takes out of a line what is needed and no
//! more, with `scanner`; `seen` knows which events were there before.
//!
//! **Invariant:** each event of the days is given once, or the reading fails.

mod event;
mod reading;
mod scanner;
mod seen;

pub(super) use event::{Event, Wanted};
pub(super) use reading::{Plan, Reading, is_passing, place, read, start_ms};
