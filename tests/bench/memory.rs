//! Resident memory: at rest, under load, and what one more of something adds to it.

use std::io;
use std::time::Duration;

use super::client::Client;
use super::load::Crowd;
use super::stand::{Pair, Side, Stand, call, server, turn};
use super::table::{NONE, Table, beside, figure, mebibytes, middle};

/// Long enough that all callers wait at once.
const DELAY: Duration = Duration::from_millis(50);
const FIRST_PROJECT: usize = 100_000;

/// What one side takes, in bytes.
struct Memory {
    idle: f64,
    /// With all connections open, each having asked once.
    connected: f64,
    /// After all of them have called at once.
    called: f64,
    /// After calls at full speed.
    loaded: f64,
    peak: f64,
}

/// Measures both sides.
pub(crate) fn memory(stand: &Stand, table: &mut Table, costs: &mut Table) -> io::Result<()> {
    let number = stand.scale.many;
    let mut measured = Pair::default();
    for side in turn(0) {
        measured.push(side, of(stand, side)?);
    }
    let place = format!("{number} connections");
    let idle = middle(&measured, |memory| mebibytes(memory.idle));
    table.row("RSS MiB, idle", beside(&idle));
    let loaded = middle(&measured, |memory| mebibytes(memory.loaded));
    table.row(&format!("RSS MiB, tools/call at {place}"), beside(&loaded));
    let peak = middle(&measured, |memory| mebibytes(memory.peak));
    table.row(
        &format!("peak RSS MiB, tools/call at {place}"),
        beside(&peak),
    );

    let kibibytes = |bytes: f64| bytes / 1024.0 / number as f64;
    let connection = middle(&measured, |memory| {
        kibibytes(memory.connected - memory.idle)
    });
    costs.row("KiB an idle connection", beside(&connection));
    let worker = middle(&measured, |memory| {
        kibibytes(memory.called - memory.connected)
    });
    costs.row(
        "KiB a call that has run at the same time as the others: its worker, its upstream connection",
        beside(&worker),
    );
    let cached = filled(stand, stand.scale.cache_bytes)? - filled(stand, 0)?;
    costs.row(
        "bytes a cached byte",
        [
            figure(cached / stand.scale.cache_bytes as f64),
            NONE.into(),
            NONE.into(),
        ],
    );
    Ok(())
}

fn of(stand: &Stand, side: Side) -> io::Result<Memory> {
    let requests = &stand.requests;
    let process = stand.start(side, &[])?;
    let address = process.address()?;
    drop(Crowd::connect(address, 1, &requests.ping)?);
    let idle = process.resident()?;
    let mut crowd = Crowd::connect(address, stand.scale.many, &requests.ping)?;
    let connected = process.resident()?;
    stand.upstream.delay(DELAY);
    crowd.load(
        &process,
        &requests.call,
        stand.scale.warm_up,
        stand.scale.time,
    )?;
    stand.upstream.delay(Duration::ZERO);
    let called = process.resident()?;
    crowd.load(
        &process,
        &requests.call,
        stand.scale.warm_up,
        stand.scale.time,
    )?;
    Ok(Memory {
        idle: idle as f64,
        connected: connected as f64,
        called: called as f64,
        loaded: process.resident()? as f64,
        peak: process.peak()? as f64,
    })
}

/// The server's resident bytes after calls that fill the cache, which may hold so much. What is kept of an answer is more
/// than its bytes, as its question is kept, too.
fn filled(stand: &Stand, cache_bytes: usize) -> io::Result<f64> {
    let bytes = cache_bytes.to_string();
    let variables = [
        ("MIXPANEL_CACHE_BYTES", bytes.as_str()),
        ("MIXPANEL_CACHE_SECONDS", "86400"),
    ];
    let process = server(stand.upstream.address, &[], &variables)?;
    let mut client = Client::connect(process.address()?)?;
    let answer_bytes = super::upstream::top_events().len();
    for number in 0..stand.scale.cache_bytes / answer_bytes {
        let project = FIRST_PROJECT + number;
        let arguments = format!(r#"{{"limit":30,"project_id":"{project}"}}"#);
        client.ask(&call(&arguments))?;
    }
    Ok(process.resident()? as f64)
}
