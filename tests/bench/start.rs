//! From the start of the process to its first answer.

use std::io;
use std::time::{Duration, Instant};

use super::client::{Client, post};
use super::stand::{Pair, Stand, turns};
use super::table::{Table, beside, middle, millis};

/// One start.
struct Start {
    time: Duration,
    cpu: Duration,
}

/// Starts both sides again and again.
pub(crate) fn start(stand: &Stand, table: &mut Table) -> io::Result<()> {
    let initialize = post(
        "initialize",
        r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}"#,
        "application/json, text/event-stream",
    );
    let mut starts = Pair::default();
    for side in turns(stand.scale.starts) {
        let begun = Instant::now();
        let process = stand.start(side, &[])?;
        Client::connect(process.address()?)?.ask(&initialize)?;
        let start = Start {
            time: begun.elapsed(),
            cpu: process.cpu()?,
        };
        starts.push(side, start);
    }
    let cpu = middle(&starts, |start| millis(start.cpu));
    table.row("CPU ms from the start to the first answer", beside(&cpu));
    let time = middle(&starts, |start| millis(start.time));
    table.row("ms from the start to the first answer", beside(&time));
    Ok(())
}
