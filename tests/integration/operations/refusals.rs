//! The sandbox's refusals: whatever the reason, in the form that Mixpanel documents for the operation.

use std::collections::BTreeSet;

use mixpanel_mcp_server::sandbox::Sandbox;

use crate::contract;
use crate::support::Recorder;

/// Base64 of `sandbox:sandbox`, who may do everything.
const ADMIN: &str = "Basic c2FuZGJveDpzYW5kYm94";
/// Base64 of `viewer:viewer`, who may only look.
const VIEWER: &str = "Basic dmlld2VyOnZpZXdlcg==";
/// Base64 of `nobody:nobody`.
const STRANGER: &str = "Basic bm9ib2R5Om5vYm9keQ==";
const PERSON: &str = "Bearer sandbox-oauth";

const MISSING: &str = "5d2e6c1a-0000-4000-8000-000000000000";
const TABLE: &str = "/lookup-tables/1297297a-43a7-4cac-82b0-635d2bd88aac?project_id=12345";
const ANNOTATIONS: &str = "/api/app/projects/12345/annotations";
const SCHEMAS: &str = "/api/app/projects/12345/schemas";
const IMPORTS: &str = "/api/app/projects/12345/warehouse-sources/imports";
const FLAGS: &str = "/api/app/projects/12345/workspaces/1234500/feature-flags";
const EXPERIMENTS: &str = "/api/app/workspaces/1234500/experiments";
const ACCOUNTS: &str = "/api/app/organizations/500/service-accounts";
const PIPELINE: &str = "/api/2.0/nessie/pipeline";
const DAYS: &str = "project_id=12345&from_date=2026-01-01&to_date=2026-01-02";

/// A content type and a body.
type Body<'a> = (&'a str, &'a str);
const NOTHING: Body<'static> = ("", "");

const fn json(body: &str) -> Body<'_> {
    ("application/json", body)
}

const fn form(body: &str) -> Body<'_> {
    ("application/x-www-form-urlencoded", body)
}

const fn csv(body: &str) -> Body<'_> {
    ("text/csv", body)
}

/// A sandbox behind a recorder.
struct Stand {
    _sandbox: Sandbox,
    recorder: Recorder,
    agent: ureq::Agent,
}

impl Stand {
    fn new() -> Stand {
        let sandbox = Sandbox::start().unwrap();
        let recorder = Recorder::before(&sandbox.url());
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .build()
            .new_agent();
        Stand {
            _sandbox: sandbox,
            recorder,
            agent,
        }
    }

    /// Asks, and wants to be refused with `status` in the documented form; the operation that was meant.
    #[track_caller]
    fn refuses(
        &self,
        credentials: &str,
        (status, method, target, (content_type, body)): (u16, &str, &str, Body<'_>),
    ) -> &'static str {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.recorder.url()));
        if !credentials.is_empty() {
            request = request.header("Authorization", credentials);
        }
        if !content_type.is_empty() {
            request = request.header("Content-Type", content_type);
        }
        self.agent
            .run(request.body(body.to_owned()).unwrap())
            .unwrap();
        let exchanges = self.recorder.take_exchanges();
        let verdict = contract::judge(&exchanges[0]);
        let body = String::from_utf8_lossy(&exchanges[0].answer.body);
        let at = format!("{method} {target}: {body}");
        assert_eq!(exchanges[0].answer.status, status, "{at}");
        assert_eq!(verdict.faults, Vec::<String>::new(), "{at}");
        assert!(!verdict.is_good, "{at}");
        verdict.operation.unwrap()
    }
}

#[test]
fn every_operation_refuses_strangers_in_its_documented_form() {
    let stand = Stand::new();
    let (mut refused, mut guarded) = (BTreeSet::new(), BTreeSet::new());
    for (method, path, id) in contract::guarded() {
        for credentials in ["", STRANGER] {
            refused.insert(stand.refuses(credentials, (401, method, &path, NOTHING)));
        }
        guarded.insert(id);
    }
    // A merge is told from an import by its events, and those of a stranger are not read.
    guarded.remove("identity-merge");
    assert_eq!(refused, guarded);
}

