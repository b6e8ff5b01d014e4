//! Retrievals and deletions of persons' data, for GDPR and CCPA. They take a person's OAuth token and the project's
//! token, no service account. <https://developer.mixpanel.com/reference/gdpr-api>

use serde::Serialize;
use serde_json::{Value, json};

use super::app::MixpanelAppApiClient;
use super::credentials::Secret;
use super::error::Error;
use super::request::{Body, Pairs, Request, Signature, part};
use super::told::{Members, Told};

/// What is to be retrieved.
#[derive(Debug, Clone)]
pub struct DataRetrieval<'a> {
    /// Whose data: 1 to 2,000 distinct ids.
    pub distinct_ids: &'a [String],
    /// `GDPR`, Mixpanel's default, or `CCPA`.
    pub compliance_type: Option<&'a str>,
    /// For CCPA: `Data`, Mixpanel's default, `Categories` or `Sources`.
    pub disclosure_type: Option<&'a str>,
}

/// How far a retrieval is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DataRetrievalStatus {
    /// `PENDING`, `STAGING`, `STARTED`, `SUCCESS`, `FAILURE`, `REVOKED`, `NOT_FOUND` or `UNKNOWN`.
    pub status: String,
    /// Where the data can be downloaded; empty until then. Mixpanel's own pages disagree about the name.
    pub results: String,
    /// Whose data.
    pub distinct_ids: Vec<String>,
}

/// How far a deletion is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DataDeletionStatus {
    /// As [`DataRetrievalStatus::status`]. Until it is `STARTED`, the deletion can be cancelled.
    pub status: String,
    /// The deletion's id.
    pub tracking_id: String,
    /// Who asked for it.
    pub requesting_user: String,
    /// `GDPR` or `CCPA`.
    pub compliance_type: String,
    /// The project, a number.
    pub project_id: String,
    /// When it was asked for.
    pub date_requested: String,
    /// Whose data.
    pub distinct_ids: Vec<String>,
}

impl Told for DataRetrievalStatus {
    fn told(value: Value) -> Option<DataRetrievalStatus> {
        let mut members = Members::of(value)?;
        let results = members.take("results").or_else(|| members.take("result"));
        Some(DataRetrievalStatus {
            status: members.take("status")?,
            results: results.unwrap_or_default(),
            distinct_ids: members.take("distinct_ids").unwrap_or_default(),
        })
    }
}

impl Told for DataDeletionStatus {
    fn told(value: Value) -> Option<DataDeletionStatus> {
        let mut members = Members::of(value)?;
        let mut text = |name| members.take(name).unwrap_or_default();
        Some(DataDeletionStatus {
            tracking_id: text("tracking_id"),
            requesting_user: text("requesting_user"),
            compliance_type: text("compliance_type"),
            date_requested: text("date_requested"),
            status: members.take("status")?,
            project_id: members.id("project_id").unwrap_or_default(),
            distinct_ids: members.take("distinct_ids").unwrap_or_default(),
        })
    }
}

/// Persons' data. `project_token` says which project; one request a second is taken. Errors: [`Error::NoOAuthToken`],
/// and those of a request.
impl MixpanelAppApiClient {
    /// Asks for all data of some users, and gives the id by which to follow it.
    pub fn create_data_retrieval(
        &self,
        project_token: &Secret,
        retrieval: &DataRetrieval<'_>,
    ) -> Result<String, Error> {
        let mut body = json!({"distinct_ids": retrieval.distinct_ids});
        if let Some(compliance_type) = retrieval.compliance_type {
            body["compliance_type"] = compliance_type.into();
        }
        if let Some(disclosure_type) = retrieval.disclosure_type {
            body["disclosure_type"] = disclosure_type.into();
        }
        self.begin("/data-retrievals/v3.0", project_token, &body)
    }

    /// How far a retrieval is.
    pub fn data_retrieval(
        &self,
        project_token: &Secret,
        tracking_id: &str,
    ) -> Result<DataRetrievalStatus, Error> {
        let path = job_path("/data-retrievals/v3.0", tracking_id)?;
        self.results(&asked(path, project_token), "results with a status")
    }

    /// Asks for the deletion of all data of 1 to 1,999 users, and gives the id by which to follow it. It takes up to
    /// 30 days, and can be cancelled until it has started.
    pub fn create_data_deletion(
        &self,
        project_token: &Secret,
        distinct_ids: &[String],
        compliance_type: Option<&str>,
    ) -> Result<String, Error> {
        let mut body = json!({ "distinct_ids": distinct_ids });
        if let Some(compliance_type) = compliance_type {
            body["compliance_type"] = compliance_type.into();
        }
        self.begin("/data-deletions/v3.0", project_token, &body)
    }

    /// How far a deletion is.
    pub fn data_deletion(
        &self,
        project_token: &Secret,
        tracking_id: &str,
    ) -> Result<DataDeletionStatus, Error> {
        let path = job_path("/data-deletions/v3.0", tracking_id)?;
        self.results(&asked(path, project_token), "results with a status")
    }

    /// Cancels a deletion that has not started; afterwards Mixpanel refuses with 405.
    pub fn cancel_data_deletion(
        &self,
        project_token: &Secret,
        tracking_id: &str,
    ) -> Result<(), Error> {
        let path = job_path("/data-deletions/v3.0", tracking_id)?;
        let request = Request {
            body: Body::Delete,
            repeatable: false,
            ..asked(path, project_token)
        };
        self.http.done(&request)
    }

    fn begin(&self, path: &str, project_token: &Secret, body: &Value) -> Result<String, Error> {
        let request = Request {
            body: Body::post(body),
            repeatable: false,
            ..asked(path.to_owned(), project_token)
        };
        let expected = "results with the id of a task";
        let results: Value = self.results(&request, expected)?;
        // One task in Mixpanel's specification, a list of them in its prose.
        let task = match &results {
            Value::Array(tasks) => tasks.first().unwrap_or(&Value::Null),
            task => task,
        };
        let id = task.get("task_id").or_else(|| task.get("tracking_id"));
        let id = id.and_then(Value::as_str).map(str::to_owned);
        id.ok_or(Error::WrongShape { expected })
    }
}

fn asked(path: String, project_token: &Secret) -> Request<'_> {
    Request {
        signature: Signature::OAuth,
        token: Some(project_token),
        ..Request::managed(path, Pairs::new().with("token", project_token.expose()))
    }
}

fn job_path(jobs: &str, tracking_id: &str) -> Result<String, Error> {
    Ok(format!("{jobs}/{}", part("the tracking id", tracking_id)?))
}
