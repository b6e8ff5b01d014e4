//! Lookup tables: CSV that joins further properties to events and profiles.
//! <https://developer.mixpanel.com/reference/lookup-tables>

use serde::Serialize;
use serde_json::Value;

use super::api::Api;
use super::credentials::ProjectId;
use super::error::Error;
use super::ingestion::{FailedRecord, MixpanelIngestionClient};
use super::request::{Body, Pairs, Request, part};
use super::told::{Members, Told};

/// A lookup table of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LookupTable {
    /// Its UUID.
    pub id: String,
    /// Its name.
    pub name: String,
}

impl Told for LookupTable {
    fn told(value: Value) -> Option<LookupTable> {
        let mut members = Members::of(value)?;
        Some(LookupTable {
            id: members.take("id")?,
            name: members.take("name")?,
        })
    }
}

/// Lookup tables. Mixpanel takes 100 of these requests in 24 hours.
impl MixpanelIngestionClient {
    /// The tables of a project.
    ///
    /// # Errors
    ///
    /// Those of a request.
    pub fn lookup_tables(&self, project: &ProjectId) -> Result<Vec<LookupTable>, Error> {
        let request = Request::read(Api::Ingestion, "/lookup-tables", Pairs::of(project));
        let expected = "results with a list of tables";
        self.http.read_value(&request, expected, |answer| {
            Members::of(answer)?.take("results")
        })
    }

    /// Replaces a table's whole content with CSV: a head line, then rows, of which the first column is a unique key.
    /// At most 100 MB. All or nothing: the rows that come back are at fault, up to ten of them, and if there is one,
    /// the table is as it was.
    ///
    /// # Errors
    ///
    /// Those of a request. That rows were refused is no error.
    pub fn replace_lookup_table(
        &self,
        project: &ProjectId,
        id: &str,
        csv: String,
    ) -> Result<Vec<FailedRecord>, Error> {
        let path = format!("/lookup-tables/{}", part("the table's id", id)?);
        let request = Request {
            query: Pairs::of(project),
            answer_under_400: Some("failed_records"),
            ..Request::write(Api::Ingestion, path, Body::PutCsv(csv.into_bytes()))
        };
        self.http.read_value(&request, "a status", |answer| {
            Members::of(answer)?.or_default("failed_records")
        })
    }
}