#[rustfmt::skip] // A row reads best as a row.
#[test]
fn what_is_wrong_with_a_request_is_said_in_the_documented_form() {
    let untimed = r#"[{"event": "a", "properties": {"distinct_id": "u", "$insert_id": "i"}}]"#;
    let stand = Stand::new();
    for row in [
        (400, "POST", "/import?strict=1&project_id=12345", json(untimed)),
        (400, "POST", "/import?strict=1&project_id=12345", json("{")),
        (400, "POST", "/import?strict=1&project_id=99999", json("[]")),
        // An error with a good status.
        (200, "POST", "/track?verbose=1", json(r#"[{"event": "a", "properties": {}}]"#)),
        (200, "POST", "/engage?verbose=1&ip=0", json(r#"[{"$token": "sandbox", "$set": {}}]"#)),
        (200, "POST", "/engage", json("{")),
        (404, "PUT", &format!("/lookup-tables/{MISSING}?project_id=12345"), csv("id,name\n1,a\n")),
        (400, "PUT", TABLE, csv("id,name\n1\n")),
        (400, "GET", "/flags?project_id=12345", NOTHING),

        (400, "GET", "/api/2.0/export?project_id=12345&from_date=2026-01-01&to_date=9999-01-01", NOTHING),
        (400, "GET", "/api/2.0/export?project_id=12345", NOTHING),
        (400, "POST", &format!("{PIPELINE}/create"), form("project_id=12345&type=gcs-raw")),
        (404, "POST", &format!("{PIPELINE}/pause"), form("project_id=12345&name=none")),
        (404, "POST", &format!("{PIPELINE}/resume"), form("project_id=12345&name=none")),
        (404, "POST", &format!("{PIPELINE}/cancel"), form("project_id=12345&name=none")),

        (400, "GET", &format!("/api/query/segmentation?{DAYS}"), NOTHING),
        (400, "GET", "/api/query/retention?project_id=99999", NOTHING),
        (403, "GET", "/api/query/events?project_id=1", NOTHING),
        (400, "POST", "/api/query/jql?project_id=12345", form("script=1")),

        (403, "GET", "/api/app/projects/1/annotations", NOTHING),
        (404, "GET", &format!("{ANNOTATIONS}/1"), NOTHING),
        (400, "POST", ANNOTATIONS, json(r#"{"date": "soon", "description": "a"}"#)),
        (400, "POST", ANNOTATIONS, json("{")),
        (403, "GET", "/api/app/workspaces/1/experiments", NOTHING),
        (404, "GET", &format!("{EXPERIMENTS}/none"), NOTHING),
        (400, "POST", EXPERIMENTS, json("{}")),
        (404, "GET", &format!("{FLAGS}/{MISSING}"), NOTHING),
        (400, "POST", FLAGS, json("{}")),
        (404, "GET", &format!("{SCHEMAS}/event/none"), NOTHING),
        (400, "POST", &format!("{SCHEMAS}/event/a"), json(r#"{"properties": 1}"#)),
        (403, "GET", "/api/app/organizations/1/service-accounts", NOTHING),
        (404, "GET", &format!("{ACCOUNTS}/99"), NOTHING),
        (400, "POST", ACCOUNTS, json("{}")),
        (400, "POST", &format!("{ACCOUNTS}/add-to-project"), json("{}")),
        (404, "GET", &format!("{IMPORTS}/1"), NOTHING),
        (400, "POST", &format!("{IMPORTS}/people"), json("{}")),
    ] {
        stand.refuses(ADMIN, row);
    }
    for row in [
        (403, "POST", ANNOTATIONS, json(r#"{"date": "2026-01-01 00:00:00", "description": "a"}"#)),
        (403, "POST", EXPERIMENTS, json(r#"{"name": "a"}"#)),
        (403, "DELETE", SCHEMAS, NOTHING),
        (403, "GET", ACCOUNTS, NOTHING),
        (403, "PUT", &format!("{IMPORTS}/1/manual-sync"), json("{}")),
        (403, "POST", &format!("{PIPELINE}/cancel"), form("project_id=12345&name=none")),
    ] {
        stand.refuses(VIEWER, row);
    }
    for row in [
        (403, "POST", "/api/app/data-deletions/v3.0?token=none", json(r#"{"distinct_ids": ["a"]}"#)),
        (400, "POST", "/api/app/data-retrievals/v3.0?token=sandbox", json(r#"{"distinct_ids": []}"#)),
        (404, "GET", &format!("/api/app/data-deletions/v3.0/{MISSING}?token=sandbox"), NOTHING),
    ] {
        stand.refuses(PERSON, row);
    }
}
