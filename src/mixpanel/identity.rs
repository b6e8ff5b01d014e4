//! Identities: which ids mean the same person. None of it can be undone.
//! <https://developer.mixpanel.com/reference/identities>

use serde_json::{Value, json};

use super::api::Api;
use super::credentials::{ProjectId, Secret};
use super::error::Error;
use super::ingestion::{ImportOutcome, MixpanelIngestionClient};
use super::request::{Body, Pairs, Request, Signature};

/// Identities, for projects with Original ID Merge.
impl MixpanelIngestionClient {
    /// Says that the anonymous id, a UUID of version 4, is the user of the other id.
    ///
    /// # Errors
    ///
    /// As [`MixpanelIngestionClient::track`].
    pub fn create_identity(
        &self,
        token: &Secret,
        identified_id: &str,
        anonymous_id: &str,
    ) -> Result<(), Error> {
        let properties = json!({
            "$identified_id": identified_id, "$anon_id": anonymous_id, "token": token.expose(),
        });
        self.identify("$identify", properties, token)
    }

    /// Gives the user of `distinct_id` another id.
    ///
    /// # Errors
    ///
    /// As [`MixpanelIngestionClient::track`].
    pub fn create_alias(
        &self,
        token: &Secret,
        distinct_id: &str,
        alias: &str,
    ) -> Result<(), Error> {
        let properties =
            json!({"distinct_id": distinct_id, "alias": alias, "token": token.expose()});
        self.identify("$create_alias", properties, token)
    }

    /// Makes one user of two. The service account signs it: Mixpanel takes this by import only.
    ///
    /// # Errors
    ///
    /// Those of a request. That the ids were refused is no error: it stands in the outcome.
    pub fn merge_identities(
        &self,
        project: &ProjectId,
        distinct_ids: [&str; 2],
    ) -> Result<ImportOutcome, Error> {
        let merge = json!({"event": "$merge", "properties": {"$distinct_ids": distinct_ids}});
        let request = Request {
            query: Pairs::of(project).with("strict", 1),
            answer_under_400: Some("failed_records"),
            ..Request::write(Api::Ingestion, "/import", Body::post(&json!([merge])))
        };
        self.imported(&request)
    }

    fn identify(&self, event: &str, properties: Value, token: &Secret) -> Result<(), Error> {
        let data = json!({"event": event, "properties": properties});
        let form = Pairs::new()
            .with("data", data)
            .with("ip", 0)
            .with("verbose", 1);
        let request = Request {
            signature: Signature::None,
            token: Some(token),
            ..Request::write(Api::Ingestion, "/track", Body::Form(form))
        };
        self.taken(&request)
    }
}
