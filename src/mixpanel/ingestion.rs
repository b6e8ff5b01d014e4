//! The ingestion API: events and profiles go in. Sizes and numbers of what is sent are for the callers to keep.
//! <https://developer.mixpanel.com/reference/ingestion-api>

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::Value;

use super::api::Api;
use super::credentials::{ProjectId, Secret};
use super::error::Error;
use super::http::Http;
use super::request::{Body, Pairs, Request, Signature};
use super::told::{Members, Told};

/// Sends events and profiles.
pub struct MixpanelIngestionClient {
    pub(super) http: Http,
}

/// What became of an import. Events that are not among the failed ones are stored, also when some failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportOutcome {
    /// How many events Mixpanel stored.
    pub stored: u64,
    /// The events that it refused, each with the reason. Only these may be sent again, mended.
    pub failed: Vec<FailedRecord>,
}

/// One event that was refused.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailedRecord {
    /// Its place among the events that were sent, from 0.
    pub index: u64,
    /// Its `$insert_id`.
    pub insert_id: Option<String>,
    /// The field that is at fault.
    pub field: Option<String>,
    /// Mixpanel's reason.
    pub message: String,
}

impl Told for FailedRecord {
    fn told(value: Value) -> Option<FailedRecord> {
        let mut members = Members::of(value)?;
        let insert_id = members.maybe("insert_id")?;
        Some(FailedRecord {
            index: members.take("index")?,
            insert_id: insert_id.or(members.maybe("$insert_id")?),
            field: members.maybe("field")?,
            message: members.or_default("message")?,
        })
    }
}

impl MixpanelIngestionClient {
    pub(super) fn new(http: Http) -> MixpanelIngestionClient {
        MixpanelIngestionClient { http }
    }

    /// Imports events of any age, with the caller's service account. Each needs `event`, and in `properties` `time`,
    /// `distinct_id` and `$insert_id`: the last makes it safe to send the same event twice. At most 2,000 events and
    /// 10 MB a call.
    ///
    /// # Errors
    ///
    /// Those of a request. That some events were refused is no error. [`Error::WrongShape`] when Mixpanel does not say
    /// how many it stored.
    pub fn import(
        &self,
        project: &ProjectId,
        events: &[impl Serialize],
    ) -> Result<ImportOutcome, Error> {
        let request = Request {
            body: Body::GzippedJson(gzip(events)),
            answer_under_400: Some("failed_records"),
            // `$insert_id` is fixed, so Mixpanel counts an event once however often it comes.
            ..Request::read(
                Api::Ingestion,
                "/import",
                Pairs::of(project).with("strict", 1),
            )
        };
        self.imported(&request)
    }

    /// Sends what `/import` takes.
    pub(super) fn imported(&self, request: &Request<'_>) -> Result<ImportOutcome, Error> {
        let expected = "the number of imported records";
        self.http.read_value(request, expected, |answer| {
            let mut members = Members::of(answer)?;
            Some(ImportOutcome {
                stored: members.take("num_records_imported")?,
                failed: members.or_default("failed_records")?,
            })
        })
    }

    /// Sends events of the last five days with a project's token; no service account is needed. The token is put
    /// into each event here. At most 2,000 events a call.
    ///
    /// # Errors
    ///
    /// [`Error::RefusedUnder200`] when the events are not well formed, [`Error::PartlyRefused`] when some are not, and
    /// those of a request. Mixpanel does not say whether it knows the token.
    pub fn track(&self, token: &Secret, events: &[Value]) -> Result<(), Error> {
        let events = events
            .iter()
            .cloned()
            .map(|event| with_token_in_properties(event, token))
            .collect();
        self.send("/track", token, events)
    }

    /// Changes profiles of users with a project's token. Each update needs `$distinct_id` and one operator, such as
    /// `$set`; the token is put into each here. At most 2,000 updates a call.
    ///
    /// # Errors
    ///
    /// As [`MixpanelIngestionClient::track`].
    pub fn engage(&self, token: &Secret, updates: &[Value]) -> Result<(), Error> {
        let updates = updates
            .iter()
            .cloned()
            .map(|update| with_member(update, "$token", token))
            .collect();
        self.send("/engage", token, updates)
    }

    /// Changes profiles of groups, as [`MixpanelIngestionClient::engage`] does of users. Each update needs
    /// `$group_key`, `$group_id` and one operator; there is no `$append` and no `$add`.
    ///
    /// # Errors
    ///
    /// As [`MixpanelIngestionClient::track`].
    pub fn groups(&self, token: &Secret, updates: &[Value]) -> Result<(), Error> {
        let updates = updates
            .iter()
            .cloned()
            .map(|update| with_member(update, "$token", token))
            .collect();
        self.send("/groups", token, updates)
    }

    /// Not repeatable: `$add` and `$append` done twice are not the same, and `/track` need not carry an `$insert_id`.
    /// Not packed: `/engage` does not take gzip. `ip=0`: else every user would be placed where this server stands.
    fn send(&self, path: &'static str, token: &Secret, items: Vec<Value>) -> Result<(), Error> {
        let request = Request {
            query: Pairs::new().with("ip", 0).with("verbose", 1),
            signature: Signature::None,
            token: Some(token),
            ..Request::write(Api::Ingestion, path, Body::post(&Value::from(items)))
        };
        self.taken(&request)
    }

    /// Sends what is answered with 1 or 0.
    pub(super) fn taken(&self, request: &Request<'_>) -> Result<(), Error> {
        let expected = "a status of 1";
        let answer: Value = self.http.json(request, expected)?;
        if answer.get("status").unwrap_or(&answer).as_u64() != Some(1) {
            return Err(Error::WrongShape { expected });
        }
        // One good item is enough for a status of 1.
        match answer.get("error") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::String(words)) if words.is_empty() => Ok(()),
            Some(_) => Err(Error::PartlyRefused {
                words: self.http.words(answer.to_string().as_bytes(), request),
            }),
        }
    }
}

fn with_token_in_properties(mut event: Value, token: &Secret) -> Value {
    if let Some(event) = event.as_object_mut() {
        let properties = event
            .entry("properties")
            .or_insert_with(|| Value::Object(Default::default()));
        *properties = with_member(properties.take(), "token", token);
    }
    event
}

fn with_member(mut item: Value, name: &str, token: &Secret) -> Value {
    if let Some(object) = item.as_object_mut() {
        object.insert(name.to_owned(), Value::from(token.expose()));
    }
    item
}

/// Writing into memory cannot fail, and neither can writing a JSON value as JSON.
fn gzip(events: &[impl Serialize]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let _ = serde_json::to_writer(&mut encoder, events);
    encoder.finish().unwrap_or_default()
}
