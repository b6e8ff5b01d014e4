//! Who may come in, and who may use the server's own account: on this machine, and on every address.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::support::server::{self, HttpAnswer};
use crate::support::{Program, Recorder, TestServer};

const EVERYWHERE: (&str, &str) = ("MIXPANEL_MCP_SERVER_HOST", "0.0.0.0");
const TOKEN: (&str, &str) = ("MIXPANEL_MCP_ACCESS_TOKEN", "open sesame");
const ACCESS: (&str, &str) = ("authorization", "Bearer open sesame");
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn basic(account: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(account))
}

/// Whose account a call was made with, as the recorder saw it; none if Mixpanel was not asked.
fn account_of(
    server: &TestServer,
    recorder: &Recorder,
    headers: &[(&str, &str)],
) -> Result<String, Value> {
    let answer = server.call_with(headers, "mixpanel_get_projects", json!({}));
    let sent = recorder.take();
    if answer.is_error {
        assert_eq!(sent.len(), 0);
        return Err(answer.data["kind"].clone());
    }
    Ok(sent[0].header("authorization").unwrap().to_owned())
}

#[track_caller]
fn assert_challenged(answer: &HttpAnswer) {
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, Some("Bearer realm=\"mixpanel-mcp-server\"")),
        "{answer:?}"
    );
}

#[test]
fn with_an_access_token_set_who_brings_neither_it_nor_an_account_is_401_on_every_address() {
    for host in [("MIXPANEL_MCP_SERVER_HOST", ""), EVERYWHERE] {
        let server = TestServer::start(&["--sandbox"], &[host, TOKEN]);
        let message = format!("/messages/?session_id={}", "0".repeat(32));
        for (method, path, body) in [
            ("POST", "/mcp", PING),
            ("GET", "/sse", ""),
            ("POST", message.as_str(), PING),
        ] {
            let json = ("content-type", "application/json");
            assert_challenged(&server.send(method, path, &[json], body));
            for wrong in ["Bearer open", "Bearer open sesame!", "Bearer OPEN SESAME"] {
                let headers = [json, ("authorization", wrong)];
                assert_challenged(&server.send(method, path, &headers, body));
            }
        }
        assert_eq!(server.send("GET", "/health", &[], "").status, 200);
        assert_eq!(server.post("/mcp", &[ACCESS], PING).status, 200);
    }
}

#[test]
fn the_servers_account_is_for_who_brings_the_token_and_others_use_their_own() {
    for host in [("MIXPANEL_MCP_SERVER_HOST", ""), EVERYWHERE] {
        let sandbox = server::sandbox();
        let recorder = Recorder::before(&sandbox.url());
        let server = TestServer::before_with(&recorder.url(), &[host, TOKEN]);
        let account = |headers: &[(&str, &str)]| account_of(&server, &recorder, headers);
        assert_eq!(account(&[ACCESS]), Ok(basic("sandbox:sandbox")));
        let viewer = basic("viewer:viewer");
        for (name, value) in [
            ("authorization", viewer.as_str()),
            ("authorization", &format!("Bearer {viewer}")),
            ("x-auth-token", "viewer:viewer"),
        ] {
            assert_eq!(account(&[(name, value)]), Ok(viewer.clone()), "{name}");
        }
        // Whoever brings both is let in by the one and asks with the other.
        let both = [ACCESS, ("x-auth-token", "viewer:viewer")];
        assert_eq!(account(&both), Ok(viewer));
    }
}

#[test]
fn on_every_address_without_a_token_the_servers_account_is_for_nobody() {
    let sandbox = server::sandbox();
    let recorder = Recorder::before(&sandbox.url());
    let server = TestServer::before_with(&recorder.url(), &[EVERYWHERE]);
    let account = |headers: &[(&str, &str)]| account_of(&server, &recorder, headers);
    assert_eq!(account(&[]), Err("no_credentials".into()));
    assert_eq!(
        account(&[("x-mixpanel-region", "eu")]),
        Err("no_credentials".into())
    );
    assert_eq!(
        account(&[("x-auth-token", "viewer:viewer")]),
        Ok(basic("viewer:viewer"))
    );
    let mut stream = server.stream("GET", "/sse", &[], "");
    let address = stream.next().unwrap().data;
    let params = json!({"name": "mixpanel_get_projects"});
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    assert_eq!(server.post(&address, &[], &call.to_string()).status, 202);
    assert_eq!(stream.message()["result"]["isError"], true);
    assert_eq!(recorder.take().len(), 0);
}

