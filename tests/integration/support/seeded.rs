//! A sandbox into which a test puts events and profiles of its own, with a server before it and a recorder in between:
//! what comes out can be reckoned by hand, and what was asked can be looked at.

use std::sync::atomic::{AtomicUsize, Ordering};

use mixpanel_mcp_server::sandbox::Sandbox;
use serde_json::{Value, json};

use super::recorder::Recorder;
use super::server::{self, TestServer};
use super::wire::RecordedRequest;

/// Base64 of `sandbox:sandbox`.
const AUTHORIZATION: &str = "Basic c2FuZGJveDpzYW5kYm94";

pub(crate) struct Seeded {
    pub(crate) server: TestServer,
    recorder: Recorder,
    sandbox: Sandbox,
    imported: AtomicUsize,
}

impl Seeded {
    /// Nothing is in it but the shop of the last month.
    pub(crate) fn start() -> Seeded {
        let sandbox = server::sandbox();
        let recorder = Recorder::before(&sandbox.url());
        Seeded {
            server: TestServer::before(&recorder.url()),
            recorder,
            sandbox,
            imported: AtomicUsize::new(0),
        }
    }

    /// Puts events in: name, user, time in UTC as `2024-03-01T10:00:00`, properties.
    #[track_caller]
    pub(crate) fn import(&self, events: &[(&str, &str, &str, Value)]) {
        let events: Vec<Value> = events
            .iter()
            .map(|(event, user, time, properties)| {
                let time: jiff::Timestamp = format!("{time}Z").parse().unwrap();
                let nth = self.imported.fetch_add(1, Ordering::Relaxed);
                let mut properties = properties.clone();
                properties["distinct_id"] = (*user).into();
                properties["time"] = time.as_second().into();
                properties["$insert_id"] = format!("seeded-{nth}").into();
                json!({"event": event, "properties": properties})
            })
            .collect();
        let path = "/import?strict=1&project_id=12345";
        let answer = self.post(path, &Value::from(events));
        assert_eq!(answer["code"], 200, "{answer}");
    }

    /// Sets properties of a user's profile.
    #[track_caller]
    pub(crate) fn set_profile(&self, user: &str, properties: Value) {
        let update = json!([{"$token": "sandbox", "$distinct_id": user, "$set": properties}]);
        let answer = self.post("/engage?verbose=1", &update);
        assert_eq!(answer["status"], 1, "{answer}");
    }

    /// What the server has asked since the last call, but for the project's time zone.
    #[track_caller]
    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        let mut requests = self.recorder.take();
        requests.retain(|request| request.path != "/api/app/me");
        requests
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let text = ureq::post(format!("{}{path}", self.sandbox.url()))
            .header("authorization", AUTHORIZATION)
            .header("content-type", "application/json")
            .send(body.to_string())
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap();
        serde_json::from_str(&text).unwrap()
    }
}
