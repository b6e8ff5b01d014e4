//! Why there is no answer: told apart by what the caller can do about it.
//!
//! Statuses and bodies are turned into these in `http.rs`; the wording is in `sentence.rs`. No variant can hold a secret:
//! Mixpanel's words are cut short and cleaned before they come here.

use std::error::Error as StdError;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::api::Api;
use super::region::Region;

/// Why a request to Mixpanel gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The request brought no credentials, and it may not use the environment's or there are none.
    NoCredentials,
    /// A header with credentials does not have the form that it must have.
    MalformedCredentials {
        /// The name of the header.
        header: &'static str,
        /// The right form.
        expected: &'static str,
    },
    /// `x-mixpanel-region` is not one of the three.
    InvalidRegion,
    /// No project is named, and there is no default.
    NoProject,
    /// A project id that is not a number.
    InvalidProject,
    /// Events are to be sent and there is no token of the project, and no service account to look it up.
    NoProjectToken,
    /// An operation that takes no service account, and there is no OAuth token.
    NoOAuthToken,
    /// A name or an id that cannot stand in an address: empty, or dots alone.
    InvalidPathPart {
        /// What it is the name of.
        what: &'static str,
    },
    /// 401: Mixpanel does not know the service account, or the OAuth token.
    Unauthorized {
        /// Whether it was an OAuth token.
        oauth: bool,
        /// Mixpanel's words.
        words: Option<String>,
    },
    /// 402: the project's plan has no access to this API.
    PaymentRequired {
        /// Mixpanel's words.
        words: Option<String>,
    },
    /// 403: a role, the plan, or the range of dates does not allow this.
    Forbidden {
        /// Which of them, as far as Mixpanel's words say.
        barrier: Barrier,
        /// Mixpanel's words.
        words: Option<String>,
    },
    /// 404.
    NotFound {
        /// Mixpanel's words.
        words: Option<String>,
    },
    /// 400, and the other refusals of a request as it stands.
    BadRequest {
        /// The status.
        status: u16,
        /// Mixpanel's words.
        words: Option<String>,
    },
    /// 413, or an address that is too long to be sent at all.
    TooLarge {
        /// Mixpanel's words.
        words: Option<String>,
    },
    /// The quota of the project is used up, or too many requests run at once: Mixpanel said 429, or it is known here
    /// and Mixpanel was not asked.
    RateLimited {
        /// Whose quota.
        api: Api,
        /// Of what.
        limit: Limit,
        /// How long to wait, if that is known.
        retry_after_s: Option<u64>,
        /// Whether Mixpanel was asked.
        asked: bool,
        /// Mixpanel's words.
        words: Option<String>,
    },
    /// 5xx: Mixpanel failed.
    ServerFault {
        /// The status.
        status: u16,
        /// Mixpanel's words.
        words: Option<String>,
    },
    /// The project is in another region than the one that was asked.
    WrongCluster {
        /// The region that was asked.
        region: Region,
        /// The region in which the project was found, if it was looked for and found.
        found: Option<Region>,
        /// Mixpanel's words.
        words: Option<String>,
    },
    /// No connection was made. Nothing was sent.
    CannotConnect {
        /// Whom to.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The name of the host was not found. Nothing was sent.
    Dns {
        /// The name.
        host: String,
    },
    /// The connection could not be encrypted, or the other side could not prove who it is. Nothing was sent.
    Tls {
        /// Whom to.
        host: String,
        /// What was wrong.
        reason: String,
    },
    /// A time limit was reached.
    TimedOut {
        /// Which one.
        phase: Phase,
    },
    /// The connection ended before the answer did. A write may or may not have happened.
    BrokenOff,
    /// An export ended before all events had come: within a line, or with the words that Mixpanel gives it up with.
    IncompleteExport,
    /// A redirect, which is never followed with credentials.
    Redirected {
        /// The status.
        status: u16,
    },
    /// An answer with a good status that is not JSON.
    NotJson {
        /// A web page came: the address is wrong, or a proxy answered.
        html: bool,
    },
    /// JSON that does not have the shape that is documented.
    WrongShape {
        /// What was expected.
        expected: &'static str,
    },
    /// An answer, or one line of an export, is longer than what is read into memory.
    AnswerTooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// A refusal with status 200, as `0`, `{"status": 0}` or `{"status": "error"}`.
    RefusedUnder200 {
        /// Mixpanel's words.
        words: Option<String>,
    },
    /// A write that was taken with status 200, but not all of it, and nobody says what was not.
    PartlyRefused {
        /// Mixpanel's words.
        words: Option<String>,
    },
    /// The call is a dry run, and the request would have changed something: it was not sent.
    DryRun,
    /// The call was stopped.
    Cancelled,
}

/// Which limit of requests was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So many an hour.
    Hour,
    /// So many at once, or a second.
    Moment,
}

/// What a 403 is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    /// What the service account may do in the project.
    Role,
    /// What the project's plan contains.
    Plan,
    /// How far back the plan lets one ask.
    Dates,
    /// Mixpanel does not say it.
    Unknown,
}

