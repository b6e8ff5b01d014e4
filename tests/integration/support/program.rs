//! The built program serving HTTP as a process of its own: its log, its signals, its memory, its end.

use std::io::{BufRead as _, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::process::binary;
use super::server::{TestServer, variables_before};

/// Longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// What stands before the address in the line that says that it serves.
const ADDRESS: &str = " on http://";

/// A running program. Killed when dropped, and when the tests end.
pub(crate) struct Program {
    /// Speaks to it.
    pub(crate) server: TestServer,
    child: Child,
    /// Not longer than the child's number is its own.
    watch: Option<Watch>,
    stdout: Arc<Log>,
    log: Arc<Log>,
}

/// Kills a process when the tests end: a server that tests share is never dropped.
struct Watch(Child);

/// What was said on standard output or standard error.
#[derive(Default)]
struct Log {
    said: Mutex<Said>,
    grown: Condvar,
}

#[derive(Default)]
struct Said {
    text: String,
    /// No more comes.
    is_whole: bool,
}

impl Program {
    /// Starts it with these flags and variables, and no others; a port of its own comes by itself. Its log must tell which,
    /// so its level is `info` or `debug`.
    #[track_caller]
    pub(crate) fn start(flags: &[&str], variables: &[(&str, &str)]) -> Program {
        Program::started(flags, variables, Log::read)
    }

    /// One whose standard error is closed once it listens.
    #[track_caller]
    pub(crate) fn without_log(flags: &[&str], variables: &[(&str, &str)]) -> Program {
        Program::started(flags, variables, Log::read_to_address)
    }

    /// One whose four APIs are below this URL.
    #[track_caller]
    pub(crate) fn before(upstream: &str, flags: &[&str]) -> Program {
        let variables = variables_before(upstream);
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        Program::start(flags, &variables)
    }

    /// Runs it to its end, which must come by itself.
    pub(crate) fn run(flags: &[&str], variables: &[(&str, &str)]) -> Output {
        command(flags, variables).output().unwrap()
    }

    #[track_caller]
    fn started(
        flags: &[&str],
        variables: &[(&str, &str)],
        read: fn(&Log, BufReader<ChildStderr>),
    ) -> Program {
        let mut child = command(flags, variables)
            .args(["--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let watch = Some(Watch::over(&child));
        let stdout = Log::of(child.stdout.take().unwrap(), Log::read);
        let log = Log::of(child.stderr.take().unwrap(), read);
        // Before anything can fail, so that the process is killed then too.
        let mut program = Program {
            server: TestServer::at(String::new()),
            child,
            watch,
            stdout,
            log,
        };
        let said = program.log.wait_for(ADDRESS);
        let address = said.text.split_once(ADDRESS).map(|(_, rest)| rest);
        let Some(address) = address.and_then(|rest| rest.split(',').next()) else {
            panic!("it does not serve: {}", said.text)
        };
        let url = format!("http://{address}");
        drop(said);
        program.server = TestServer::at(url);
        program
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for a line of the log that contains `text`.
    #[track_caller]
    pub(crate) fn logs(&self, text: &str) {
        let said = self.log.wait_for(text);
        let log = &said.text;
        assert!(log.contains(text), "{text:?} is not in the log: {log}");
    }

    /// The most memory that it has had resident so far, in bytes.
    #[track_caller]
    pub(crate) fn peak_bytes(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kilobytes.unwrap().trim().parse::<u64>().unwrap() * 1024
    }

    /// Waits until it lets nobody in any more.
    #[track_caller]
    pub(crate) fn refuses_connections(&self) {
        let url = self.server.url();
        let address = url.strip_prefix("http://").unwrap();
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_ok() {
            assert!(Instant::now() < deadline, "it still listens");
            thread::yield_now();
        }
    }

    /// Whether it has ended by now.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end: how it came, what was written to standard output, and the log.
    #[track_caller]
    pub(crate) fn ended(mut self) -> (ExitStatus, String, String) {
        let stdout = self.stdout.whole();
        assert!(stdout.is_whole, "it does not end: {}", stdout.text);
        let stdout = stdout.text.clone();
        self.watch = None;
        let status = self.child.wait().unwrap();
        let log = self.log.whole();
        assert!(log.is_whole, "standard error stays open: {}", log.text);
        (status, stdout, log.text.clone())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.watch = None;
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Watch {
    fn over(child: &Child) -> Watch {
        let watch = Command::new("/bin/sh")
            .args(["-c", "read -r _; kill -KILL $1", "watch"])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Watch(watch.unwrap())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Before its input is closed, at which it kills.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Log {
    fn of<R: Read + Send + 'static>(stream: R, read: fn(&Log, BufReader<R>)) -> Arc<Log> {
        let log = Arc::new(Log::default());
        let reading = log.clone();
        thread::spawn(move || {
            read(&reading, BufReader::new(stream));
            reading.lock().is_whole = true;
            reading.grown.notify_all();
        });
        log
    }

    fn read<R: Read>(&self, stream: BufReader<R>) {
        for line in stream.lines() {
            // What is no text is no line of ours, and a test will miss what it looks for.
            self.push(&line.unwrap_or_default());
        }
    }

    fn read_to_address(&self, stderr: BufReader<ChildStderr>) {
        let mut lines = stderr.lines().map(Result::unwrap_or_default);
        let is_last = |line: &String| {
            self.push(line);
            line.contains(ADDRESS)
        };
        lines.find(is_last);
    }

    fn push(&self, line: &str) {
        let mut said = self.lock();
        said.text.push_str(line);
        said.text.push('\n');
        self.grown.notify_all();
    }

    /// Waits until a line with `text` has come whole, or none can come any more.
    fn wait_for(&self, text: &str) -> MutexGuard<'_, Said> {
        self.wait_while(|said| !said.is_whole && !said.text.contains(text))
    }

    /// Waits until no line can come any more.
    fn whole(&self) -> MutexGuard<'_, Said> {
        self.wait_while(|said| !said.is_whole)
    }

    fn wait_while(&self, lacks: impl Fn(&Said) -> bool) -> MutexGuard<'_, Said> {
        let grown = &self.grown;
        let waited = grown.wait_timeout_while(self.lock(), PATIENCE, |said| lacks(said));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn command(flags: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(flags)
        .env_clear()
        .envs(variables.iter().copied());
    command
}

#[test]
fn a_program_that_nobody_drops_is_killed_when_the_tests_end() {
    let mut program = Program::start(&["--sandbox"], &[]);
    // As the system closes it when this process ends.
    drop(program.watch.as_mut().unwrap().0.stdin.take());
    let (status, _, log) = program.ended();
    assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{log}");
}
