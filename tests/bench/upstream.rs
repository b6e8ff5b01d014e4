//! A Mixpanel that has one answer, and knows nothing: in this process, so that its work is not counted as the server's.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use memchr::memmem;

/// Enough for a thread that reads a head and writes what is prepared.
const STACK_BYTES: usize = 64 * 1024;
/// A request's head; longer ones are refused by closing.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// How the question for the projects begins, which tools may ask beside their own, and its answer.
const PROJECTS: &[u8] = b"GET /api/app/me ";
const PROJECTS_ANSWER: &str = r#"{"status":"ok","results":{"projects":{"12345":{"name":"Bench","timezone":"UTC","domain":"mixpanel.com"}}}}"#;
const EVENTS_A_CHUNK: u64 = 1_000;
/// 2024-01-01, whose exports cannot grow any more.
const FIRST_DAY_MS: u64 = 1_704_067_200_000;
const DAY_MS: u64 = 86_400_000;
/// Over so many days the events of an export are spread, in their order.
pub(crate) const EXPORT_DAYS: u64 = 10;

/// A running upstream.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Vec<u8>,
    projects: Vec<u8>,
    delay_ms: AtomicU64,
    asked: AtomicU64,
}

impl Upstream {
    /// One that gives this answer, head and body, to whatever it is asked but the projects.
    pub(crate) fn start(answer: Vec<u8>) -> io::Result<Upstream> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            answer,
            projects: json(PROJECTS_ANSWER),
            delay_ms: AtomicU64::new(0),
            asked: AtomicU64::new(0),
        });
        let clients = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = clients.clone();
                let client = thread::Builder::new()
                    .stack_size(STACK_BYTES)
                    // The other side closes when it has enough.
                    .spawn(move || serve(stream, &shared));
                if let Err(error) = client {
                    eprintln!("the upstream turns a connection away: {error}");
                }
            }
        });
        Ok(Upstream { address, shared })
    }

    /// From now on every answer waits so long.
    pub(crate) fn delay(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.shared.delay_ms.store(delay, Ordering::Relaxed);
    }

    /// How often it was asked so far, for anything but the projects.
    pub(crate) fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = [0; HEAD_BYTES_MAX];
    let mut filled = 0;
    while filled < head.len() {
        let count = stream.read(&mut head[filled..])?;
        if count == 0 {
            break;
        }
        filled += count;
        // Nothing is pipelined, and what is only read has no body.
        if memmem::find(&head[..filled], b"\r\n\r\n").is_none() {
            continue;
        }
        filled = 0;
        if head.starts_with(PROJECTS) {
            stream.write_all(&shared.projects)?;
            continue;
        }
        shared.asked.fetch_add(1, Ordering::Relaxed);
        let delay = shared.delay_ms.load(Ordering::Relaxed);
        if delay > 0 {
            thread::sleep(Duration::from_millis(delay));
        }
        stream.write_all(&shared.answer)?;
    }
    Ok(())
}

/// Today's top events, about 2 KB of them, as the query API answers.
pub(crate) fn top_events() -> Vec<u8> {
    let names = ["Page View", "Sign Up", "Add to Cart", "Purchase", "Search"];
    let events: Vec<String> = (0..29_u32)
        .map(|rank| {
            let name = names[rank as usize % names.len()];
            let change = f64::from(rank).sin();
            let amount = 98_765 - rank * 3_371;
            format!(
                r#"{{"amount":{amount},"event":"{name} {rank:02}","percent_change":{change:.8}}}"#
            )
        })
        .collect();
    json(&format!(
        r#"{{"events":[{}],"type":"general"}}"#,
        events.join(",")
    ))
}

fn json(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// An export of so many events, no two the same, about 380 bytes each, in chunks; and its bytes without the framing.
pub(crate) fn export(events: u64) -> (Vec<u8>, usize) {
    let names = ["Page View", "Sign Up", "Add to Cart", "Purchase", "Search"];
    let cities = ["Madrid", "Porto", "Lyon", "Turin", "Ghent", "Malmö"];
    let mut answer =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    let mut bytes = 0;
    let mut chunk = String::new();
    for number in 0..events {
        // Scattered over all bits, so that users come in no order.
        let user = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
        let time = FIRST_DAY_MS + EXPORT_DAYS * DAY_MS * number / events;
        let _ = writeln!(
            chunk,
            r#"{{"event":"{name}","properties":{{"time":{time},"distinct_id":"{user:016x}","$insert_id":"{number:016x}","$browser":"Chrome","$city":"{city}","$os":"Mac OS X","mp_country_code":"ES","mp_lib":"web","$screen_width":{width},"price":{price}.25,"plan":"pro","$current_url":"https://shop.example.com/p/{page}?utm_source=mail","mp_processing_time_ms":{time},"tags":["a","b{page}"]}}}}"#,
            name = names[user as usize % names.len()],
            city = cities[number as usize % cities.len()],
            width = 1024 + number % 900,
            price = number % 200,
            page = number % 9_973,
        );
        if (number + 1).is_multiple_of(EVENTS_A_CHUNK) || number + 1 == events {
            answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            answer.extend_from_slice(chunk.as_bytes());
            answer.extend_from_slice(b"\r\n");
            bytes += chunk.len();
            chunk.clear();
        }
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    (answer, bytes)
}