impl Barrier {
    /// The word for it in facts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Barrier::Role => "role",
            Barrier::Plan => "plan",
            Barrier::Dates => "date_range",
            Barrier::Unknown => "unknown",
        }
    }
}

/// What a request was waiting for when its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The connection. Nothing was sent.
    Connect,
    /// The first byte of the answer.
    FirstByte,
    /// The next byte of a running answer, or room for the next byte to send.
    Stall,
    /// The whole request.
    Total,
}

impl Phase {
    /// The word for it in facts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Connect => "connect",
            Phase::FirstByte => "first_byte",
            Phase::Stall => "stall",
            Phase::Total => "total",
        }
    }
}

impl Error {
    /// A stable name, in snake case, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::NoCredentials => "no_credentials",
            Error::MalformedCredentials { .. } => "malformed_credentials",
            Error::InvalidRegion => "invalid_region",
            Error::NoProject => "no_project",
            Error::InvalidProject => "invalid_project",
            Error::NoProjectToken => "no_project_token",
            Error::NoOAuthToken => "no_oauth_token",
            Error::InvalidPathPart { .. } => "invalid_path_part",
            Error::Unauthorized { .. } => "unauthorized",
            Error::PaymentRequired { .. } => "payment_required",
            Error::Forbidden { .. } => "forbidden",
            Error::NotFound { .. } => "not_found",
            Error::BadRequest { .. } => "bad_request",
            Error::TooLarge { .. } => "too_large",
            Error::RateLimited {
                limit: Limit::Hour, ..
            } => "quota_used_up",
            Error::RateLimited {
                limit: Limit::Moment,
                ..
            } => "rate_limited",
            Error::ServerFault { .. } => "server_fault",
            Error::WrongCluster { .. } => "wrong_cluster",
            Error::CannotConnect { .. } => "cannot_connect",
            Error::Dns { .. } => "dns",
            Error::Tls { .. } => "tls",
            Error::TimedOut { .. } => "timed_out",
            Error::BrokenOff => "broken_off",
            Error::IncompleteExport => "incomplete_export",
            Error::Redirected { .. } => "redirected",
            Error::NotJson { .. } => "not_json",
            Error::WrongShape { .. } => "wrong_shape",
            Error::AnswerTooLarge { .. } => "answer_too_large",
            Error::RefusedUnder200 { .. } => "refused_under_200",
            Error::PartlyRefused { .. } => "partly_refused",
            Error::DryRun => "dry_run",
            Error::Cancelled => "cancelled",
        }
    }

    /// The status of Mixpanel's answer, where the error is one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Unauthorized { .. } => Some(401),
            Error::PaymentRequired { .. } => Some(402),
            Error::Forbidden { .. } => Some(403),
            Error::NotFound { .. } => Some(404),
            Error::TooLarge { .. } => Some(413),
            Error::RateLimited { asked: true, .. } => Some(429),
            Error::BadRequest { status, .. }
            | Error::ServerFault { status, .. }
            | Error::Redirected { status } => Some(*status),
            Error::RefusedUnder200 { .. } | Error::PartlyRefused { .. } => Some(200),
            _ => None,
        }
    }

    /// Whether a write that failed so may have happened all the same.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Error::TimedOut { phase } => *phase != Phase::Connect,
            Error::BrokenOff
            | Error::ServerFault { .. }
            | Error::NotJson { .. }
            | Error::WrongShape { .. }
            | Error::AnswerTooLarge { .. }
            | Error::PartlyRefused { .. }
            | Error::Cancelled => true,
            _ => false,
        }
    }

    /// How long to wait before asking again, if that is known.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Error::RateLimited { retry_after_s, .. } => *retry_after_s,
            _ => None,
        }
    }

    /// Mixpanel's own words: at most some 500 characters, without secrets.
    pub fn mixpanel_message(&self) -> Option<&str> {
        match self {
            Error::Unauthorized { words, .. }
            | Error::PaymentRequired { words }
            | Error::Forbidden { words, .. }
            | Error::NotFound { words }
            | Error::BadRequest { words, .. }
            | Error::TooLarge { words }
            | Error::RateLimited { words, .. }
            | Error::ServerFault { words, .. }
            | Error::WrongCluster { words, .. }
            | Error::RefusedUnder200 { words }
            | Error::PartlyRefused { words } => words.as_deref(),
            _ => None,
        }
    }
}

