//! No secret leaves the process but in the `Authorization` of a request to Mixpanel, and a project's token in events and
//! profiles: whatever comes back from there, at the most talkative log level.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::server::variables_before;
use crate::support::{Answer, Program, RecordedRequest, StdioServer, Upstream};

/// In every secret, so that a part of one is found too.
const CANARY: &str = "canary";
const SECRET: &str = "canary/of+the=environment";
const PROJECT_TOKEN: &str = "canary-project-token";
const ACCESS_TOKEN: &str = "canary-access-token";
const HEADER_SECRET: &str = "canary-of-a-caller";
const ACCESS: (&str, &str) = ("authorization", "Bearer canary-access-token");
const STREAMS: (&str, &str) = ("accept", "application/json, text/event-stream");

fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

fn auth_data() -> String {
    let data = json!({"serviceaccount_username": "caller", "serviceaccount_secret": HEADER_SECRET});
    base64(&data.to_string())
}

/// Every form of every secret.
fn forms() -> Vec<String> {
    let encoded = [
        base64(&format!("server:{SECRET}")),
        base64(&format!("caller:{HEADER_SECRET}")),
        auth_data(),
    ];
    let encoded = encoded.map(|text| text.trim_end_matches('=').to_owned());
    [vec![CANARY.to_owned()], encoded.into()].concat()
}

#[track_caller]
fn assert_kept(what: &str, text: &str) {
    for form in forms() {
        assert!(!text.contains(&form), "{form} is in {what}: {text}");
    }
}

type Flags = &'static [&'static str];
type Variables = &'static [(&'static str, &'static str)];

/// What an upstream says, given the `Authorization` that it got and the account within.
type Says = fn(&str, &str) -> Answer;

/// A Mixpanel that is told what to say from call to call.
struct Parrot {
    upstream: Upstream,
    says: Arc<Mutex<Says>>,
}

impl Parrot {
    fn start() -> Parrot {
        let says: Arc<Mutex<Says>> = Arc::new(Mutex::new(|_, _| Answer::empty(500)));
        let current = says.clone();
        let upstream = Upstream::answering(move |request, _| {
            let authorization = request.header("authorization").unwrap_or_default();
            let pair = authorization.strip_prefix("Basic ").unwrap_or_default();
            let account = BASE64_STANDARD.decode(pair).unwrap();
            let says = *current.lock().unwrap();
            says(authorization, &String::from_utf8(account).unwrap())
        });
        Parrot { upstream, says }
    }

    fn says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// The variables of a server before it, with a canary in each secret.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let url = self.upstream.url();
        let mut variables = Vec::from(variables_before(&url));
        variables.retain(|(name, _)| !name.starts_with("MIXPANEL_SERVICE_ACCOUNT_"));
        variables.extend([
            ("MIXPANEL_SERVICE_ACCOUNT_USERNAME", "server".to_owned()),
            ("MIXPANEL_SERVICE_ACCOUNT_SECRET", SECRET.into()),
            ("MIXPANEL_PROJECT_TOKEN", PROJECT_TOKEN.into()),
            ("MIXPANEL_OAUTH_TOKEN", "canary-oauth-token".into()),
            ("MIXPANEL_MCP_ACCESS_TOKEN", ACCESS_TOKEN.into()),
            ("MIXPANEL_MCP_SERVER_LOG_LEVEL", "debug".into()),
        ]);
        variables
    }

    /// What was asked holds no secret where none belongs.
    #[track_caller]
    fn assert_asked_in_order(&self) {
        for request in self.upstream.requests() {
            assert_kept("a request", &rest_of(&request));
        }
    }
}

/// A request without the places where secrets belong.
fn rest_of(request: &RecordedRequest) -> String {
    let headers = request.headers.iter();
    let headers: Vec<_> = headers
        .filter(|(name, _)| !name.eq_ignore_ascii_case("authorization"))
        .collect();
    let mut body = String::from_utf8_lossy(&request.body).into_owned();
    for member in ["token", "$token"] {
        body = body.replace(&format!("\"{member}\":\"{PROJECT_TOKEN}\""), "");
    }
    format!("{} {} {headers:?} {body}", request.method, request.target)
}