#[test]
fn an_open_server_says_in_its_log_who_can_do_what() {
    let account = [
        ("MIXPANEL_SERVICE_ACCOUNT_USERNAME", "a"),
        ("MIXPANEL_SERVICE_ACCOUNT_SECRET", "b"),
    ];
    let without: Vec<_> = [EVERYWHERE].into_iter().chain(account).collect();
    let with: Vec<_> = [EVERYWHERE, TOKEN].into_iter().chain(account).collect();
    for (flags, variables, said) in [
        (
            &[][..],
            without,
            "is for nobody, because MIXPANEL_MCP_ACCESS_TOKEN is not set",
        ),
        (
            &[],
            with,
            "is for callers with the access token; others bring their own",
        ),
        (
            &[],
            vec![EVERYWHERE],
            "callers bring Mixpanel credentials of their own",
        ),
        (
            &["--sandbox"],
            vec![EVERYWHERE],
            "everyone who can connect may use the sandbox",
        ),
        (
            &["--sandbox"],
            vec![EVERYWHERE, TOKEN],
            "the sandbox is for callers with the access token",
        ),
    ] {
        let program = Program::start(flags, &variables);
        program.logs(" WARN not only this machine can connect: ");
        program.logs(said);
    }
}

#[test]
fn on_every_address_the_sandbox_is_for_who_may_come_in() {
    let open = TestServer::start(&["--sandbox"], &[EVERYWHERE]);
    let projects = open.data("mixpanel_get_projects", json!({}));
    assert_eq!(projects["projects"][0]["project_id"], "12345");
    let closed = TestServer::start(&["--sandbox"], &[EVERYWHERE, TOKEN]);
    let answer = closed.call_with(&[ACCESS], "mixpanel_get_projects", json!({}));
    assert!(!answer.is_error, "{}", answer.text);
}

#[test]
fn allowed_origins_may_ask_and_read_and_no_others() {
    let page = "https://app.example";
    let server = TestServer::start(
        &[
            "--sandbox",
            "--allowed-origins",
            "https://b.example, https://app.example",
        ],
        &[],
    );
    let preflight = |path: &str, origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "content-type, authorization",
            ),
        ];
        server.send("OPTIONS", path, &headers, "")
    };
    for path in ["/mcp", "/sse", "/messages/"] {
        let answer = preflight(path, page);
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(page));
        assert_eq!(answer.header("vary"), Some("Origin"));
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert!(
            methods.contains("POST") && methods.contains("GET"),
            "{methods}"
        );
        let fields = answer.header("access-control-allow-headers").unwrap();
        for field in [
            "authorization",
            "x-auth-token",
            "mcp-protocol-version",
            "mcp-session-id",
        ] {
            assert!(fields.contains(field), "{field}: {fields}");
        }
        for foreign in [
            "https://evil.example",
            "https://app.example.evil.example",
            "http://app.example",
            "null",
        ] {
            let answer = preflight(path, foreign);
            assert_eq!(answer.status, 403, "{foreign}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    let answer = server.post("/mcp", &[("origin", page)], PING);
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (200, Some(page))
    );
    // Without an origin there is nothing to allow.
    assert_eq!(server.send("OPTIONS", "/mcp", &[], "").status, 405);
}

#[test]
fn a_page_that_may_connect_gets_to_see_that_it_must_bring_a_token() {
    let server = TestServer::start(
        &["--sandbox", "--allowed-origins", "https://app.example"],
        &[TOKEN],
    );
    let answer = server.post("/mcp", &[("origin", "https://app.example")], PING);
    assert_challenged(&answer);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example")
    );
}

#[test]
fn only_allowed_host_names_are_taken_where_some_are_named() {
    let flags = ["--sandbox", "--allowed-hosts", "mcp.example"];
    let server = TestServer::start(&flags, &[EVERYWHERE]);
    for (host, status) in [
        ("mcp.example", 200),
        ("MCP.example:8443", 200),
        ("localhost:1", 200),
        ("evil.example", 403),
        ("mcp.example.evil.example", 403),
    ] {
        let answer = server.post("/mcp", &[("host", host)], PING);
        assert_eq!(answer.status, status, "{host}");
    }
    // Where none is named, a server for others cannot know its names.
    let server = TestServer::start(&["--sandbox"], &[EVERYWHERE]);
    let answer = server.post("/mcp", &[("host", "any.example")], PING);
    assert_eq!(answer.status, 200);
}
