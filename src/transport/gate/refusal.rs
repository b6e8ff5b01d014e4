//! Why the gate itself answers a request, and what that answer looks like.

use std::fmt;

use std::time::SystemTime;

const RETRY_AFTER_S: u32 = 1;

/// Told apart by the status that the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not a request as RFC 9112 has it.
    Malformed(&'static str),
    HeadTimedOut,
    BodyTimedOut,
    BodyTooLarge,
    LineTooLong,
    UnknownExpectation,
    HeadTooLarge,
    TooManyFields,
    UnknownMethod,
    UnknownCoding,
    UnknownVersion,
    /// The server's side failed before the answer began.
    AnswerBroken,
    AnswerLate,
    ConnectionsTaken,
    PeerTakesTooMany,
    BodiesHeld,
    RequestsTaken,
}

impl Refusal {
    pub(super) fn status(&self) -> u16 {
        match self {
            Refusal::Malformed(_) => 400,
            Refusal::HeadTimedOut | Refusal::BodyTimedOut => 408,
            Refusal::BodyTooLarge => 413,
            Refusal::LineTooLong => 414,
            Refusal::UnknownExpectation => 417,
            Refusal::HeadTooLarge | Refusal::TooManyFields => 431,
            Refusal::UnknownMethod | Refusal::UnknownCoding => 501,
            Refusal::AnswerBroken => 502,
            Refusal::ConnectionsTaken
            | Refusal::PeerTakesTooMany
            | Refusal::BodiesHeld
            | Refusal::RequestsTaken => 503,
            Refusal::AnswerLate => 504,
            Refusal::UnknownVersion => 505,
        }
    }

    fn reason(&self) -> &'static str {
        match self.status() {
            400 => "Bad Request",
            408 => "Request Timeout",
            413 => "Content Too Large",
            414 => "URI Too Long",
            417 => "Expectation Failed",
            431 => "Request Header Fields Too Large",
            501 => "Not Implemented",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            _ => "HTTP Version Not Supported",
        }
    }

    /// The whole answer; it always ends the connection. `bodiless` is for HEAD.
    pub(super) fn answer(&self, bodiless: bool) -> Vec<u8> {
        let body = serde_json::json!({ "error": self.to_string() }).to_string();
        let mut answer = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\nDate: {}\r\n",
            self.status(),
            self.reason(),
            body.len(),
            httpdate::fmt_http_date(SystemTime::now()),
        );
        if self.status() == 503 {
            answer.push_str(&format!("Retry-After: {RETRY_AFTER_S}\r\n"));
        }
        answer.push_str("\r\n");
        if !bodiless {
            answer.push_str(&body);
        }
        answer.into_bytes()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Malformed(what) => what,
            Refusal::HeadTimedOut => "the request's head took too long to arrive",
            Refusal::BodyTimedOut => "the request's body took too long to arrive",
            Refusal::BodyTooLarge => "the request's body is too large",
            Refusal::LineTooLong => "the request line is too long",
            Refusal::UnknownExpectation => "the only expectation known is 100-continue",
            Refusal::HeadTooLarge => "the request's head is too large",
            Refusal::TooManyFields => "the request has too many header fields",
            Refusal::UnknownMethod => "the method is not known here",
            Refusal::UnknownCoding => "the only transfer coding known is chunked",
            Refusal::UnknownVersion => "this server speaks HTTP/1.0 and HTTP/1.1",
            Refusal::AnswerBroken => "the server failed while it worked on the answer",
            Refusal::AnswerLate => "the answer took too long",
            Refusal::ConnectionsTaken => "all connections are taken; try again in a moment",
            Refusal::PeerTakesTooMany => {
                "your address has too many connections open; close some, then try again"
            }
            Refusal::BodiesHeld => "too many large requests at once; try again in a moment",
            Refusal::RequestsTaken => "too many requests at once; try again in a moment",
        })
    }
}
