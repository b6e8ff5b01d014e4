//! Requests that are as they should be, and for each rule of the check one that breaks it.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::check;
use super::operation::{self, Api};
use crate::support::RecordedRequest;

const FORM: &str = "application/x-www-form-urlencoded";
const SEGMENTATION: &str =
    "/api/query/segmentation?project_id=1&event=Buy&from_date=2026-01-01&to_date=2026-01-31";
const EVENTS: &str = "/api/query/events?project_id=1&event=%5B%22Buy%22%5D&type=general&unit=day";
const RETENTION: &str = "/api/query/retention?project_id=1&from_date=2026-01-01&to_date=2026-01-31";
const FUNNEL: &str =
    "/api/query/funnels?project_id=1&funnel_id=7&from_date=2026-01-01&to_date=2026-01-31";
const IMPORT: &str = "/import?strict=1&project_id=1";
const ENGAGE: &str = "/engage?ip=0&verbose=1";

/// A request to be checked, with a service account unless it says otherwise.
struct Example {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn ask(method: &'static str, target: impl Into<String>) -> Example {
    Example {
        method,
        target: target.into(),
        headers: Vec::new(),
        body: Vec::new(),
    }
    .basic("user:secret")
}

fn get(target: impl Into<String>) -> Example {
    ask("GET", target)
}

/// A body of JSON without credentials, as tracking and profiles take it.
fn open(target: &str, body: Value) -> Example {
    ask("POST", target).without("Authorization").json(&body)
}

impl Example {
    fn header(mut self, name: &'static str, value: impl Into<String>) -> Example {
        self = self.without(name);
        self.headers.push((name, value.into()));
        self
    }

    fn without(mut self, name: &str) -> Example {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    fn basic(self, credentials: &str) -> Example {
        self.header(
            "Authorization",
            format!("Basic {}", STANDARD.encode(credentials)),
        )
    }

    fn json(self, body: &Value) -> Example {
        self.body("application/json", body.to_string())
    }

    fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Example {
        self.body = body.into();
        self.header("Content-Type", content_type)
    }

    fn gzip(mut self) -> Example {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&self.body).unwrap();
        self.body = encoder.finish().unwrap();
        self.header("Content-Encoding", "gzip")
    }

    fn request(self) -> RecordedRequest {
        let mut wire = format!(
            "{} {} HTTP/1.1\r\nHost: mixpanel\r\n",
            self.method, self.target
        );
        for (name, value) in &self.headers {
            write!(wire, "{name}: {value}\r\n").unwrap();
        }
        write!(wire, "Content-Length: {}\r\n\r\n", self.body.len()).unwrap();
        let wire = [wire.into_bytes(), self.body].concat();
        RecordedRequest::read(&mut wire.as_slice())
            .unwrap()
            .unwrap()
    }

