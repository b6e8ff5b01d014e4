//! The only door out: each request to Mixpanel passes [`Http::pass`]. Signing, time and size limits, retries, and
//! what a status means are here; which operation is asked, and what its answer says, is left to the clients.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use ureq::AsSendBody;
use ureq::http::{HeaderMap, Response};

use super::api::Api;
use super::credentials::{Caller, Secret};
use super::error::Error;
use super::fault::{cannot_connect, fault};
use super::lines::{Lines, host_of};
use super::region::Region;
use super::request::{Body, Request};
use super::stop::{Running, Stop};
use super::words::{is_html, words};

/// Waits before the second and the third try, on average.
const RETRY_WAITS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];
/// A longer `Retry-After` is told to the caller and not slept out.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);
/// The http crate takes no address of 64 KB; this leaves room for the host.
const URL_BYTES_MAX: usize = 60 * 1024;
/// How much of a refusal is read for Mixpanel's words. No refusal with a good status is longer either.
const REFUSAL_BYTES_MAX: u64 = 64 * 1024;

/// The door for one caller and one call.
#[derive(Clone)]
pub(super) struct Http {
    lines: Arc<Lines>,
    caller: Arc<Caller>,
    stop: Stop,
}

/// An answer whose body is still to be read.
pub(super) struct Answer {
    /// Kept as long as the body is read, so that a stop reaches it.
    running: Running,
    response: Response<ureq::Body>,
    status: u16,
    noted: Noted,
}

impl Http {
    pub(super) fn new(lines: Arc<Lines>, caller: Arc<Caller>, stop: Stop) -> Http {
        Http {
            lines,
            caller,
            stop,
        }
    }

    /// Asks, and reads the answer as JSON. `expected` names its shape for the error.
    pub(super) fn json<T: DeserializeOwned>(
        &self,
        request: &Request<'_>,
        expected: &'static str,
    ) -> Result<T, Error> {
        let body = self.pass(request, |answer| self.read_whole(request, answer))?;
        parse(&body, expected, &self.secrets(request))
    }

    /// Asks, and leaves the answer to be read as it comes.
    pub(super) fn stream(&self, request: &Request<'_>) -> Result<Stream, Error> {
        let answer = self.pass(request, Ok)?;
        let Answer {
            running,
            response,
            noted,
            ..
        } = answer;
        Ok(Stream {
            running,
            stop: self.stop.clone(),
            noted,
            body: response.into_body().into_reader(),
            bytes: 0,
        })
    }

