//! Requests a second, their time and their CPU, beside the bare limit: at several numbers of connections, before a slow
//! upstream, and beside open event streams.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use memchr::memmem;

use super::load::{Crowd, Measured};
use super::process::Process;
use super::stand::{Pair, Stand, turn, turns};
use super::table::{Table, beside, figure, mebibytes, micros, middle, millis};

const SLOW: Duration = Duration::from_millis(100);
/// Callers beside the event streams.
const CALLERS: usize = 16;
/// Connections beside the streams: the callers', and those that the server has not yet seen closing.
const OTHERS_MAX: usize = 4 * CALLERS;
/// Until a stream says where to post.
const STREAM_HEAD_BYTES_MAX: usize = 4 * 1024;

/// One line of the table.
struct Cell<'a> {
    name: &'static str,
    request: &'a [u8],
    connections: usize,
    measured: Pair<Vec<Measured>>,
}

/// Every request at every number of connections.
pub(crate) fn requests(stand: &Stand) -> io::Result<Table> {
    let requests = &stand.requests;
    let named = [
        ("ping", &requests.ping),
        ("tools/list", &requests.list),
        ("tools/call", &requests.call),
    ];
    let mut cells = Vec::new();
    for (name, request) in named {
        for connections in stand.scale.connections {
            cells.push(Cell {
                name,
                request,
                connections: *connections,
                measured: Pair::default(),
            });
        }
    }
    let processes = stand.start_both(&[])?;
    for round in 0..stand.scale.rounds {
        for cell in &mut cells {
            for side in turn(round) {
                let process = processes.of(side);
                let measured = load(stand, process, cell.request, cell.connections)?;
                cell.measured.push(side, measured);
            }
        }
    }

    let mut table = Table::new(
        "Requests",
        &[
            "CPU µs",
            "bare",
            "ratio",
            "requests/s",
            "bare",
            "ratio",
            "p50 ms",
            "bare",
            "p99 ms",
            "bare",
        ],
    );
    for cell in &cells {
        let name = format!("{}, {}", cell.name, connections(cell.connections));
        table.row(&name, figures(&cell.measured));
    }
    Ok(table)
}

/// Calls whose upstream answers late.
pub(crate) fn slow(stand: &Stand, table: &mut Table) -> io::Result<()> {
    let processes = stand.start_both(&[])?;
    let mut measured = Pair::default();
    stand.upstream.delay(SLOW);
    for side in turns(stand.scale.rounds) {
        let process = processes.of(side);
        let figures = load(stand, process, &stand.requests.call, stand.scale.many)?;
        measured.push(side, figures);
    }
    stand.upstream.delay(Duration::ZERO);
    let place = format!(
        "{}, upstream +{} ms",
        connections(stand.scale.many),
        SLOW.as_millis()
    );
    let rate = middle(&measured, |measured| measured.rate);
    table.row(&format!("calls/s, {place}"), beside(&rate));
    let cpu = middle(&measured, |measured| micros(measured.cpu));
    table.row(&format!("CPU µs a call, {place}"), beside(&cpu));
    let p99 = middle(&measured, |measured| millis(measured.p99));
    table.row(&format!("p99 ms, {place}"), beside(&p99));
    Ok(())
}

/// What open event streams take, and what they do to calls.
pub(crate) fn streams(stand: &Stand, table: &mut Table, costs: &mut Table) -> io::Result<()> {
    let number = stand.scale.streams;
    let (streams, all) = (number.to_string(), (number + OTHERS_MAX).to_string());
    let processes = stand.start_both(&["--streams", &streams, "--connections", &all])?;
    let mut open = Vec::with_capacity(2 * number);
    let mut resident = Pair::default();
    let mut cost = Pair::default();
    for side in turn(0) {
        let process = processes.of(side);
        let address = process.address()?;
        drop(Crowd::connect(address, 1, &stand.requests.ping)?);
        let before = process.resident()?;
        for _ in 0..number {
            open.push(event_stream(address)?);
        }
        let after = process.resident()?;
        resident.push(side, after as f64);
        cost.push(side, after.saturating_sub(before) as f64 / number as f64);
    }
    let mut measured = Pair::default();
    for side in turns(stand.scale.rounds) {
        let process = processes.of(side);
        let figures = load(stand, process, &stand.requests.call, CALLERS)?;
        measured.push(side, figures);
    }
    drop(open);
    let place = format!("{number} idle event streams");
    let resident = middle(&resident, |bytes| mebibytes(*bytes));
    table.row(&format!("RSS MiB, {place}"), beside(&resident));
    let beside_calls = format!("tools/call, {}, beside {place}", connections(CALLERS));
    let cpu = middle(&measured, |measured| micros(measured.cpu));
    table.row(&format!("CPU µs a {beside_calls}"), beside(&cpu));
    let p99 = middle(&measured, |measured| millis(measured.p99));
    table.row(&format!("p99 ms of {beside_calls}"), beside(&p99));
    let cost = middle(&cost, |bytes| bytes / 1024.0);
    costs.row("KiB an idle event stream", beside(&cost));
    Ok(())
}

/// Connects so many, loads the process with one request, and sees to it that calls, and nothing else, reached the upstream.
fn load(
    stand: &Stand,
    process: &Process,
    request: &[u8],
    connections: usize,
) -> io::Result<Measured> {
    let mut crowd = Crowd::connect(process.address()?, connections, &stand.requests.ping)?;
    let asked = stand.upstream.asked();
    let measured = crowd.load(process, request, stand.scale.warm_up, stand.scale.time)?;
    let asked = stand.upstream.asked() - asked;
    let expected = if request == stand.requests.call {
        measured.answers
    } else {
        0
    };
    if asked != expected {
        let text = format!("the upstream was asked {asked} times, not {expected}");
        return Err(io::Error::other(text));
    }
    Ok(measured)
}

/// Opens an event stream and waits for its first event.
fn event_stream(address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream
        .write_all(b"GET /sse HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n")?;
    let mut head = [0; STREAM_HEAD_BYTES_MAX];
    let mut filled = 0;
    while memmem::find(&head[..filled], b"event: endpoint").is_none() {
        match stream.read(&mut head[filled..])? {
            0 => {
                let head = String::from_utf8_lossy(&head[..filled]);
                return Err(io::Error::other(format!("no event stream: {head}")));
            }
            count => filled += count,
        }
    }
    Ok(stream)
}

fn figures(measured: &Pair<Vec<Measured>>) -> Vec<String> {
    let cpu = middle(measured, |measured| micros(measured.cpu));
    let rate = middle(measured, |measured| measured.rate);
    let p50 = middle(measured, |measured| millis(measured.p50));
    let p99 = middle(measured, |measured| millis(measured.p99));
    let mut figures = Vec::new();
    figures.extend(beside(&cpu));
    figures.extend(beside(&rate));
    figures.extend([p50.server, p50.bare, p99.server, p99.bare].map(figure));
    figures
}

fn connections(number: usize) -> String {
    match number {
        1 => "1 connection".into(),
        _ => format!("{number} connections"),
    }
}