    /// Checks that just these deviations are told.
    #[track_caller]
    fn tells(self, expected: &[&str]) {
        let (method, target) = (self.method, self.target.clone());
        assert_eq!(check(&self.request()), expected, "for {method} {target}");
    }
}

fn event(properties: Value) -> Value {
    let mut event = json!({"event": "Buy", "properties": {"time": 1_767_225_600, "distinct_id": "u1", "$insert_id": "a-1"}});
    for (name, value) in properties.as_object().unwrap() {
        event["properties"][name] = value.clone();
    }
    event
}

fn import(properties: Value) -> Example {
    ask("POST", IMPORT).json(&json!([event(properties)]))
}

fn set() -> Value {
    json!({"$token": "t", "$distinct_id": "u1", "$set": {"plan": "a"}})
}

#[test]
fn requests_as_they_should_be_pass() {
    let examples = [
        get(format!("{SEGMENTATION}&on=properties%5B%22plan%22%5D&limit=60")),
        get(SEGMENTATION).basic("project-secret:"),
        get(format!("{EVENTS}&interval=7")),
        get(format!("{EVENTS}&from_date=2026-01-01&to_date=2026-01-31")),
        get(format!("{RETENTION}&born_event=Sign+up&unit=week")),
        get(format!("{FUNNEL}&length=90&length_unit=day")),
        get("/api/2.0/export?project_id=1&from_date=2026-01-01&to_date=2026-01-02&event=%5B%22Buy%22%5D&limit=10"),
        get("/api/2.0/export?from_date=2026-01-01&to_date=2026-01-02").basic("project-secret:"),
        get("/api/2.0/nessie/pipeline/status?project_id=1&name=p&status=a&status=b"),
        ask("POST", "/api/query/cohorts/list?project_id=1"),
        ask("POST", "/api/query/engage?project_id=1").body(FORM, "page=0&filter_by_cohort=%7B%22id%22%3A1%7D"),
        ask("POST", "/api/query/jql?project_id=1").body(FORM, "script=main&params=%7B%7D"),
        ask("POST", "/api/2.0/nessie/pipeline/edit").body(FORM, "name=p&glue_role=r"),
        get("/api/app/me"),
        get("/api/app/me").header("Authorization", "Bearer token"),
        get("/api/app/projects/1/annotations?fromDate=2026-01-01&toDate=2026-01-31"),
        get("/api/app/projects/1/annotations/tags"),
        ask("POST", "/api/app/projects/1/annotations")
            .json(&json!({"date": "2026-01-31 10:00:00", "description": "Launch"})),
        ask("PUT", "/api/app/workspaces/1/experiments/e/launch"),
        get("/api/app/projects/1/schemas/event/a%2Fb"),
        ask("POST", "/api/app/data-deletions/v3.0?token=t")
            .header("Authorization", "Bearer token")
            .json(&json!({"distinct_ids": ["u1"]})),
        import(json!({"plan": {"name": "a", "since": [1, 2]}})),
        import(json!({"distinct_id": ""})).gzip(),
        ask("POST", "/import?strict=1").basic("token:").json(&json!([event(json!({}))])),
        ask("POST", IMPORT).body("application/x-ndjson", format!("{}\n{}\n", event(json!({})), event(json!({})))),
        ask("POST", IMPORT).json(&json!([{"event": "$merge", "properties": {"$distinct_ids": ["a", "b"]}}])),
        open("/track?verbose=1", json!([{"event": "Buy", "properties": {"token": "t", "any": 1}}])),
        ask("POST", "/track").without("Authorization").body(
            FORM,
            "verbose=1&data=%5B%7B%22event%22%3A%22Buy%22%2C%22properties%22%3A%7B%22token%22%3A%22t%22%7D%7D%5D",
        ),
        ask("POST", "/track?verbose=1")
            .without("Authorization")
            .body(FORM, "data=%7B%22event%22%3A%22Buy%22%2C%22properties%22%3A%7B%22token%22%3A%22t%22%7D%7D"),
        ask("POST", "/track?verbose=1").without("Authorization").body(
            FORM,
            "data=%7B%22event%22%3A%22%24create_alias%22%2C%22properties%22%3A\
             %7B%22token%22%3A%22t%22%2C%22alias%22%3A%22a%22%2C%22distinct_id%22%3A%22d%22%7D%7D",
        ),
        open(ENGAGE, json!([set()])),
        open(ENGAGE, json!([set(), {"$token": "t", "$distinct_id": "u1", "$add": {"visits": 1}}])),
        open("/engage?strict=1", json!([{"$token": "t", "$distinct_id": "u1", "$delete": null}])),
        open("/groups?ip=0&verbose=1", json!([
            {"$token": "t", "$group_key": "company", "$group_id": "c1", "$union": {"plans": ["a"]}},
        ])),
        ask("PUT", "/lookup-tables/5d2e6c1a-0000-4000-8000-000000000000?project_id=1").body("text/csv", "id,a\n1,2\n"),
        get("/flags?project_id=1&context=%7B%22distinct_id%22%3A%22u1%22%7D"),
    ];
    for example in examples {
        example.tells(&[]);
    }
}

/// An operation that cannot be reached is not checked.
#[test]
fn each_row_is_found_by_its_own_method_and_path() {
    for row in operation::all().filter(|row| row.picked_by.is_none()) {
        for (name, _) in row.path_values(row.path).unwrap() {
            let is_known = operation::PATH_PARAMETERS
                .iter()
                .any(|(known, _)| *known == name);
            assert!(is_known, "{}: what {name} is, nobody says", row.id);
        }
        let mut path = row.path.to_owned();
        for (name, text) in [
            ("{entityType}", "event"),
            ("{name}", "Buy"),
            ("{id}", "5d2e6c1a-0000-4000-8000-000000000000"),
            ("{experiment_id}", "e"),
            ("{flag_id}", "f"),
            ("{tracking_id}", "t"),
        ] {
            path = path.replace(name, text);
        }
        let segments = path.split('/').map(|segment| {
            if segment.starts_with('{') {
                "1"
            } else {
                segment
            }
        });
        let path = segments.collect::<Vec<_>>().join("/");
        let request = ask(
            row.method,
            format!("{}{path}?nonsense=1", row.api.base_path()),
        )
        .request();
        let faults = check(&request);
        // Found, and its path parameters are right; how it is to be called is for the other tests.
        assert!(
            faults.contains(&"query nonsense: unknown".to_owned()),
            "{}: {faults:?}",
            row.id
        );
        assert!(
            !faults.iter().any(|fault| fault.starts_with("path ")),
            "{}: {faults:?}",
            row.id
        );
    }
}

#[test]
fn an_unknown_path_or_method_is_told() {
    get("/api/query/retention/frequency?project_id=1")
        .tells(&["path /retention/frequency: unknown in Query"]);
    get("/api/2.0/segmentation?project_id=1").tells(&["path /segmentation: unknown in Data"]);
    get("/api/queryx/segmentation").tells(&["path /api/queryx/segmentation: unknown in Ingestion"]);
    ask("POST", "/api/query/segmentation")
        .tells(&["method POST: unknown for /segmentation in Query"]);
    assert_eq!(
        Api::ALL.map(Api::base_path),
        ["/api/query", "/api/app", "/api/2.0", ""]
    );
}

#[test]
fn a_path_parameter_of_the_wrong_form_is_told() {
    get("/api/app/projects/one").tells(&["path projectId: must be an integer, got \"one\""]);
    ask("DELETE", "/api/app/projects/1/schemas/events")
        .tells(&["path entityType: must be one of event, profile, custom_event, group, lookup, got \"events\""]);
}

#[test]
fn a_query_that_deviates_is_told() {
    get("/api/query/segmentation?project_id=1&from_date=2026-1-1&to_date=2026-01-31&Event=Buy&to_date=2026-01-31").tells(&[
        "query event: missing",
        "query from_date: must be a date yyyy-mm-dd, got \"2026-1-1\"",
        "query Event: unknown",
        "query to_date: occurs more than once",
    ]);
    get(format!("{EVENTS}&interval=7").replace("%5B%22Buy%22%5D", "Buy"))
        .tells(&["query event: must be a string with JSON: a list, got \"Buy\""]);
    get(format!(
        "{SEGMENTATION}&where=properties%5B%22a%22%5D+%3D+1"
    ))
    .tells(&["query where: = is not an operator (==), in \"properties[\\\"a\\\"] = 1\""]);
    get("/api/2.0/export?project_id=1&from_date=2026-02-01&to_date=2026-01-31&limit=100001").tells(
        &[
            "query limit: must be an integer from 1 to 100000, got 100001",
            "query from_date: is after to_date",
        ],
    );
}

#[test]
fn wrong_credentials_are_told_but_never_repeated() {
    get(SEGMENTATION)
        .without("Authorization")
        .tells(&["authorization: missing, must be one of [ServiceAccount, ProjectSecret]"]);
    for header in [
        "Basic user:secret",
        "Basic",
        "Digest dXNlcjpzZWNyZXQ=",
        "Basic OnNlY3JldA==",
        "Bearer ",
    ] {
        get(SEGMENTATION)
            .header("Authorization", header)
            .tells(&["authorization: is neither Basic with a name and a secret, nor Bearer"]);
    }
    get(SEGMENTATION)
        .header("Authorization", "Bearer token")
        .tells(&["authorization: must be one of [ServiceAccount, ProjectSecret], is OAuthToken"]);
    get("/api/app/projects/1/annotations")
        .basic("project-secret:")
        .tells(&["authorization: must be one of [ServiceAccount], is ProjectSecret"]);
    open(ENGAGE, json!([set()]))
        .basic("user:secret")
        .tells(&["authorization: none belongs here, the project's token stands in the body"]);
    get("/api/2.0/export?from_date=2026-01-01&to_date=2026-01-02")
        .tells(&["query project_id: missing, needed with a service account"]);
}

#[test]
fn a_header_that_deviates_is_told() {
    for name in [
        "X-Auth-Token",
        "X-Auth-Data",
        "X-Mixpanel-Region",
        "Mcp-Session-Id",
        "Mcp-Protocol-Version",
        "Cookie",
        "Origin",
    ] {
        let expected = format!("header {}: must not reach Mixpanel", name.to_lowercase());
        get(SEGMENTATION).header(name, "x").tells(&[&expected]);
    }
    get("/api/2.0/export?project_id=1&from_date=2026-01-01&to_date=2026-01-02")
        .header("Accept-Encoding", "br")
        .tells(&["header Accept-Encoding: must be one of gzip, got \"br\""]);
    open(ENGAGE, json!([set()]))
        .gzip()
        .tells(&["header Content-Encoding: is not taken here"]);
}

#[test]
fn a_body_of_the_wrong_form_is_told() {
    get(SEGMENTATION)
        .json(&json!({}))
        .tells(&["body: none belongs here"]);
    ask("POST", IMPORT).tells(&["body: missing"]);
    ask("POST", "/api/query/jql?project_id=1").tells(&["body: missing"]);
    import(json!({}))
        .without("Content-Type")
        .tells(&["content type: missing, must be one of application/json, application/x-ndjson"]);
    ask("POST", "/api/query/jql?project_id=1")
        .json(&json!({"script": "main"}))
        .tells(&[
            "content type: must be one of application/x-www-form-urlencoded, got application/json",
        ]);
    ask("POST", IMPORT)
        .body("application/json", "[")
        .tells(&["body: is not application/json: EOF while parsing a list at line 1 column 1"]);
    ask("POST", IMPORT)
        .body("application/x-ndjson", "{}\n{\n")
        .tells(&[
            "body: is not application/x-ndjson: EOF while parsing an object at line 1 column 1",
        ]);
    ask("POST", IMPORT)
        .body("application/json", b"\xff".as_slice())
        .tells(&["body: is not UTF-8"]);
    ask("POST", IMPORT)
        .json(&json!({}))
        .tells(&["body: must be a list, got {}"]);
    ask("POST", IMPORT)
        .json(&json!([]))
        .tells(&["body: must not be empty"]);
    ask("POST", IMPORT)
        .body(
            "application/x-ndjson",
            json!({"event": "$merge", "properties": {"$distinct_ids": ["a"]}}).to_string(),
        )
        .tells(&["body[0].properties.$distinct_ids: must have 2 to 2 items, has 1"]);
    ask("POST", "/api/app/projects/1/annotations")
        .json(&json!({"date": "2026-01-31", "text": "Launch"}))
        .tells(&[
            "body.date: must be a time yyyy-mm-dd hh:mm:ss, got \"2026-01-31\"",
            "body.description: missing",
            "body.text: unknown",
        ]);
    ask("POST", "/api/query/engage?project_id=1")
        .body(FORM, "page=x&where=a&where=b&output=1")
        .tells(&[
            "form page: must be an integer, got \"x\"",
            "form where: occurs more than once",
            "form output: unknown",
        ]);
    ask("POST", "/api/2.0/nessie/pipeline/edit")
        .body(FORM, "glue_role=r")
        .tells(&["form name: missing"]);
}

#[test]
fn the_variant_of_an_endpoint_is_picked_by_its_body() {
    open(
        ENGAGE,
        json!([{"$token": "t", "$distinct_id": "u1", "$add": {"visits": "1"}}]),
    )
    .tells(&["body[0].$add.visits: must be a number, got \"1\""]);
    open(
        ENGAGE,
        json!([{"$token": "t", "$distinct_id": 1, "$set": {}, "$once": {}}]),
    )
    .tells(&[
        "body[0].$distinct_id: must be a string, got 1",
        "body[0].$once: unknown",
    ]);
    open(
        ENGAGE,
        json!([set(), {"$token": "t", "$distinct_id": "u1", "$unset": []}]),
    )
    .tells(&["body[1].$unset: must not be empty"]);
    open("/track?verbose=1", json!([
        {"event": "$identify", "properties": {"$identified_id": "u1", "$anon_id": "a", "token": "t"}},
    ]))
    .tells(&["body[0].properties.$anon_id: must be a UUID, got \"a\""]);
    open(
        "/groups?verbose=1&ip=0",
        json!([{"$token": "t", "$group_key": "k", "$group_id": "i", "$append": {}}]),
    )
    .tells(&["body[0].$set: missing", "body[0].$append: unknown"]);
}

#[test]
fn an_import_that_mixpanel_would_refuse_is_told() {
    import(json!({"$insert_id": "a_1"}))
        .tells(&["body[0].properties.$insert_id: \"a_1\" is refused as an id"]);
    let long = "a".repeat(37);
    import(json!({"$insert_id": long})).tells(&[&format!(
        "body[0].properties.$insert_id: {long:?} is refused as an id"
    )]);
    import(json!({"distinct_id": "anonymous"}))
        .tells(&["body[0].properties.distinct_id: \"anonymous\" is refused as an id"]);
    import(json!({"time": 31_535_999})).tells(&["body[0].properties.time: is before 1971"]);
    import(json!({"a": {"b": {"c": {}}}})).tells(&[]);
    import(json!({"a": {"b": {"c": {"d": {}}}}}))
        .tells(&["body[0].properties: nested deeper than 3"]);
    import(json!({"list": vec![0; 254]})).tells(&[]);
    import(json!({"list": vec![0; 255]}))
        .tells(&["body[0].properties: 255 at one place, fewer than 255 are taken"]);
    import(json!({"text": "a".repeat(1024 * 1024)}))
        .tells(&["body[0]: has more than 1048576 bytes"]);
    ask("POST", "/import?strict=0&project_id=1")
        .json(&json!([event(json!({}))]))
        .tells(&["query strict: must be 1, or bad events vanish"]);
}

#[test]
fn a_body_beyond_a_limit_is_told() {
    let many = |count: usize, item: Value| Value::Array(vec![item; count]);
    ask("POST", IMPORT)
        .json(&many(2000, event(json!({}))))
        .tells(&[]);
    ask("POST", IMPORT)
        .json(&many(2001, event(json!({}))))
        .tells(&["body: has 2001 items, at most 2000 are taken"]);
    open(ENGAGE, many(2001, set())).tells(&["body: has 2001 items, at most 2000 are taken"]);
    ask("POST", IMPORT)
        .json(&many(11, event(json!({"text": "a".repeat(1_000_000)}))))
        .gzip()
        .tells(&["body: has more than 10485760 bytes"]);
    ask("POST", "/api/app/data-deletions/v3.0?token=t")
        .header("Authorization", "Bearer token")
        .json(&json!({"distinct_ids": vec!["u"; 2000]}))
        .tells(&["body.distinct_ids: must have 1 to 1999 items, has 2000"]);
    ask(
        "PUT",
        "/lookup-tables/5d2e6c1a-0000-4000-8000-000000000000?project_id=1",
    )
    .body("text/csv", vec![b'a'; 100 * 1024 * 1024 + 1])
    .gzip()
    .tells(&["body: has more than 104857600 bytes"]);
}

#[test]
fn writes_that_would_hide_their_faults_are_told() {
    let tracked = || json!([{"event": "Buy", "properties": {"token": "t"}}]);
    open("/track", tracked())
        .tells(&["query verbose: must be 1, or the reason of a refusal is not told"]);
    open("/track?verbose=1&ip=1&img=1&callback=f", tracked()).tells(&[
        "query ip: must not be 1, which locates users at this server",
        "query img: is for browsers",
        "query callback: is for browsers",
    ]);
    open(
        "/track?verbose=1",
        json!([{"event": "Buy", "properties": {"token": ""}}]),
    )
    .tells(&["body[0].properties.token: missing, and there are no credentials"]);
    open("/engage", json!([set()])).tells(&[
        "query verbose: must be 1 (or strict), or the reason of a refusal is not told",
        "query ip: must be 0, or users are located at this server",
    ]);
    open(
        ENGAGE,
        json!([{"$token": "", "$distinct_id": "u1", "$set": {}}]),
    )
    .tells(&["body[0].$token: is empty, and there are no credentials"]);
}

#[test]
fn questions_that_contradict_themselves_are_told() {
    let dates = "from_date=2026-01-01&to_date=2026-01-31";
    for said in ["", "&from_date=2026-01-01", &format!("&interval=7&{dates}")] {
        get(format!("{EVENTS}{said}"))
            .tells(&["query: needs either interval, or from_date and to_date"]);
    }
    get(format!("{SEGMENTATION}&limit=10")).tells(&["query limit: has no meaning without on"]);
    get(format!("{SEGMENTATION}&on=plan&limit=10001"))
        .tells(&["query limit: must be from 1 to 10000"]);
    get(RETENTION)
        .tells(&["query born_event: missing, needed unless retention_type is compounded"]);
    get(format!(
        "{RETENTION}&retention_type=compounded&unit=day&interval=1"
    ))
    .tells(&["query: unit and interval exclude each other"]);
    get(format!("{FUNNEL}&length=91"))
        .tells(&["query length: must be positive and at most 90 days"]);
    get(format!("{FUNNEL}&length=2161&length_unit=hour"))
        .tells(&["query length: must be positive and at most 90 days"]);
    ask("POST", "/api/query/engage?project_id=1")
        .body(
            FORM,
            "behaviors=%5B%5D&filter_by_cohort=%7B%22id%22%3A1%7D&page=1",
        )
        .tells(&[
            "form: behaviors and filter_by_cohort exclude each other",
            "form session_id: missing, needed beyond page 0",
        ]);
}