    /// The one place through which each request passes: tries, and tries again where that is safe.
    fn pass<T>(
        &self,
        request: &Request<'_>,
        read: impl Fn(Answer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let deadline = self
            .lines
            .timeouts
            .total(request.api)
            .map(|total| Instant::now() + total);
        let mut waits = RETRY_WAITS.iter();
        loop {
            let error = match self.pass_once(request, deadline).and_then(&read) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if self.stop.is_stopped() {
                return Err(Error::Cancelled);
            }
            let Some(wait) = waits
                .next()
                .and_then(|wait| time_to_wait(request, &error, *wait))
            else {
                return Err(error);
            };
            if deadline.is_some_and(|deadline| Instant::now() + wait >= deadline) {
                return Err(error);
            }
            if self.stop.wait(wait) {
                return Err(Error::Cancelled);
            }
        }
    }

    /// One try. An answer is one only if its status is good, or the request takes a 400 for an answer.
    fn pass_once(&self, request: &Request<'_>, deadline: Option<Instant>) -> Result<Answer, Error> {
        let url = self.url(request);
        let mut noted = Noted::new(request, &url);
        if self.stop.is_stopped() {
            return Err(Error::Cancelled);
        }
        let running = self.stop.request();
        let result = {
            let _entered = running.enter();
            match &request.body {
                Body::None => self.call(request, &url, None, deadline, ()),
                Body::Form(pairs) => {
                    let kind = "application/x-www-form-urlencoded";
                    self.call(
                        request,
                        &url,
                        Some(kind),
                        deadline,
                        pairs.encode().as_bytes(),
                    )
                }
                Body::Json(bytes) | Body::GzippedJson(bytes) => self.call(
                    request,
                    &url,
                    Some("application/json"),
                    deadline,
                    bytes.as_slice(),
                ),
            }
        };
        let response = result.inspect_err(|error| noted.failed(error))?;
        let status = response.status().as_u16();
        noted.status = status;
        let answer = Answer {
            running,
            response,
            status,
            noted,
        };
        match status {
            200..=299 => Ok(answer),
            400 if request.answer_under_400.is_some() => Ok(answer),
            _ => Err(self.refusal(request, answer)),
        }
    }

    fn call(
        &self,
        request: &Request<'_>,
        url: &str,
        content_type: Option<&str>,
        deadline: Option<Instant>,
        body: impl AsSendBody,
    ) -> Result<Response<ureq::Body>, Error> {
        if url.len() > URL_BYTES_MAX {
            return Err(Error::TooLarge { words: None });
        }
        let host = host_of(url);
        let mut builder = ureq::http::Request::builder()
            .method(request.body.method())
            .uri(url);
        if let Some(content_type) = content_type {
            builder = builder.header("content-type", content_type);
        }
        if matches!(request.body, Body::GzippedJson(_)) {
            builder = builder.header("content-encoding", "gzip");
        }
        if request.signed {
            let account = self.caller.account.as_ref().ok_or(Error::NoCredentials)?;
            builder = builder.header("authorization", account.authorization());
        }
        let outgoing = builder
            .body(body)
            .map_err(|error| cannot_connect(host, &error))?;
        let agent = self.lines.agent(request.api);
        // What the tries before this one took is gone from the total.
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let outgoing = agent
            .configure_request(outgoing)
            .timeout_global(left)
            .build();
        agent.run(outgoing).map_err(|error| self.fault(host, error))
    }

    fn url(&self, request: &Request<'_>) -> String {
        let base = self
            .lines
            .urls
            .of(request.api)
            .unwrap_or_else(|| self.caller.region.base_url(request.api));
        let query = request.query.encode();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{base}{}{mark}{query}", request.path)
    }

    /// The whole body of an answer. A 400 is one only if its body has the member that makes it one.
    fn read_whole(&self, request: &Request<'_>, mut answer: Answer) -> Result<Vec<u8>, Error> {
        let body = self.read_body(&mut answer, request.api.answer_bytes_max());
        let body = body.inspect_err(|error| answer.noted.failed(error))?;
        if answer.status == 400
            && !request
                .answer_under_400
                .is_some_and(|member| has_member(&body, member))
        {
            return Err(self.told(request, answer, &body));
        }
        answer.noted.succeeded(body.len() as u64);
        Ok(body)
    }

    fn read_body(&self, answer: &mut Answer, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let _entered = answer.running.enter();
        let body = answer
            .response
            .body_mut()
            .with_config()
            .limit(bytes_max)
            .read_to_vec();
        // A shut socket reads like the end of an answer that has no length.
        if self.stop.is_stopped() {
            return Err(Error::Cancelled);
        }
        body.map_err(|error| self.fault(&answer.noted.host, error))
    }

    fn refusal(&self, request: &Request<'_>, mut answer: Answer) -> Error {
        match self.read_body(&mut answer, REFUSAL_BYTES_MAX) {
            Ok(body) => self.told(request, answer, &body),
            Err(Error::Cancelled) => Error::Cancelled,
            // The status says enough.
            Err(_) => self.told(request, answer, b""),
        }
    }

    fn told(&self, request: &Request<'_>, answer: Answer, body: &[u8]) -> Error {
        let words = words(body, &self.secrets(request));
        let refusal = refusal(
            answer.status,
            answer.response.headers(),
            words,
            request.api,
            self.caller.region,
        );
        answer.noted.failed(&refusal);
        refusal
    }

    fn secrets<'a>(&'a self, request: &Request<'a>) -> Vec<&'a Secret> {
        let account = self.caller.account.as_ref().map(|account| &account.secret);
        [account, self.caller.token.as_ref(), request.token]
            .into_iter()
            .flatten()
            .collect()
    }

    fn fault(&self, host: &str, error: ureq::Error) -> Error {
        if self.stop.is_stopped() {
            Error::Cancelled
        } else {
            fault(host, error)
        }
    }
}

/// A running answer. Reading it ends with an error when the stop comes.
pub(super) struct Stream {
    running: Running,
    stop: Stop,
    noted: Noted,
    body: ureq::BodyReader<'static>,
    bytes: u64,
}

impl Stream {
    /// Reads more into `buffer` and says how much; nothing more is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let _entered = self.running.enter();
        let amount = self.body.read(buffer);
        if self.stop.is_stopped() {
            return Err(Error::Cancelled);
        }
        let amount = amount.map_err(|error| fault(&self.noted.host, error.into()))?;
        self.bytes += amount as u64;
        Ok(amount)
    }

    /// Notes how the stream ended.
    pub(super) fn ended(&self, error: Option<&Error>) {
        match error {
            Some(error) => self.noted.failed(error),
            None => self.noted.succeeded(self.bytes),
        }
    }
}

