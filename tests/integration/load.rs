//! Many callers at once before a slow and failing Mixpanel: no answer is wrong or another one's, memory is bounded, and
//! every event is stored exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::support::server::{self, variables_before};
use crate::support::{Program, RecordedRequest};

const CALLERS: usize = 200;
/// Fewer users than callers, so that equal questions of one user meet.
const USERS: usize = 50;
const FIRST_PROJECT: usize = 1_000;
/// How long the callers go on; `LOAD_SECONDS` says otherwise.
const SECONDS: u64 = 15;
/// How long Mixpanel thinks about what it answers slowly.
const SLOW: Duration = Duration::from_millis(40);
/// What 200 callers may take of memory, in a build that is not optimised.
const PEAK_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How much more it may be at the end than when all callers had been there for a third of the time.
const GROWTH_BYTES_MAX: u64 = 48 * 1024 * 1024;
/// Each call is answered by then, tries and all.
const PATIENCE: Duration = Duration::from_secs(60);

/// What Mixpanel stored: of each event (a name of its own in `n`) the keys by which Mixpanel tells events apart.
type Stored = Mutex<BTreeMap<String, BTreeSet<String>>>;

/// A Mixpanel that stores events and fails at every turn.
struct Failing {
    url: String,
    stored: Stored,
    asked: AtomicUsize,
    /// It has come to its senses.
    is_well: AtomicBool,
    /// What was wrong with a request, if one was.
    wrong: Mutex<Vec<String>>,
}

/// What it does with a request.
#[derive(Clone, Copy, PartialEq)]
enum Deed {
    Answers,
    AnswersSlowly,
    /// Does nothing and answers with this status.
    Refuses(u16),
    /// Does it, and answers with this status all the same.
    DoesAndFails(u16),
    /// Does it, and the connection ends within the answer.
    DoesAndBreaks,
    /// Does nothing, and the connection ends.
    Breaks,
    /// Does nothing, and a proxy answers with a page.
    Page,
}

