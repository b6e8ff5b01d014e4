//! One call that reads a whole export, beside a reader of it on one core that must read the name of each event.

use std::io;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::bare::READ;
use super::client::{Client, body, post};
use super::stand::{Pair, Side, Stand, reader, server, turns};
use super::table::{Table, beside, mebibytes, micros, middle};
use super::upstream::{EXPORT_DAYS, Upstream, export};

/// One reading of an export.
struct Reading {
    time: Duration,
    cpu: Duration,
    peak: f64,
}

/// Measures both sides, each round with new processes.
pub(crate) fn exports(stand: &Stand, table: &mut Table) -> io::Result<()> {
    let events = stand.scale.events;
    let (answer, bytes) = export(events);
    let upstream = Upstream::start(answer)?;
    let mut measured = Pair::default();
    for side in turns(stand.scale.rounds) {
        let reading = match side {
            Side::Server => call(&upstream, events)?,
            Side::Bare => bare(&upstream, events, bytes)?,
        };
        measured.push(side, reading);
    }
    let megabytes = bytes as f64 / 1e6;
    let place = format!("export of {megabytes:.0} MB");
    let rate = middle(&measured, |reading| megabytes / reading.time.as_secs_f64());
    table.row(&format!("MB/s, {place}"), beside(&rate));
    let cpu = middle(&measured, |reading| micros(reading.cpu) / megabytes);
    table.row(&format!("CPU µs a MB, {place}"), beside(&cpu));
    let peak = middle(&measured, |reading| mebibytes(reading.peak));
    table.row(&format!("peak RSS MiB, {place}"), beside(&peak));
    Ok(())
}

/// One call of the server.
fn call(upstream: &Upstream, events: u64) -> io::Result<Reading> {
    let params = format!(
        r#"{{"name":"mixpanel_count_events_by","arguments":{{"from_date":"2024-01-01","to_date":"2024-01-{EXPORT_DAYS:02}"}}}}"#
    );
    // Who takes no event stream gets a plain answer, however long it lasts.
    let request = post("tools/call", &params, "application/json");
    let process = server(upstream.address, &["--toolsets", "analysis"], &[])?;
    let mut client = Client::connect(process.address()?)?;
    let before = process.cpu()?;
    let begun = Instant::now();
    let answer = client.ask(&request)?;
    let time = begun.elapsed();
    let cpu = process.cpu()? - before;
    let told: Value = serde_json::from_slice(body(answer))?;
    let read = &told["result"]["structuredContent"]["read"]["events"];
    same("events", read.as_u64().unwrap_or_default(), events)?;
    Ok(Reading {
        time,
        cpu,
        peak: process.peak()? as f64,
    })
}

/// The bare reader.
fn bare(upstream: &Upstream, events: u64, bytes: usize) -> io::Result<Reading> {
    let process = reader(upstream.address)?;
    let cpu = process.cpu()?;
    let told: Vec<u64> = process
        .told()
        .split(' ')
        .filter_map(|number| number.parse().ok())
        .collect();
    let [read, read_bytes, nanos] = told[..] else {
        let text = format!("{READ}{}", process.told());
        return Err(io::Error::other(text));
    };
    same("events", read, events)?;
    same("bytes", read_bytes, bytes as u64)?;
    Ok(Reading {
        time: Duration::from_nanos(nanos),
        cpu,
        peak: process.peak()? as f64,
    })
}

fn same(what: &str, read: u64, expected: u64) -> io::Result<()> {
    if read == expected {
        return Ok(());
    }
    let text = format!("{read} {what} were read, not {expected}");
    Err(io::Error::other(text))
}
