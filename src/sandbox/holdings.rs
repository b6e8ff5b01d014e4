//! What people manage in a project beside its data, and a request about it. Each area has a file of its own.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::access::Account;
use super::fault::Fault;
use super::http::{Request, Response};
use super::projects::{Facts, PROJECT_ID};
use super::random::Random;
use super::shelf::Shelf;
use super::{annotations, experiments, feature_flags, lexicon, lookup_tables, time};

/// Lookup tables together, as JSON.
const TABLE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What is managed in one project.
pub(super) struct Holdings {
    pub(super) facts: &'static Facts,
    pub(super) annotations: Shelf<u64>,
    pub(super) annotation_tags: Shelf<u64>,
    /// By entity type and name.
    pub(super) schemas: Shelf<(String, String)>,
    pub(super) lookup_tables: Shelf<String>,
    pub(super) flags: Shelf<String>,
    pub(super) experiments: Shelf<String>,
    pub(super) imports: Shelf<u64>,
    pub(super) pipelines: Shelf<String>,
    pub(super) retrievals: Shelf<String>,
    pub(super) deletions: Shelf<String>,
    serial: u64,
}

impl Holdings {
    /// The shop's holdings for the shop; nothing for another project.
    pub(super) fn new(facts: &'static Facts, now_ms: i64) -> Holdings {
        let mut holdings = Holdings {
            facts,
            annotations: Shelf::default(),
            annotation_tags: Shelf::default(),
            schemas: Shelf::default(),
            lookup_tables: Shelf::of_bytes(TABLE_BYTES_MAX),
            flags: Shelf::default(),
            experiments: Shelf::default(),
            imports: Shelf::default(),
            pipelines: Shelf::default(),
            retrievals: Shelf::default(),
            deletions: Shelf::default(),
            serial: 0,
        };
        if facts.id == PROJECT_ID {
            annotations::furnish(&mut holdings, now_ms);
            lexicon::furnish(&mut holdings);
            lookup_tables::furnish(&mut holdings);
            feature_flags::furnish(&mut holdings, now_ms);
            experiments::furnish(&mut holdings, now_ms);
        }
        holdings
    }

    /// A number that was never given before.
    pub(super) fn next_id(&mut self) -> u64 {
        self.serial += 1;
        self.facts.id * 1_000 + self.serial
    }

    /// A UUID of version 4 that was never given before; the same in each run.
    pub(super) fn next_uuid(&mut self) -> String {
        let mut random = Random::new(self.next_id());
        let (high, low) = (random.next(), random.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }
}

/// A request about what is managed, from someone who may ask.
pub(super) struct Asked<'r> {
    pub(super) request: &'r Request,
    pub(super) account: Account,
    /// The parts of the path that its route leaves open, decoded; without the first, where that names the project.
    pub(super) parts: Vec<String>,
}

impl<'r> Asked<'r> {
    pub(super) fn new(request: &'r Request, account: Account, parts: &[&str]) -> Asked<'r> {
        let parts = parts
            .iter()
            .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        Asked {
            request,
            account,
            parts,
        }
    }

    pub(super) fn part(&self, nth: usize) -> &str {
        self.parts.get(nth).map_or("", String::as_str)
    }

    /// A part that must be a number.
    pub(super) fn id(&self, nth: usize) -> Result<u64, Fault> {
        let part = self.part(nth);
        part.parse()
            .map_err(|_| Fault::new(404, format!("'{part}' does not exist")))
    }

    /// The moment of the request, `2026-01-31T10:00:00Z`.
    pub(super) fn now(&self) -> String {
        time::instant(self.request.received_ms)
    }

    /// Who made something, in the members that several areas have.
    pub(super) fn author(&self) -> [(String, Value); 3] {
        author(self.account.username)
    }
}

/// Everybody has the id that `/me` says.
pub(super) const USER_ID: u64 = 4711;

/// The members of what `username` made.
pub(super) fn author(username: &str) -> [(String, Value); 3] {
    [
        ("creator_id".to_owned(), json!(USER_ID)),
        ("creator_name".to_owned(), json!(username)),
        (
            "creator_email".to_owned(),
            json!(format!("{username}@serviceaccount.example.com")),
        ),
    ]
}

/// `{"status": "ok", "results": …}`
pub(super) fn results(status: u16, results: &Value) -> Response {
    Response::json(status, &json!({"status": "ok", "results": results}))
}

/// `{"status": "ok"}`
pub(super) fn ok() -> Response {
    Response::json(200, &json!({"status": "ok"}))
}

/// A refusal with HTTP 200, as flags and experiments have it.
pub(super) fn refused(kind: &str, error: impl Into<String>) -> Response {
    let error: String = error.into();
    Response::json(
        200,
        &json!({"status": "error", "type": kind, "error": error}),
    )
}
