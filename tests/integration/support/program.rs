//! The built program serving HTTP as a process of its own: its log, its signals, its end.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::process::binary;
use super::server::{TestServer, variables_before};

/// Longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running program. Killed when dropped.
pub(crate) struct Program {
    /// Speaks to it.
    pub(crate) server: TestServer,
    child: Child,
    stdout: Receiver<String>,
    log: Arc<Log>,
    /// Reads the log to its end.
    reading: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

impl Program {
    /// Starts it with these flags and variables, and no others; a port of its own comes by itself.
    #[track_caller]
    pub(crate) fn start(flags: &[&str], variables: &[(&str, &str)]) -> Program {
        let (mut program, stderr) = Program::started(flags, variables);
        let log = program.log.clone();
        let reading = thread::spawn(move || {
            for line in stderr.lines() {
                // What is no text is no line of ours, and a test will miss what it looks for.
                log.push(&line.unwrap_or_default());
            }
        });
        program.reading = Some(reading);
        program
    }

    /// One whose standard error is closed once it listens.
    #[track_caller]
    pub(crate) fn without_log(flags: &[&str], variables: &[(&str, &str)]) -> Program {
        Program::started(flags, variables).0
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
    fn started(flags: &[&str], variables: &[(&str, &str)]) -> (Program, BufReader<ChildStderr>) {
        let mut child = command(flags, variables)
            .args(["--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Log::default());
        let url = loop {
            let mut line = String::new();
            let read = stderr.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "it does not serve: {}", log.lock());
            log.push(line.trim_end());
            if let Some((_, rest)) = line.split_once(" on http://") {
                let address = rest.split(',').next().unwrap();
                break format!("http://{address}");
            }
        };
        let (sender, stdout) = channel();
        let mut output = child.stdout.take().unwrap();
        thread::spawn(move || {
            let mut text = String::new();
            let _ = output.read_to_string(&mut text);
            // Nobody may want to know.
            let _ = sender.send(text);
        });
        let program = Program {
            server: TestServer::at(url),
            child,
            stdout,
            log,
            reading: None,
        };
        (program, stderr)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for a line of the log that contains `text`.
    #[track_caller]
    pub(crate) fn logs(&self, text: &str) {
        let log = self.log.lock();
        let waited = self
            .log
            .grown
            .wait_timeout_while(log, PATIENCE, |log| !log.contains(text));
        let (log, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(log.contains(text), "{text:?} is not in the log: {log}");
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
        let stdout = self.stdout.recv_timeout(PATIENCE).expect("it ends");
        let status = self.child.wait().unwrap();
        if let Some(reading) = self.reading.take() {
            reading.join().unwrap();
        }
        (status, stdout, self.log.lock().clone())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    fn push(&self, line: &str) {
        let mut text = self.lock();
        text.push_str(line);
        text.push('\n');
        self.grown.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
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
