//! The sandbox as its user sees it: started, with an address.

use std::io;

use super::http::Listener;
use super::store::Store;
use super::{routes, time};

/// A Mixpanel in memory, served on loopback until it is dropped. Nothing outlives it.
pub struct Sandbox {
    listener: Listener,
}

impl Sandbox {
    /// Starts on a free port of 127.0.0.1, with the shop's month up to now.
    ///
    /// # Errors
    ///
    /// No port, or no threads, are to be had.
    pub fn start() -> io::Result<Sandbox> {
        let store = Store::new(time::now_ms());
        let listener = Listener::start(move |request| routes::answer(&store, request))?;
        Ok(Sandbox { listener })
    }

    /// `http://127.0.0.1:PORT`. The four APIs are below it, on Mixpanel's own paths: ingestion at the root,
    /// export at `/api/2.0`, query at `/api/query`, app at `/api/app`.
    pub fn url(&self) -> String {
        format!("http://{}", self.listener.address())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use base64::Engine;
    use flate2::read::GzDecoder;
    use serde_json::{Value, json};

    use super::*;
    use crate::sandbox::access::{SECRET, USERNAME, VIEWER_SECRET, VIEWER_USERNAME};
    use crate::sandbox::projects::PROJECT_TOKEN;
    use crate::sandbox::time::{DAY_MS, day_of, now_ms};

    /// A status and a body.
    type Answer = (u16, String);

    fn authorization(username: &str, secret: &str) -> String {
        let pair = format!("{username}:{secret}");
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(pair)
        )
    }

    fn agent() -> ureq::Agent {
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent()
    }

    fn told(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
        let mut response = response.unwrap();
        (
            response.status().as_u16(),
            response.body_mut().read_to_string().unwrap(),
        )
    }

    fn get_as(url: &str, username: &str, secret: &str) -> Answer {
        told(
            agent()
                .get(url)
                .header("authorization", authorization(username, secret))
                .call(),
        )
    }

    fn get(url: &str) -> Answer {
        get_as(url, USERNAME, SECRET)
    }

    fn post(url: &str, content_type: &str, body: &[u8]) -> Answer {
        let request = agent().post(url).header("content-type", content_type);
        told(
            request
                .header("authorization", authorization(USERNAME, SECRET))
                .send(body),
        )
    }

    fn parsed(answer: &Answer) -> Value {
        serde_json::from_str(&answer.1).unwrap()
    }

    fn event(name: &str, user: &str, insert_id: &str, amount: i64) -> Value {
        json!({"event": name, "properties": {
            "time": now_ms() / 1_000 - 60, "distinct_id": user, "$insert_id": insert_id, "amount": amount,
        }})
    }

    /// Yesterday, so that a test at midnight is no exception, and today.
    fn days() -> (String, String) {
        (
            day_of(now_ms() - DAY_MS).to_string(),
            day_of(now_ms()).to_string(),
        )
    }

    #[test]
    fn wrong_credentials_are_refused_in_the_form_of_each_api() {
        let sandbox = Sandbox::start().unwrap();
        let url = sandbox.url();
        for (path, body) in [
            (
                "/api/app/me",
                json!({"status": "error", "error": "Invalid credentials"}),
            ),
            (
                "/api/query/funnels/list?project_id=12345",
                json!({"request": "/api/query/funnels/list?project_id=12345", "error": "Invalid credentials"}),
            ),
            (
                "/api/2.0/export",
                json!({"request": "/api/2.0/export", "error": "Invalid credentials"}),
            ),
        ] {
            let answer = get_as(&format!("{url}{path}"), USERNAME, "wrong");
            assert_eq!((answer.0, parsed(&answer)), (401, body));
        }
        let answer = told(agent().post(format!("{url}/import")).send("[]"));
        let body = json!({"code": 401, "error": "Invalid credentials", "status": "Unauthorized"});
        assert_eq!((answer.0, parsed(&answer)), (401, body));
    }

