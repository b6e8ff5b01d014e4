//! A Mixpanel that gives the answers it was told, in turn, and notes what it was asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use jiff::civil::date;

use crate::mixpanel::{
    BaseUrls, Clients, Config, DateRange, Mixpanel, ProjectId, Secret, ServiceAccount, Stop,
    Timeouts,
};

/// No test waits longer for what must happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What a server does with one request.
pub(super) enum Act {
    /// Writes the bytes and keeps the connection for the next request.
    Answer(Vec<u8>),
    /// Writes the bytes when it is told to, and keeps the connection.
    AnswerWhenTold(Vec<u8>, Receiver<()>),
    /// Writes the bytes, which may be none or not all, and closes the connection.
    Break(Vec<u8>),
    /// Writes the bytes, and then waits until the other side closes the connection.
    Hang(Vec<u8>),
}

/// A whole answer in JSON.
pub(super) fn json(body: &str) -> Act {
    answer(200, "content-type: application/json\r\n", body.as_bytes())
}

/// A whole answer with a status.
pub(super) fn status(status: u16, body: &str) -> Act {
    answer(status, "", body.as_bytes())
}

/// A whole answer. Each of `headers` ends with a line end.
pub(super) fn answer(status: u16, headers: &str, body: &[u8]) -> Act {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    Act::Answer([head.as_bytes(), body].concat())
}

pub(super) struct Loopback {
    address: SocketAddr,
    requests: Receiver<String>,
    /// One message for each [`Act::Hang`] whose connection was closed by the other side.
    closed: Receiver<()>,
}

impl Loopback {
    pub(super) fn acting(acts: Vec<Act>) -> Loopback {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (noted, requests) = channel();
        let (gone, closed) = channel();
        thread::spawn(move || serve(&listener, acts, &noted, &gone));
        Loopback {
            address,
            requests,
            closed,
        }
    }

    /// Clients of a caller with a service account, a project 7 and its token.
    pub(super) fn clients(&self, stop: Stop) -> Clients {
        self.clients_with(stop, |_| {})
    }

    pub(super) fn clients_with(&self, stop: Stop, change: impl FnOnce(&mut Config)) -> Clients {
        let mixpanel = Mixpanel::new(self.config(change)).unwrap();
        let caller = mixpanel.caller(&|_| None, true).unwrap();
        mixpanel.for_caller(caller, stop)
    }

    pub(super) fn config(&self, change: impl FnOnce(&mut Config)) -> Config {
        let url = format!("http://{}", self.address);
        let mut config = Config {
            urls: BaseUrls {
                ingestion: Some(url.clone()),
                export: Some(url.clone()),
                query: Some(url.clone()),
                app: Some(url),
            },
            account: Some(ServiceAccount {
                username: "user".into(),
                secret: Secret::new("s3cret"),
            }),
            project_id: Some(project()),
            project_token: Some(Secret::new("t0ken")),
            timeouts: Timeouts::default(),
            // A test counts what is asked.
            cache_time: Some(Duration::ZERO),
            ..Config::default()
        };
        change(&mut config);
        config
    }

    /// The next request, head and body.
    pub(super) fn request(&self) -> String {
        self.requests.recv_timeout(PATIENCE).unwrap()
    }

    /// The request lines so far, without the version.
    pub(super) fn asked(&self) -> Vec<String> {
        let first = |request: String| request.lines().next().unwrap().replace(" HTTP/1.1", "");
        self.requests.try_iter().map(first).collect()
    }

    /// Waits until the other side has closed a hanging connection.
    pub(super) fn saw_the_close(&self) {
        self.closed.recv_timeout(PATIENCE).unwrap();
    }
}

pub(super) fn project() -> ProjectId {
    ProjectId::parse("7").unwrap()
}

pub(super) fn january() -> DateRange {
    DateRange {
        from: date(2025, 1, 1),
        to: date(2025, 1, 31),
    }
}

fn serve(listener: &TcpListener, acts: Vec<Act>, noted: &Sender<String>, gone: &Sender<()>) {
    let mut kept: Option<TcpStream> = None;
    for act in acts {
        let (mut stream, request) = loop {
            let mut stream = kept.take().unwrap_or_else(|| listener.accept().unwrap().0);
            if let Some(request) = read_request(&mut stream) {
                break (stream, request);
            }
        };
        // A test that has ended no longer listens.
        let _ = noted.send(request);
        match act {
            Act::Answer(bytes) => {
                let _ = stream.write_all(&bytes);
                kept = Some(stream);
            }
            Act::AnswerWhenTold(bytes, told) => {
                told.recv_timeout(PATIENCE).unwrap();
                let _ = stream.write_all(&bytes);
                kept = Some(stream);
            }
            Act::Break(bytes) => {
                let _ = stream.write_all(&bytes);
            }
            Act::Hang(bytes) => {
                let _ = stream.write_all(&bytes);
                while matches!(stream.read(&mut [0; 64]), Ok(1..)) {}
                let _ = gone.send(());
            }
        }
    }
}

/// A whole request; nothing if the connection ended before it.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .unwrap_or("0");
            if bytes.len() >= end + 4 + length.parse::<usize>().unwrap() {
                return Some(bytes.iter().map(|byte| *byte as char).collect());
            }
        }
        match stream.read(&mut some) {
            Ok(0) | Err(_) => return None,
            Ok(amount) => bytes.extend_from_slice(&some[..amount]),
        }
    }
}
