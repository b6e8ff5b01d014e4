//! Reads the settings, builds the parts, serves until told to stop; or asks whether another one is up.

use std::env;
use std::io::Write as _;
use std::process::ExitCode;

use mixpanel_mcp_server::settings::Command;
use mixpanel_mcp_server::{journal, server, transport};

// musl's own has one lock for all threads.
#[cfg(all(target_env = "musl", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let done = match Command::read(env::args_os().skip(1), |name| env::var_os(name)) {
        Ok(Command::Print(text)) => std::io::stdout()
            .write_all(text.as_bytes())
            .map_err(|error| error.to_string()),
        Ok(Command::Health(address)) => transport::ask_health(address),
        Ok(Command::Serve(settings)) => {
            journal::start(settings.log_level);
            server::run(*settings)
        }
        Err(message) => Err(message),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Not `eprintln!`, which panics where standard error is closed.
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::FAILURE
        }
    }
}