    #[test]
    fn what_is_imported_shows_up_at_once() {
        let sandbox = Sandbox::start().unwrap();
        let url = sandbox.url();
        let (from, to) = days();
        let events = json!([
            event("Test Bought", "zoe", "a-1", 5),
            event("Test Bought", "zoe", "a-2", 7)
        ]);
        let import = format!("{url}/import?strict=1&project_id=12345");
        let answer = post(&import, "application/json", events.to_string().as_bytes());
        let expected = json!({"code": 200, "num_records_imported": 2, "status": "OK"});
        assert_eq!((answer.0, parsed(&answer)), (200, expected));

        let sum = get(&format!(
            "{url}/api/query/segmentation/sum?project_id=12345&event=Test+Bought&from_date={from}&to_date={to}\
             &on=properties%5B%22amount%22%5D"
        ));
        let results = parsed(&sum)["results"].clone();
        let total: f64 = results
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_f64)
            .sum();
        assert_eq!(total, 12.0);
        let names = parsed(&get(&format!(
            "{url}/api/query/events/names?project_id=12345&type=general"
        )));
        assert!(names.as_array().unwrap().contains(&json!("Test Bought")));
    }

    #[test]
    fn a_bad_event_fails_alone() {
        let sandbox = Sandbox::start().unwrap();
        let url = sandbox.url();
        let mut bad = event("Test Mixed", "zoe", "b-1", 1);
        bad["properties"]["time"] = json!("yesterday");
        let lines = format!("{bad}\n{}\n", event("Test Mixed", "zoe", "b-2", 1));
        let import = format!("{url}/import?strict=1&project_id=12345");
        let answer = post(&import, "application/x-ndjson", lines.as_bytes());
        let expected = json!({
            "code": 400,
            "error": "some data points in the request failed validation",
            "failed_records": [{
                "index": 0,
                "insert_id": "b-1",
                "field": "properties.time",
                "message": "'properties.time' is invalid: must be specified as seconds since epoch",
            }],
            "num_records_imported": 1,
            "status": "Bad Request",
        });
        assert_eq!((answer.0, parsed(&answer)), (400, expected));
        let lax = post(
            &format!("{url}/import?project_id=12345"),
            "application/x-ndjson",
            lines.as_bytes(),
        );
        assert_eq!(lax.0, 200);
    }

    #[test]
    fn an_export_has_duplicates_that_reports_do_not_count() {
        let sandbox = Sandbox::start().unwrap();
        let url = sandbox.url();
        let (from, to) = days();
        let events = json!([
            event("Test Twice", "zoe", "c-1", 5),
            event("Test Twice", "zoe", "c-1", 7)
        ]);
        let import = format!("{url}/import?strict=1&project_id=12345");
        assert_eq!(
            post(&import, "application/json", events.to_string().as_bytes()).0,
            200
        );

        let range = format!("project_id=12345&from_date={from}&to_date={to}");
        let export = get(&format!(
            "{url}/api/2.0/export?{range}&event=%5B%22Test%20Twice%22%5D"
        ));
        assert_eq!(export.0, 200);
        let amounts: Vec<Value> = export
            .1
            .lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["properties"]["amount"].clone()
            })
            .collect();
        assert_eq!(amounts, [json!(5), json!(7)]);

        let counts = parsed(&get(&format!(
            "{url}/api/query/segmentation?{range}&event=Test%20Twice"
        )));
        let values = counts["data"]["values"]["Test Twice"]
            .as_object()
            .unwrap()
            .clone();
        assert_eq!(values.values().filter_map(Value::as_u64).sum::<u64>(), 1);
    }

    #[test]
    fn a_month_is_exported_compressed_and_in_chunks_when_asked() {
        let sandbox = Sandbox::start().unwrap();
        let from = day_of(now_ms() - 31 * DAY_MS);
        let to = day_of(now_ms());
        let url = format!(
            "{}/api/2.0/export?project_id=12345&from_date={from}&to_date={to}",
            sandbox.url()
        );
        let plain = get(&url).1;
        assert!(plain.lines().count() > 10_000);
        assert!(
            plain
                .lines()
                .all(|line| serde_json::from_str::<Value>(line).is_ok())
        );

        // By hand, as the client would unpack it unseen.
        let mut socket =
            std::net::TcpStream::connect(sandbox.url().trim_start_matches("http://")).unwrap();
        let path = url.trim_start_matches(&sandbox.url());
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: gzip\r\nAuthorization: {}\r\n\r\n",
            authorization(USERNAME, SECRET)
        );
        std::io::Write::write_all(&mut socket, head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        let at = answer
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap();
        let (head, mut chunks) = answer.split_at(at + 4);
        let head = String::from_utf8_lossy(head);
        assert!(head.contains("Content-Encoding: gzip"), "{head}");
        assert!(head.contains("Transfer-Encoding: chunked"), "{head}");
        let mut packed = Vec::new();
        loop {
            let line = chunks
                .windows(2)
                .position(|window| window == b"\r\n")
                .unwrap();
            let size =
                usize::from_str_radix(std::str::from_utf8(&chunks[..line]).unwrap(), 16).unwrap();
            packed.extend(&chunks[line + 2..line + 2 + size]);
            chunks = &chunks[line + 4 + size..];
            if size == 0 {
                break;
            }
        }
        let mut unpacked = String::new();
        GzDecoder::new(packed.as_slice())
            .read_to_string(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked.lines().count(), plain.lines().count());
        assert!(unpacked == plain);
    }

    #[test]
    fn tomorrow_cannot_be_exported() {
        let sandbox = Sandbox::start().unwrap();
        let (from, to) = (day_of(now_ms()), day_of(now_ms() + 2 * DAY_MS));
        let answer = get(&format!(
            "{}/api/2.0/export?project_id=12345&from_date={from}&to_date={to}",
            sandbox.url()
        ));
        assert_eq!(answer.0, 400);
        assert_eq!(
            parsed(&answer)["error"],
            json!(" to_date cannot be later than today")
        );
    }

    #[test]
    fn a_viewer_may_query_but_neither_import_nor_see_settings() {
        let sandbox = Sandbox::start().unwrap();
        let url = sandbox.url();
        let viewer = |path: &str| get_as(&format!("{url}{path}"), VIEWER_USERNAME, VIEWER_SECRET);
        assert_eq!(viewer("/api/app/me").0, 200);
        assert_eq!(viewer("/api/query/funnels/list?project_id=12345").0, 200);
        let settings = viewer("/api/app/projects/12345");
        assert_eq!(
            (settings.0, &parsed(&settings)["status"]),
            (403, &json!("error"))
        );
        let import = agent()
            .post(format!("{url}/import?strict=1&project_id=12345"))
            .header(
                "authorization",
                authorization(VIEWER_USERNAME, VIEWER_SECRET),
            )
            .send("[]");
        let import = told(import);
        assert_eq!(
            (import.0, &parsed(&import)["status"]),
            (403, &json!("Forbidden"))
        );
    }

    #[test]
    fn projects_are_a_map_and_settings_carry_secrets() {
        let sandbox = Sandbox::start().unwrap();
        let url = sandbox.url();
        let me = parsed(&get(&format!("{url}/api/app/me")));
        assert_eq!(
            me["results"]["projects"]["12345"]["name"],
            json!("Sandbox Shop")
        );
        assert_eq!(
            me["results"]["projects"]["67890"]["timezone"],
            json!("Europe/Berlin")
        );
        let project = parsed(&get(&format!("{url}/api/app/projects/12345")));
        assert_eq!(
            project["results"]["api_secret"],
            json!("sandbox-api-secret")
        );
        let workspaces = parsed(&get(&format!(
            "{url}/api/app/projects/12345/workspaces/public"
        )));
        assert_eq!(workspaces["results"][0]["project_id"], json!(12345));
    }

    #[test]
    fn unknown_paths_methods_and_projects_are_told_apart() {
        let sandbox = Sandbox::start().unwrap();
        let url = sandbox.url();
        let status = |path: &str| get(&format!("{url}{path}")).0;
        assert_eq!(status("/api/query/nothing"), 404);
        assert_eq!(status("/api/query/cohorts/list?project_id=12345"), 405);
        assert_eq!(status("/api/query/funnels/list"), 400);
        assert_eq!(status("/api/query/funnels/list?project_id=1"), 403);
        assert_eq!(status("/api/app/projects/1"), 403);
        let cluster = get(&format!("{url}/api/query/funnels/list?project_id=99999"));
        assert_eq!(cluster.0, 400);
        assert!(
            cluster.1.contains("Invalid project id for cluster"),
            "{}",
            cluster.1
        );
    }

    #[test]
    fn a_tracked_event_is_seen_if_its_token_is_known() {
        let sandbox = Sandbox::start().unwrap();
        let url = sandbox.url();
        let track = |token: &str, name: &str| {
            let body =
                json!([{"event": name, "properties": {"token": token, "distinct_id": "zoe"}}]);
            told(
                agent()
                    .post(format!("{url}/track?verbose=1&ip=0"))
                    .send(body.to_string()),
            )
        };
        let taken = json!({"status": 1, "error": ""});
        assert_eq!(parsed(&track(PROJECT_TOKEN, "Test Known")), taken);
        assert_eq!(parsed(&track("other", "Test Unknown")), taken);
        let refused = track("", "Test Tokenless");
        assert_eq!((refused.0, &parsed(&refused)["status"]), (200, &json!(0)));

        let names = parsed(&get(&format!(
            "{url}/api/query/events/names?project_id=12345&type=general"
        )));
        let names = names.as_array().unwrap();
        assert!(names.contains(&json!("Test Known")));
        assert!(!names.contains(&json!("Test Unknown")));
        let form = post(
            &format!("{url}/track"),
            "application/x-www-form-urlencoded",
            b"data=%5B%5D",
        );
        assert_eq!(form, (200, "0".into()));
    }

    #[test]
    fn a_profile_that_is_set_can_be_queried() {
        let sandbox = Sandbox::start().unwrap();
        let url = sandbox.url();
        let update =
            json!([{"$token": PROJECT_TOKEN, "$distinct_id": "zoe", "$set": {"plan": "pro"}}]);
        let answer = told(
            agent()
                .post(format!("{url}/engage?verbose=1&ip=0"))
                .send(update.to_string()),
        );
        assert_eq!(parsed(&answer), json!({"status": 1, "error": ""}));
        let form = b"distinct_id=zoe&output_properties=%5B%22plan%22%5D";
        let found = post(
            &format!("{url}/api/query/engage?project_id=12345"),
            "application/x-www-form-urlencoded",
            form,
        );
        let expected = json!([{"$distinct_id": "zoe", "$properties": {"plan": "pro"}}]);
        assert_eq!(parsed(&found)["results"], expected);
    }

    #[test]
    fn a_body_beyond_the_limit_is_413() {
        let sandbox = Sandbox::start().unwrap();
        let import = format!("{}/import?strict=1&project_id=12345", sandbox.url());
        let answer = post(&import, "application/json", &vec![b' '; 13 * 1024 * 1024]);
        let expected = json!({
            "code": 413,
            "error": "request exceeds max limit of 10485760 bytes",
            "status": "Request Entity Too Large",
        });
        assert_eq!((answer.0, parsed(&answer)), (413, expected));
    }

    #[test]
    fn many_at_once_are_all_answered() {
        let sandbox = Sandbox::start().unwrap();
        let url = format!(
            "{}/api/query/events/names?project_id=12345&type=general",
            sandbox.url()
        );
        std::thread::scope(|scope| {
            let askers: Vec<_> = (0..24).map(|_| scope.spawn(|| get(&url).0)).collect();
            for asker in askers {
                assert_eq!(asker.join().unwrap(), 200);
            }
        });
    }
}
