//! What is measured, and how much of it.

use std::time::Duration;

use lexopt::prelude::*;

/// One of the parts of the benchmark.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Part {
    Requests,
    Slow,
    Start,
    Memory,
    Streams,
    Export,
}

impl Part {
    /// In the order in which they run, with their names on the command line.
    pub(crate) const ALL: [(&str, Part); 6] = [
        ("requests", Part::Requests),
        ("slow", Part::Slow),
        ("start", Part::Start),
        ("memory", Part::Memory),
        ("streams", Part::Streams),
        ("export", Part::Export),
    ];
}

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    /// Each side is measured so often, in turns; the median counts.
    pub(crate) rounds: usize,
    /// A load lasts so long, and so long before it is measured.
    pub(crate) time: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) connections: &'static [usize],
    /// The most connections, for the parts that want many.
    pub(crate) many: usize,
    pub(crate) starts: usize,
    pub(crate) streams: usize,
    /// Events of an export, of 380 bytes.
    pub(crate) events: u64,
    pub(crate) cache_bytes: usize,
}

const FULL: Scale = Scale {
    rounds: 3,
    time: Duration::from_millis(1_500),
    warm_up: Duration::from_millis(300),
    connections: &[1, 16, 64, 256],
    many: 256,
    starts: 21,
    streams: 1_000,
    events: 265_000,
    cache_bytes: 16 * 1024 * 1024,
};

const QUICK: Scale = Scale {
    rounds: 1,
    time: Duration::from_millis(400),
    warm_up: Duration::from_millis(100),
    starts: 5,
    events: 53_000,
    cache_bytes: 4 * 1024 * 1024,
    ..FULL
};

/// Only proves that everything works.
const SMALLEST: Scale = Scale {
    rounds: 1,
    time: Duration::from_millis(20),
    warm_up: Duration::from_millis(5),
    connections: &[1, 4],
    many: 4,
    starts: 1,
    streams: 8,
    events: 1_000,
    cache_bytes: 64 * 1024,
};

/// What the command line asks for.
pub(crate) struct Options {
    pub(crate) scale: Scale,
    pub(crate) parts: Vec<Part>,
    /// Nobody wants to see the figures.
    pub(crate) is_test: bool,
}

impl Options {
    /// Reads the arguments. `None`: another test is asked for.
    ///
    /// Cargo adds `--bench` where a benchmark is asked for. Without it this is one of the tests, which are run in their
    /// smallest form; what else is given then is meant for those of the other files.
    pub(crate) fn read(arguments: &[String]) -> Result<Option<Options>, String> {
        let mut options = Options {
            scale: FULL,
            parts: Part::ALL.map(|(_, part)| part).to_vec(),
            is_test: false,
        };
        if !arguments.iter().any(|argument| argument == "--bench") {
            let is_filtered = arguments.iter().any(|argument| argument != "--quiet");
            options.scale = SMALLEST;
            options.is_test = true;
            return Ok((!is_filtered).then_some(options));
        }
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            match argument {
                Long("bench") => {}
                Long("quick") => options.scale = QUICK,
                Long("only") => {
                    let names = parser.value().and_then(|value| value.string());
                    let names = names.map_err(|error| error.to_string())?;
                    options.parts = names.split(',').map(part).collect::<Result<_, _>>()?;
                }
                other => {
                    return Err(format!(
                        "{}; there are --quick and --only",
                        other.unexpected()
                    ));
                }
            }
        }
        Ok(Some(options))
    }
}

fn part(name: &str) -> Result<Part, String> {
    let known = Part::ALL.iter().find(|(known, _)| *known == name);
    known.map(|(_, part)| *part).ok_or_else(|| {
        let names = Part::ALL.map(|(known, _)| known).join(", ");
        format!("--only: {name:?} is none of {names}")
    })
}
