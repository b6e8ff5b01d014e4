//! The log: lines on standard error, with the time in UTC. A closed standard error is nobody's end.

use std::io::Write as _;
use std::panic;

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Journal;

/// Begins to log, lines of `level` and graver.
pub fn start(level: LevelFilter) {
    // Only fails if there is a log already, as in a test that starts two servers.
    if log::set_logger(&Journal).is_ok() {
        log::set_max_level(level);
    }
    // A panic's message may repeat what a request brought, so only its place is told.
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        log::error!("a fault of the server at {place}");
    }));
}

impl Log for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries tell of bytes and headers at their lower levels, and those may be secret.
        metadata.level() <= Level::Warn || metadata.target().starts_with("mixpanel_mcp_server")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let now = jiff::Timestamp::now();
        // One write, so that lines of several threads do not mix; line breaks would make false lines.
        let line = record.args().to_string().replace(['\n', '\r'], " ");
        let line = format!("{now:.3} {} {line}\n", record.level());
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}