const DEEDS: [Deed; 16] = [
    Deed::Answers,
    Deed::AnswersSlowly,
    Deed::Refuses(503),
    Deed::Answers,
    Deed::DoesAndBreaks,
    Deed::Answers,
    Deed::DoesAndFails(502),
    Deed::Refuses(504),
    Deed::Answers,
    Deed::Refuses(500),
    Deed::AnswersSlowly,
    Deed::Breaks,
    Deed::Answers,
    Deed::DoesAndFails(500),
    Deed::Refuses(429),
    Deed::Page,
];

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Failing {
    fn start() -> Arc<Failing> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let failing = Arc::new(Failing {
            url: format!("http://{}", listener.local_addr().unwrap()),
            stored: Stored::default(),
            asked: AtomicUsize::new(0),
            is_well: AtomicBool::new(false),
            wrong: Mutex::default(),
        });
        // Ends with the process: connections are as many as the server opens.
        thread::spawn({
            let failing = Arc::clone(&failing);
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let failing = Arc::clone(&failing);
                    thread::spawn(move || failing.serve(&stream));
                }
            }
        });
        failing
    }

    /// Answers the requests of one connection, until one of them ends it.
    fn serve(&self, stream: &TcpStream) {
        let _ = stream.set_nodelay(true);
        loop {
            match RecordedRequest::read(&mut &*stream) {
                Ok(Some(request)) if self.answer(stream, &request).is_ok() => (),
                Ok(_) => break,
                Err(why) => {
                    lock(&self.wrong).push(why);
                    break;
                }
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    fn deed(&self) -> Deed {
        if self.is_well.load(Ordering::SeqCst) {
            return Deed::Answers;
        }
        DEEDS[self.asked.fetch_add(1, Ordering::SeqCst) % DEEDS.len()]
    }

    /// Does what its mood says. An error ends the connection.
    fn answer(&self, mut stream: &TcpStream, request: &RecordedRequest) -> std::io::Result<()> {
        let ends = || Err(std::io::ErrorKind::BrokenPipe.into());
        let deed = self.deed();
        let body = match deed {
            Deed::Breaks => return ends(),
            Deed::Refuses(status) => {
                let why = json!({"error": "not now", "status": "error"}).to_string();
                let after = if status == 429 {
                    "Retry-After: 1\r\n"
                } else {
                    ""
                };
                return write!(
                    stream,
                    "HTTP/1.1 {status} X\r\n{after}Content-Length: {}\r\n\r\n{why}",
                    why.len()
                );
            }
            Deed::Page => {
                let page = "<html>proxy</html>";
                return write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}",
                    page.len()
                );
            }
            Deed::AnswersSlowly => {
                thread::sleep(SLOW);
                self.perform(request)
            }
            Deed::Answers | Deed::DoesAndFails(_) | Deed::DoesAndBreaks => self.perform(request),
        };
        let (status, body) = match deed {
            Deed::DoesAndFails(status) => (status, json!({"error": "late"})),
            _ => body,
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if deed == Deed::DoesAndBreaks {
            let half = &body[..body.len() / 2];
            stream.write_all(format!("{head}{half}").as_bytes())?;
            return ends();
        }
        stream.write_all(format!("{head}{body}").as_bytes())
    }

    /// Does what is asked as the one who asks: the status and the answer.
    fn perform(&self, request: &RecordedRequest) -> (u16, Value) {
        let user = user_of(request);
        let project = request.param("project_id").unwrap_or_default();
        if user.as_deref() != project.parse().ok().map(user_of_project).as_deref() {
            lock(&self.wrong).push(format!("{user:?} asks for project {project}"));
        }
        match request.path.as_str() {
            "/import" => self.import(request, &user.unwrap_or_default()),
            "/api/query/funnels/list" => {
                let funnel = json!({"funnel_id": 1, "name": format!("funnel of {project}")});
                (200, json!([funnel]))
            }
            path => {
                lock(&self.wrong).push(format!("{path} was asked for"));
                (404, json!({"error": "no such thing"}))
            }
        }
    }

    /// Stores the events but those that say of themselves that they are bad.
    fn import(&self, request: &RecordedRequest, user: &str) -> (u16, Value) {
        let events = request.json();
        let events = events.as_array().unwrap();
        let mut failed = Vec::new();
        let mut stored = lock(&self.stored);
        for (index, event) in events.iter().enumerate() {
            let properties = &event["properties"];
            if properties["distinct_id"] != user {
                lock(&self.wrong).push(format!("{user} sends {event}"));
            }
            if properties["bad"] == true {
                let why = json!({"index": index, "field": "properties.bad", "message": "is bad"});
                failed.push(why);
                continue;
            }
            let key = format!(
                "{} {} {} {}",
                event["event"],
                properties["time"],
                properties["distinct_id"],
                properties["$insert_id"]
            );
            let name = properties["n"].as_str().unwrap_or_default().to_owned();
            stored.entry(name).or_default().insert(key);
        }
        let number = events.len() - failed.len();
        if failed.is_empty() {
            let answer = json!({"code": 200, "num_records_imported": number, "status": "OK"});
            return (200, answer);
        }
        let answer = json!({"code": 400, "num_records_imported": number, "failed_records": failed});
        (400, answer)
    }
}

fn user_of_project(project: usize) -> String {
    format!("user{}", project - FIRST_PROJECT)
}

/// Who signed a request, if the secret is right.
fn user_of(request: &RecordedRequest) -> Option<String> {
    let signed = request.header("authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(BASE64_STANDARD.decode(signed).ok()?).ok()?;
    let (user, secret) = text.split_once(':')?;
    (secret == format!("secret of {user}")).then(|| user.to_owned())
}

/// One caller, with the credentials of one of the users.
struct Caller<'a> {
    number: usize,
    url: &'a str,
    agent: ureq::Agent,
    /// Numbers what it sends.
    made: usize,
}

impl Caller<'_> {
    fn user(&self) -> usize {
        self.number % USERS
    }

    /// Calls a tool: whether it failed, and its data.
    fn call(&self, tool: &str, arguments: &Value) -> (bool, Value) {
        let user = format!("user{}", self.user());
        let credentials = format!("{user}:secret of {user}");
        let message = json!({
            "jsonrpc": "2.0",
            "id": self.number,
            "method": "tools/call",
            "params": {"name": tool, "arguments": arguments},
        });
        let response = self
            .agent
            .post(format!("{}/mcp", self.url))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .header("x-auth-token", credentials)
            .send(message.to_string());
        let mut response = response.unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        assert_eq!(response.status(), 200, "{text}");
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["id"], self.number, "another one's answer");
        let result = answer["result"].take();
        (result["isError"] == true, server::told(&result))
    }

    /// Asks a question whose right answer is the user's own.
    fn ask(&self, fresh: bool) -> bool {
        let project = FIRST_PROJECT + self.user();
        let arguments = json!({"project_id": project.to_string(), "fresh": fresh});
        let (failed, data) = self.call("mixpanel_list_saved_funnels", &arguments);
        if failed {
            let known = [
                "server_fault",
                "broken_off",
                "not_json",
                "rate_limited",
                "bad_request",
            ];
            let kind = data["kind"].as_str().unwrap_or_default();
            assert!(known.contains(&kind), "{data}");
            return false;
        }
        let funnels = data["funnels"].as_array().unwrap();
        assert_eq!(funnels.len(), 1, "{data}");
        assert_eq!(funnels[0]["name"], format!("funnel of {project}"));
        true
    }

    /// Some events that nobody sent before.
    fn new_events(&mut self) -> Vec<Value> {
        let number = 1 + self.made % 5;
        let event = |place: usize| {
            let n = format!("{}-{}-{place}", self.number, self.made);
            let is_bad = (self.made + place).is_multiple_of(7);
            let properties = json!({"n": n, "bad": is_bad});
            json!({"event": "Load", "distinct_id": format!("user{}", self.user()), "properties": properties})
        };
        let events = (0..number).map(event).collect();
        self.made += 1;
        events
    }

    /// Sends events; of those that are not told as stored, what is to be sent again, as the answer says.
    fn send(&self, events: &[Value]) -> Vec<Value> {
        let project = FIRST_PROJECT + self.user();
        let arguments = json!({"project_id": project.to_string(), "events": events});
        let (failed, data) = self.call("mixpanel_import_events", &arguments);
        if !failed {
            assert_eq!(data["stored"], events.len());
            return Vec::new();
        }
        let mut again = Vec::new();
        for refused in data["failed"].as_array().into_iter().flatten() {
            let mut event = events[refused["index"].as_u64().unwrap() as usize].clone();
            assert_eq!(event["properties"]["bad"], true, "{data}");
            event["properties"]["bad"] = false.into();
            again.push(event);
        }
        for unknown in data["unknown"]["events"].as_array().into_iter().flatten() {
            let mut event = events[unknown["index"].as_u64().unwrap() as usize].clone();
            event["properties"]["$insert_id"] = unknown["insert_id"].clone();
            event["properties"]["time"] = unknown["time"].clone();
            again.push(event);
        }
        if let Some(places) = data["not_sent"]["at"].as_str() {
            for range in places.split(", ") {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let places = first.parse::<usize>().unwrap()..=last.parse().unwrap();
                again.extend(places.map(|place| events[place].clone()));
            }
        }
        let stored = data["stored"].as_u64().unwrap() as usize;
        assert_eq!(stored + again.len(), events.len(), "{data}");
        again
    }
}