/// How long to wait before the next try; nothing if there must not be one.
fn time_to_wait(request: &Request<'_>, error: &Error, wait: Duration) -> Option<Duration> {
    let wait = match error {
        // Nothing was sent, so even a write may be tried again.
        Error::CannotConnect { .. } => wait,
        _ if !request.repeatable => return None,
        Error::BrokenOff => wait,
        Error::ServerFault {
            status: 502..=504, ..
        } => wait,
        Error::RateLimited {
            retry_after_s: Some(seconds),
            ..
        } => {
            let asked = Duration::from_secs(*seconds);
            if asked > RETRY_AFTER_MAX {
                return None;
            }
            asked.max(wait)
        }
        _ => return None,
    };
    Some(wait + jitter(wait))
}

/// Up to a quarter more, so that those who failed together do not come again together.
fn jitter(wait: Duration) -> Duration {
    // Without random bytes the wait is only less scattered.
    let random = getrandom::u32().unwrap_or_default();
    wait / 4 * (random % 256) / 256
}

/// What a status and Mixpanel's words mean.
fn refusal(
    status: u16,
    headers: &HeaderMap,
    words: Option<String>,
    api: Api,
    region: Region,
) -> Error {
    let wrong_cluster = words
        .as_deref()
        .is_some_and(|words| words.to_ascii_lowercase().contains("for cluster"));
    match status {
        _ if wrong_cluster => Error::WrongCluster { region, words },
        300..=399 => Error::Redirected { status },
        401 => Error::Unauthorized { words },
        402 => Error::PaymentRequired { words },
        403 => Error::Forbidden { words },
        404 => Error::NotFound { words },
        413 => Error::TooLarge { words },
        429 => Error::RateLimited {
            api,
            retry_after_s: retry_after_s(headers),
            words,
        },
        500..=599 => Error::ServerFault { status, words },
        _ => Error::BadRequest { status, words },
    }
}

/// Seconds, or a date of the mail format; anything else is nothing.
fn retry_after_s(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let seconds = date
        .as_second()
        .saturating_sub(jiff::Timestamp::now().as_second());
    Some(u64::try_from(seconds).unwrap_or(0))
}

/// A refusal may also come with a good status, as `{"status": "error"}` or `{"status": 0}`.
fn parse<T: DeserializeOwned>(
    body: &[u8],
    expected: &'static str,
    secrets: &[&Secret],
) -> Result<T, Error> {
    if is_html(body) {
        return Err(Error::NotJson { html: true });
    }
    if body.len() as u64 <= REFUSAL_BYTES_MAX && is_refusal(body) {
        return Err(Error::RefusedUnder200 {
            words: words(body, secrets),
        });
    }
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Error::WrongShape { expected },
        _ => Error::NotJson { html: false },
    })
}

fn is_refusal(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Envelope {
        status: Option<serde_json::Value>,
    }

    let body = body.trim_ascii();
    if body == b"0" {
        return true;
    }
    // A list would be read as the struct's members in order.
    if !body.starts_with(b"{") {
        return false;
    }
    let status = serde_json::from_slice::<Envelope>(body)
        .ok()
        .and_then(|envelope| envelope.status);
    match status {
        Some(serde_json::Value::String(text)) => {
            matches!(text.as_str(), "error" | "fail" | "failure")
        }
        Some(serde_json::Value::Number(number)) => number.as_i64() == Some(0),
        _ => false,
    }
}

fn has_member(body: &[u8], member: &str) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|value| value.get(member).is_some())
}

/// What the log says of one try: never a query, a header or a body.
struct Noted {
    method: &'static str,
    host: String,
    path: String,
    status: u16,
    since: Instant,
}

impl Noted {
    fn new(request: &Request<'_>, url: &str) -> Noted {
        let host = host_of(url).to_owned();
        let after_host = url.split_once(&host).map_or("", |(_, rest)| rest);
        let path = after_host.split('?').next().unwrap_or_default().to_owned();
        Noted {
            method: request.body.method(),
            host,
            path,
            status: 0,
            since: Instant::now(),
        }
    }

    fn succeeded(&self, bytes: u64) {
        let Noted {
            method,
            host,
            path,
            status,
            since,
        } = self;
        log::debug!(
            "{method} {host}{path}: {status}, {bytes} bytes, {} ms",
            since.elapsed().as_millis()
        );
    }

    fn failed(&self, error: &Error) {
        let Noted {
            method,
            host,
            path,
            status,
            since,
        } = self;
        // That a caller has gone is no fault to look into.
        let level = match error {
            Error::Cancelled => log::Level::Debug,
            _ => log::Level::Warn,
        };
        log::log!(
            level,
            "{method} {host}{path}: {status}, {}, {} ms",
            error.kind(),
            since.elapsed().as_millis()
        );
    }
}