impl Error {
    /// What a program can read of it: `kind`, and what else is known, such as `status`, `mixpanel_message`,
    /// `retry_after_s` with `retry_at`, `api`, `region`, `found_region`, `reason`, `phase` and `host`.
    pub fn facts(&self) -> Map<String, Value> {
        let mut facts = Map::new();
        let mut tell = |name: &str, fact: Value| facts.insert(name.to_owned(), fact);
        tell("kind", self.kind().into());
        if let Some(status) = self.status() {
            tell("status", status.into());
        }
        if let Some(words) = self.mixpanel_message() {
            tell("mixpanel_message", words.into());
        }
        match self {
            Error::RateLimited {
                api, retry_after_s, ..
            } => {
                tell("api", api.as_str().into());
                if let Some(seconds) = retry_after_s {
                    tell("retry_after_s", (*seconds).into());
                    tell("retry_at", instant(*seconds).into());
                }
            }
            Error::Forbidden { barrier, .. } => {
                tell("reason", barrier.as_str().into());
            }
            Error::WrongCluster { region, found, .. } => {
                tell("region", region.as_str().into());
                if let Some(found) = found {
                    tell("found_region", found.as_str().into());
                }
            }
            Error::CannotConnect { host, .. } | Error::Dns { host } | Error::Tls { host, .. } => {
                tell("host", host.as_str().into());
            }
            Error::TimedOut { phase } => {
                tell("phase", phase.as_str().into());
            }
            Error::AnswerTooLarge { bytes_max } => {
                tell("bytes_max", (*bytes_max).into());
            }
            Error::WrongShape { expected } => {
                tell("expected", (*expected).into());
            }
            Error::NotJson { html } => {
                tell("html", (*html).into());
            }
            _ => (),
        }
        facts
    }
}

/// The time in so many seconds, in UTC, without fractions.
pub(crate) fn instant(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let at = Timestamp::now().as_second().saturating_add(seconds);
    Timestamp::from_second(at)
        .unwrap_or(Timestamp::MAX)
        .to_string()
}

impl StdError for Error {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> Vec<Error> {
        let words = || Some("why".to_owned());
        let host = || "mixpanel.com".to_owned();
        vec![
            Error::NoCredentials,
            Error::MalformedCredentials {
                header: "x-auth-token",
                expected: "username:secret",
            },
            Error::InvalidRegion,
            Error::NoProject,
            Error::InvalidProject,
            Error::NoProjectToken,
            Error::NoOAuthToken,
            Error::InvalidPathPart {
                what: "the event's name",
            },
            Error::Unauthorized {
                oauth: false,
                words: words(),
            },
            Error::PaymentRequired { words: words() },
            Error::Forbidden {
                barrier: Barrier::Dates,
                words: words(),
            },
            Error::NotFound { words: words() },
            Error::BadRequest {
                status: 400,
                words: words(),
            },
            Error::TooLarge { words: words() },
            Error::RateLimited {
                api: Api::Query,
                limit: Limit::Hour,
                retry_after_s: Some(7),
                asked: true,
                words: words(),
            },
            Error::RateLimited {
                api: Api::Export,
                limit: Limit::Moment,
                retry_after_s: None,
                asked: true,
                words: words(),
            },
            Error::ServerFault {
                status: 503,
                words: words(),
            },
            Error::WrongCluster {
                region: Region::Us,
                found: Some(Region::Eu),
                words: words(),
            },
            Error::CannotConnect {
                host: host(),
                reason: "refused".into(),
            },
            Error::Dns { host: host() },
            Error::Tls {
                host: host(),
                reason: "unknown issuer".into(),
            },
            Error::TimedOut {
                phase: Phase::Total,
            },
            Error::BrokenOff,
            Error::IncompleteExport,
            Error::Redirected { status: 302 },
            Error::NotJson { html: true },
            Error::WrongShape { expected: "a list" },
            Error::AnswerTooLarge { bytes_max: 10 },
            Error::RefusedUnder200 { words: words() },
            Error::PartlyRefused { words: words() },
            Error::DryRun,
            Error::Cancelled,
        ]
    }

    #[test]
    fn each_error_has_a_kind_of_its_own_in_snake_case() {
        let kinds: BTreeSet<&str> = all().iter().map(Error::kind).collect();
        assert_eq!(kinds.len(), all().len());
        assert!(kinds.iter().all(|kind| {
            kind.bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        }));
    }

    #[test]
    fn each_sentence_ends_openly_and_begins_small_or_with_the_name() {
        for error in all() {
            let sentence = error.to_string();
            assert!(
                !sentence.ends_with('.') && !sentence.contains("  "),
                "{sentence}"
            );
            assert!(
                sentence.starts_with(char::is_lowercase) || sentence.starts_with("Mixpanel"),
                "{sentence}"
            );
        }
    }

    #[test]
    fn mixpanels_words_are_in_the_sentence() {
        for error in all() {
            assert_eq!(
                error.mixpanel_message().is_some(),
                error.to_string().contains("\"why\""),
                "{error}"
            );
        }
    }

    #[test]
    fn a_limit_says_when_to_ask_again_and_whether_mixpanel_was_asked() {
        let limited = |asked| Error::RateLimited {
            api: Api::Query,
            limit: Limit::Hour,
            retry_after_s: Some(7),
            asked,
            words: None,
        };
        let sentence = limited(true).to_string();
        let told = "the project's requests of this hour to the query API are used up (429); ask again in 7 s, at 2";
        assert!(sentence.starts_with(told), "{sentence}");
        let known = limited(false);
        assert!(known.to_string().contains("Mixpanel was not asked"));
        assert_eq!((limited(true).status(), known.status()), (Some(429), None));
        let facts = known.facts();
        assert_eq!(facts["retry_after_s"], 7);
        assert!(
            facts["retry_at"]
                .as_str()
                .unwrap()
                .parse::<Timestamp>()
                .unwrap()
                > Timestamp::now()
        );
    }
}