#[test]
fn two_hundred_callers_before_a_failing_mixpanel_lose_double_and_mix_nothing() {
    let seconds = std::env::var("LOAD_SECONDS").ok();
    let seconds = seconds.map_or(SECONDS, |seconds| seconds.parse().unwrap());
    let mixpanel = Failing::start();
    let mut variables = variables_before(&mixpanel.url).to_vec();
    // Kept and merged answers are part of the play.
    for (name, value) in &mut variables {
        if *name == "MIXPANEL_CACHE_SECONDS" {
            *value = "1".into();
        }
    }
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let server = Program::start(&["--json-response"], &variables);
    let url = server.server.url();
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let (sent, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let early_peak = AtomicUsize::new(0);

    thread::scope(|scope| {
        for number in 0..CALLERS {
            let (url, sent, answered) = (&url, &sent, &answered);
            let (mixpanel, server, early_peak) = (&mixpanel, &server, &early_peak);
            scope.spawn(move || {
                let agent = ureq::Agent::config_builder()
                    .http_status_as_error(false)
                    .timeout_global(Some(PATIENCE))
                    .build()
                    .new_agent();
                let mut caller = Caller {
                    number,
                    url,
                    agent,
                    made: 0,
                };
                let mut again = Vec::new();
                let mut round = number;
                while Instant::now() < end {
                    if again.is_empty() {
                        again = caller.new_events();
                        sent.fetch_add(again.len(), Ordering::Relaxed);
                    }
                    again = caller.send(&again);
                    if caller.ask(round % 2 == 0) {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    round += 1;
                    if number == 0 && begun.elapsed().as_secs() < seconds.div_ceil(3) {
                        let peak = server.peak_bytes() as usize;
                        early_peak.store(peak, Ordering::Relaxed);
                    }
                }
                // What is still open is brought in when Mixpanel is well again.
                mixpanel.is_well.store(true, Ordering::SeqCst);
                while !again.is_empty() {
                    again = caller.send(&again);
                }
            });
        }
    });

    assert_eq!(*lock(&mixpanel.wrong), [""; 0]);
    let (sent, answered) = (sent.into_inner(), answered.into_inner());
    assert!(
        sent > CALLERS && answered > CALLERS,
        "{sent} sent, {answered} answered"
    );
    let stored = lock(&mixpanel.stored);
    assert_eq!(stored.len(), sent, "as many events are stored as were sent");
    let doubled: Vec<_> = stored
        .iter()
        .filter(|(_, keys)| keys.len() != 1)
        .take(3)
        .collect();
    assert!(doubled.is_empty(), "{doubled:?}");

    let (early, peak) = (early_peak.into_inner() as u64, server.peak_bytes());
    assert!(peak < PEAK_BYTES_MAX, "{peak} bytes");
    assert!(
        peak < early + GROWTH_BYTES_MAX,
        "from {early} to {peak} bytes"
    );
}
