//! `make bench`: what the server costs, each figure beside a bare limit that is measured in the same run and in turns with
//! it. Machines differ and are busy at times, so the ratios and the CPU of a request are what counts.
//!
//! It needs Linux, and nothing that is not built with it. The tests run its smallest form, which only proves that it works.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, thread};

mod options;

/// What is measured.
mod export;
mod memory;
mod requests;
mod start;

/// Both sides, and what is around them.
mod bare;
mod process;
mod stand;
mod upstream;

/// How it is measured and told.
mod client;
mod load;
mod table;

use options::{Options, Part};
use stand::Stand;
use table::Table;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> io::Result<()> {
    if bare::run(arguments)? {
        return Ok(());
    }
    match Options::read(arguments).map_err(io::Error::other)? {
        Some(options) => measure(&options),
        None => Ok(()),
    }
}

fn measure(options: &Options) -> io::Result<()> {
    let wants = |part| options.parts.contains(&part);
    let stand = Stand::new(options.scale)?;
    let figures = ["server", "bare", "ratio"];
    let mut rest = Table::new("The rest", &figures);
    let mut costs = Table::new("What one more takes", &figures);
    let mut tables = Vec::new();
    if wants(Part::Requests) {
        tables.push(requests::requests(&stand)?);
    }
    if wants(Part::Slow) {
        requests::slow(&stand, &mut rest)?;
    }
    if wants(Part::Start) {
        start::start(&stand, &mut rest)?;
    }
    if wants(Part::Memory) {
        memory::memory(&stand, &mut rest, &mut costs)?;
    }
    if wants(Part::Streams) {
        requests::streams(&stand, &mut rest, &mut costs)?;
    }
    if wants(Part::Export) {
        export::exports(&stand, &mut rest)?;
    }
    tables.extend([rest, costs]);

    let mut report = format!("{}\n\n", measured(options)?);
    for table in tables.iter().filter(|table| !table.is_empty()) {
        report += &format!("{table}\n");
    }
    if options.is_test {
        return Ok(());
    }
    io::stdout().write_all(report.as_bytes())
}

/// What was measured, and how much.
fn measured(options: &Options) -> io::Result<String> {
    let program = stand::program();
    let program = Path::new(&program);
    let bytes = fs::metadata(program)?.len();
    let cores = thread::available_parallelism()?;
    let scale = &options.scale;
    Ok(format!(
        "{} ({bytes} bytes) on {cores} cores; the median of {} rounds of {} ms, server and bare limit in turns",
        program.display(),
        scale.rounds,
        scale.time.as_millis(),
    ))
}