/// What a Mixpanel, or what is in its place, may say with the secrets in it.
const ECHOES: [Says; 14] = [
    |header, _| Answer::json(401, &json!({"error": format!("no such account: {header}")})),
    |header, account| {
        Answer::text(401, &format!("{account} ({header}) is unknown"))
            .header("WWW-Authenticate", header)
    },
    |header, account| {
        Answer::json(
            400,
            &json!({"error": [account, {"message": header}], "request": header}),
        )
    },
    |header, account| Answer::json(402, &json!({"message": format!("{account} {header}")})),
    |header, account| Answer::json(403, &json!({"detail": format!("{account} {header}")})),
    |header, account| Answer::json(404, &json!({"reason": format!("{account} {header}")})),
    |header, account| {
        Answer::text(429, &format!("{account} {header}")).header("Retry-After", "3600")
    },
    |header, account| Answer::text(500, &format!("{account} {header}")),
    |header, account| {
        let page = format!("http://localhost:1/login?account={account}&header={header}");
        Answer::redirect(&page.replace(' ', "+"))
    },
    |header, account| {
        Answer::json(
            200,
            &json!({"status": "error", "error": format!("{account} {header}")}),
        )
    },
    |header, account| {
        Answer::json(
            200,
            &json!({"status": 0, "error": format!("{account} {header}")}),
        )
    },
    |header, account| {
        Answer::json(
            200,
            &json!({"results": [account, header], "data": header, "code": header}),
        )
    },
    |header, account| Answer::text(200, &format!("<html>{account} {header}</html>")),
    |header, account| Answer::raw(format!("HTTP/1.1 200 {account}\r\n{header}\r\n\r\n")),
];

