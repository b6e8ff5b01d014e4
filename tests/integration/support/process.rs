//! The built program as a process of its own: which build it is, and a client's talk with it on standard input and output. Over
//! HTTP it is a [`super::Program`].
//!
//! `MIXPANEL_MCP_BINARY` names another build of it to test, such as the static one; then the tests over HTTP, which else start
//! their servers in this process, use that one too.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use super::schema::Conversation;

/// No line and no end takes longer in a test that is in order.
const PATIENCE: Duration = Duration::from_secs(20);

/// The build of the program that was named for the tests, if one was.
pub(crate) fn named_binary() -> Option<OsString> {
    env::var_os("MIXPANEL_MCP_BINARY")
}

/// The program under test: the named build, else the one that was built with these tests.
pub(crate) fn binary() -> OsString {
    named_binary().unwrap_or_else(|| env!("CARGO_BIN_EXE_mixpanel-mcp-server").into())
}

/// A running program with `--stdio`. Killed when dropped.
///
/// Whatever it says is held against the protocol's schemas, where they are at hand.
pub(crate) struct StdioServer {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    log: Option<JoinHandle<String>>,
    conversation: Conversation,
}

impl StdioServer {
    /// Starts it with these flags and variables, and no others.
    #[track_caller]
    pub(crate) fn start(flags: &[&str], variables: &[(&str, &str)]) -> StdioServer {
        let mut child = Command::new(binary())
            .arg("--stdio")
            .args(flags)
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines() {
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        StdioServer {
            stdin: child.stdin.take(),
            child,
            lines,
            log: Some(log),
            conversation: Conversation::at("2025-11-25"),
        }
    }

    /// One on a sandbox of its own.
    pub(crate) fn sandbox() -> StdioServer {
        StdioServer::start(&["--sandbox"], &[])
    }

    /// One whose four APIs are below this URL.
    pub(crate) fn before(upstream: &str) -> StdioServer {
        StdioServer::start_before(upstream, &[])
    }

    /// The same with flags.
    pub(crate) fn start_before(upstream: &str, flags: &[&str]) -> StdioServer {
        let variables = super::server::variables_before(upstream);
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        StdioServer::start(flags, &variables)
    }

    /// Its process.
    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    /// Writes these bytes, whatever they are.
    #[track_caller]
    pub(crate) fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        text.lines().for_each(|line| self.conversation.asked(line));
        stdin.write_all(text.as_bytes()).unwrap();
    }

    /// Sends a message.
    #[track_caller]
    pub(crate) fn send(&mut self, message: &Value) {
        self.write(&format!("{message}\n"));
    }

    /// Sends a request.
    #[track_caller]
    pub(crate) fn ask(&mut self, id: impl Into<Value>, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params}));
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn message(&mut self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line comes");
        self.heard(&line)
    }

    #[track_caller]
    fn heard(&self, line: &str) -> Value {
        let message = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?} is no JSON"));
        self.conversation.heard(&message);
        message
    }

    /// Sends a request and gives the next message, which must answer it.
    #[track_caller]
    pub(crate) fn answer(&mut self, id: impl Into<Value>, method: &str, params: Value) -> Value {
        let id = id.into();
        self.ask(id.clone(), method, params);
        let message = self.message();
        assert_eq!(message["id"], id, "{message}");
        message
    }

    /// Shakes hands.
    #[track_caller]
    pub(crate) fn initialize(&mut self, revision: &str) -> Value {
        self.initialize_with(revision, json!({}))
    }

    /// Shakes hands as a client with these capabilities.
    #[track_caller]
    pub(crate) fn initialize_with(&mut self, revision: &str, capabilities: Value) -> Value {
        let client = json!({"name": "test", "version": "1"});
        let params = json!({"protocolVersion": revision, "capabilities": capabilities, "clientInfo": client});
        let answer = self.answer(0, "initialize", params);
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer["result"].clone()
    }

    /// Closes standard input.
    pub(crate) fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Waits for the end: how the process ended, and the messages and the log up to there.
    #[track_caller]
    pub(crate) fn ended(mut self) -> (ExitStatus, Vec<Value>, String) {
        let mut messages = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => messages.push(self.heard(&line)),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(error) => panic!("standard output stays open: {error}"),
            }
        }
        let status = self.child.wait().unwrap();
        let log = self.log.take().unwrap().join().unwrap();
        (status, messages, log)
    }
}

impl Drop for StdioServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
