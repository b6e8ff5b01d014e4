//! A measured program: a process of its own, of which the system tells CPU time and memory. Killed when dropped.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// What a pipe holds.
const LOG_BYTES: usize = 64 * 1024;
/// Shorter than any program here takes to fill a pipe.
const LOG_PAUSE: Duration = Duration::from_millis(10);

/// A running program.
pub(crate) struct Process {
    child: Child,
    clock: ClockId,
    told: String,
}

impl Process {
    /// Starts a program and waits for the line on standard error that has `mark` in it.
    pub(crate) fn start(command: &mut Command, mark: &str) -> io::Result<Process> {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                io::Error::other(format!("{}: {error}", command.get_program().display()))
            })?;
        let id = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        let mut process = Process {
            child,
            clock: clock_getcpuclockid(id)?,
            told: String::new(),
        };
        let log = process.child.stderr.take();
        let mut log = BufReader::new(log.ok_or_else(|| io::Error::other("there is no log"))?);
        let mut said = String::new();
        while process.told.is_empty() {
            let begin = said.len();
            if log.read_line(&mut said)? == 0 {
                let text = format!("it ended without {mark:?}: {said}");
                return Err(io::Error::other(text));
            }
            if let Some((_, rest)) = said[begin..].split_once(mark) {
                process.told = rest.trim_end().to_owned();
            }
        }
        thread::spawn(move || drain(log.get_mut()));
        Ok(process)
    }

    /// What stood behind the mark.
    pub(crate) fn told(&self) -> &str {
        &self.told
    }

    /// Where it listens, if that is what it told up to a comma.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        let address = self.told.split(',').next().unwrap_or_default();
        address.parse().map_err(io::Error::other)
    }

    /// What it has used so far, threads that have ended included.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        Ok(clock_gettime(self.clock)?.into())
    }

    /// Bytes of memory that it has resident.
    pub(crate) fn resident(&self) -> io::Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most that it has had resident so far, in bytes.
    pub(crate) fn peak(&self) -> io::Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB"))
            .and_then(|kilobytes| kilobytes.parse::<u64>().ok())
            .map(|kilobytes| kilobytes * 1024)
            .ok_or_else(|| io::Error::other(format!("the system does not tell {field}")))
    }
}

/// Takes what is written, as a full pipe would stop the program: now and then, as waiting for it would make each line of
/// the log wake a thread, which the program pays for.
fn drain(log: &mut impl Read) {
    let mut buffer = vec![0; LOG_BYTES];
    while matches!(log.read(&mut buffer), Ok(1..)) {
        thread::sleep(LOG_PAUSE);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