/// A tool of each API, and of each way to read an answer.
fn calls() -> [(&'static str, Value); 6] {
    let day = json!({"from_date": "2024-01-01", "to_date": "2024-01-02"});
    let events = json!([{"event": "Seen", "properties": {"distinct_id": "ann"}}]);
    let imported = json!({"project_id": "12345", "events": events});
    let properties = json!({"plan": "pro"});
    [
        ("mixpanel_get_projects", json!({})),
        ("mixpanel_list_events", json!({})),
        ("mixpanel_query_events", day),
        (
            "mixpanel_track_event",
            json!({"event": "Seen", "distinct_id": "ann"}),
        ),
        ("mixpanel_import_events", imported),
        (
            "mixpanel_set_user_profile",
            json!({"distinct_id": "ann", "properties": properties}),
        ),
    ]
}

fn request(method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    let pairs = variables.iter();
    pairs.map(|(name, value)| (*name, value.as_str())).collect()
}

#[track_caller]
fn assert_ends_with_nothing_told(program: Program) {
    program.signal(Signal::TERM);
    let (status, stdout, log) = program.ended();
    assert!(status.success());
    assert!(log.contains("DEBUG") || log.contains("INFO"), "{log}");
    assert_kept("the log", &log);
    assert_eq!(stdout, "");
}

#[test]
fn whatever_mixpanel_repeats_the_servers_secrets_reach_nobody() {
    let parrot = Parrot::start();
    let program = Program::start(&[], &borrowed(&parrot.variables()));
    for (number, echo) in ECHOES.into_iter().enumerate() {
        parrot.says(echo);
        for (tool, arguments) in calls() {
            let meta = json!({"progressToken": 1});
            let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
            let body = request("tools/call", params);
            let answer = program.server.post("/mcp", &[ACCESS, STREAMS], &body);
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_kept(
                &format!("what {tool} says to echo {number}"),
                &format!("{answer:?}"),
            );
        }
        for uri in [
            "mixpanel://project/12345",
            "mixpanel://project/12345/events",
        ] {
            let body = request("resources/read", json!({"uri": uri}));
            let answer = program.server.post("/mcp", &[ACCESS], &body);
            assert_kept(
                &format!("what {uri} says to echo {number}"),
                &format!("{answer:?}"),
            );
        }
        let argument = json!({"name": "project_id", "value": ""});
        let reference = json!({"type": "ref/prompt", "name": "weekly_report"});
        let params = json!({"ref": reference, "argument": argument});
        let body = request("completion/complete", params);
        let answer = program.server.post("/mcp", &[ACCESS], &body);
        assert_kept(
            &format!("a completion at echo {number}"),
            &format!("{answer:?}"),
        );
    }
    parrot.assert_asked_in_order();
    assert_ends_with_nothing_told(program);
}

#[test]
fn whatever_mixpanel_repeats_a_callers_secret_is_not_told_in_any_form_it_was_brought_in() {
    let parrot = Parrot::start();
    let program = Program::start(&[], &borrowed(&parrot.variables()));
    let basic = format!("Basic {}", base64(&format!("caller:{HEADER_SECRET}")));
    for (field, value) in [
        ("authorization", basic.clone()),
        ("authorization", format!("Bearer {basic}")),
        ("x-auth-token", format!("caller:{HEADER_SECRET}")),
        ("x-auth-token", format!("caller:{HEADER_SECRET}:12345")),
        ("x-auth-data", auth_data()),
    ] {
        for echo in ECHOES {
            parrot.says(echo);
            let headers = [(field, value.as_str()), STREAMS];
            let body = request("tools/call", json!({"name": "mixpanel_get_projects"}));
            let answer = program.server.post("/mcp", &headers, &body);
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_kept(field, &format!("{answer:?}"));
        }
    }
    parrot.assert_asked_in_order();
    assert_ends_with_nothing_told(program);
}

#[test]
fn credentials_that_are_not_well_formed_are_repeated_nowhere() {
    let parrot = Parrot::start();
    let program = Program::start(&[], &borrowed(&parrot.variables()));
    let pair = base64("caller canary");
    for (field, value) in [
        ("authorization", "Basic canary".to_owned()),
        ("authorization", format!("Basic {pair}")),
        ("authorization", "Bearer canary".into()),
        ("authorization", "Bearer Basic canary".into()),
        ("authorization", "Digest canary".into()),
        ("x-auth-token", "canary".into()),
        ("x-auth-token", "a:canary:canary".into()),
        ("x-auth-data", "canary".into()),
        (
            "x-auth-data",
            base64(r#"{"serviceaccount_secret": "canary"}"#),
        ),
        ("x-mixpanel-oauth-token", "Bearer canary".into()),
        ("x-mixpanel-region", "canary".into()),
        ("origin", "https://canary.example".into()),
        ("host", "canary.example".into()),
        ("mcp-session-id", "canary".into()),
        ("mcp-protocol-version", "canary".into()),
    ] {
        let headers = [(field, value.as_str()), STREAMS, ("x-auth-token", "a:b")];
        let given = if field == "x-auth-token" { 2 } else { 3 };
        let body = request("tools/call", json!({"name": "mixpanel_get_projects"}));
        let answer = program.server.post("/mcp", &headers[..given], &body);
        assert_kept(field, &format!("{answer:?}"));
        assert!(!format!("{answer:?}").contains(pair.trim_end_matches('=')));
    }
    assert_ends_with_nothing_told(program);
}

#[test]
fn what_the_gate_refuses_is_repeated_nowhere() {
    let parrot = Parrot::start();
    let program = Program::start(&[], &borrowed(&parrot.variables()));
    let url = program.server.url();
    for head in [
        "GET /canary HTTP/9.9\r\n",
        "canary /mcp HTTP/1.1\r\nhost: a\r\n",
        "GET canary HTTP/1.1\r\nhost: a\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nauthorization canary\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nauthorization: canary\x01\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nexpect: canary\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: canary\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: canary\r\n",
    ] {
        let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        write!(stream, "{head}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 "), "{answer:?}");
        assert_kept(head, &answer);
    }
    assert_ends_with_nothing_told(program);
}

#[test]
fn the_secrets_of_a_project_are_dropped_from_what_mixpanel_tells_of_it() {
    let parrot = Parrot::start();
    let program = Program::start(&[], &borrowed(&parrot.variables()));
    parrot.says(|_, _| {
        let project = json!({
            "id": 12345, "name": "Shop", "timezone": "UTC", "domain": "MIXPANEL",
            "api_key": "canary-key", "api_secret": "canary-secret", "token": "canary-token",
            "secret": "canary", "workspaces": {}, "organization_id": 1,
        });
        let results = json!({
            "id": 12345, "name": "Shop", "timezone": "UTC", "domain": "MIXPANEL",
            "api_key": "canary-key", "api_secret": "canary-secret", "token": "canary-token",
            "secret": "canary", "projects": {"12345": project}, "workspaces": {},
            "organizations": {"1": {"id": 1, "name": "Org", "token": "canary"}},
        });
        Answer::json(200, &json!({"status": "ok", "results": results}))
    });
    for (method, params) in [
        ("tools/call", json!({"name": "mixpanel_get_projects"})),
        (
            "tools/call",
            json!({"name": "mixpanel_get_project_info", "arguments": {"project_id": "12345"}}),
        ),
        ("resources/read", json!({"uri": "mixpanel://project/12345"})),
        ("resources/list", json!({})),
    ] {
        let answer = program
            .server
            .post("/mcp", &[ACCESS], &request(method, params));
        assert!(answer.body.contains("Shop"), "{answer:?}");
        assert_kept(method, &format!("{answer:?}"));
    }
    assert_ends_with_nothing_told(program);
}

#[test]
fn the_sandbox_keeps_secrets_as_the_server_does() {
    let flags = ["--sandbox", "--log-level", "debug"];
    let program = Program::start(&flags, &[("MIXPANEL_MCP_ACCESS_TOKEN", ACCESS_TOKEN)]);
    let token = format!("caller:{HEADER_SECRET}");
    for (tool, arguments) in calls() {
        for headers in [[ACCESS].as_slice(), &[("x-auth-token", token.as_str())]] {
            let params = json!({"name": tool, "arguments": arguments});
            let body = request("tools/call", params);
            let answer = program.server.post("/mcp", headers, &body);
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_kept(tool, &format!("{answer:?}"));
        }
    }
    assert_ends_with_nothing_told(program);
}

#[test]
fn on_standard_output_no_secret_is_told_either() {
    let parrot = Parrot::start();
    let variables = parrot.variables();
    let mut server = StdioServer::start(&[], &borrowed(&variables));
    server.initialize("2025-11-25");
    for echo in ECHOES {
        parrot.says(echo);
        for (tool, arguments) in calls() {
            let params = json!({"name": tool, "arguments": arguments});
            let answer = server.answer(1, "tools/call", params);
            assert_kept(tool, &answer.to_string());
        }
    }
    server.close_input();
    let (status, _, log) = server.ended();
    assert!(status.success());
    assert_kept("the log", &log);
}

#[test]
fn settings_that_are_refused_tell_no_secret() {
    let cases: [(Flags, Variables); 7] = [
        (&[], &[("MIXPANEL_SERVICE_ACCOUNT_SECRET", "canary")]),
        (&["MIXPANEL_SERVICE_ACCOUNT_SECRET=canary"], &[]),
        (&["--mixpanel-service-account-secret=canary"], &[]),
        (&["--sandbox=canary"], &[]),
        (&["--stdio", "canary"], &[]),
        (
            &[],
            &[("MIXPANEL_QUERY_URL", "https://me:canary@example.com")],
        ),
        (
            &[],
            &[("MIXPANEL_APP_URL", "https://example.com/?key=canary")],
        ),
    ];
    for (flags, variables) in cases {
        let output = Program::run(flags, variables);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(told.starts_with("error: "), "{told}");
        assert_kept("the error", &told);
    }
}
