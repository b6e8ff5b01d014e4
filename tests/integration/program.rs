//! The built program as an operator meets it: its answers on a command line, its health check, its trust.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::support::{Program, StdioServer};

fn port_of(url: &str) -> String {
    url.rsplit_once(':').unwrap().1.to_owned()
}

#[test]
fn the_version_is_told() {
    let output = Program::run(&["--version"], &[]);
    assert!(output.status.success());
    let expected = format!("mixpanel-mcp-server {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn health_succeeds_quietly_where_a_server_is_up_also_by_variables_and_behind_a_token() {
    let variables = [
        ("MIXPANEL_MCP_SERVER_HOST", "0.0.0.0"),
        ("MIXPANEL_MCP_ACCESS_TOKEN", "canary"),
        ("MIXPANEL_MCP_ALLOWED_HOSTS", "mcp.example"),
    ];
    let program = Program::start(&["--sandbox"], &variables);
    let port = port_of(&program.server.url());
    let by_variable = [variables[0], ("MIXPANEL_MCP_SERVER_PORT", port.as_str())];
    for output in [
        Program::run(&["health"], &by_variable),
        Program::run(&["health", "--port", &port], &[]),
    ] {
        assert_eq!(output.status.code(), Some(0));
        assert_eq!((output.stdout, output.stderr), (vec![], vec![]));
    }
}

#[test]
fn health_fails_with_a_reason_where_no_server_is() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    let output = Program::run(&["health", "--port", &port], &[]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    let expected = format!("error: health: http://127.0.0.1:{port}/health: ");
    assert!(told.starts_with(&expected), "{told}");
}

#[test]
fn mixpanel_is_asked_over_tls_by_name_where_a_file_names_its_authority() {
    let upstream = encrypted_upstream();
    let url = format!("https://localhost:{}", upstream.port());
    let authority = tls_file("root.pem");
    for (ca_file, expected) in [(authority.as_str(), "Purchase"), ("", "UnknownIssuer")] {
        let variables = [
            ("MIXPANEL_QUERY_URL", url.as_str()),
            ("MIXPANEL_SERVICE_ACCOUNT_USERNAME", "user"),
            ("MIXPANEL_SERVICE_ACCOUNT_SECRET", "s3cret"),
            ("MIXPANEL_PROJECT_ID", "12345"),
            ("MIXPANEL_CA_FILE", ca_file),
        ];
        let mut server = StdioServer::start(&[], &variables);
        server.initialize("2025-11-25");
        let params = json!({"name": "mixpanel_list_saved_funnels", "arguments": {}});
        let answer = server.answer(1, "tools/call", params).to_string();
        assert!(answer.contains(expected), "{ca_file}: {answer}");
    }
}

fn tls_file(name: &str) -> String {
    format!(
        "{}/src/mixpanel/tests/tls/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// A server with a certificate for `localhost` that answers every request with one saved funnel.
fn encrypted_upstream() -> SocketAddr {
    let certificate = CertificateDer::from_pem_file(tls_file("localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(tls_file("localhost.key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            // A client that does not trust the server never sends a request.
            if matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 38\r\n\r\n[{\"funnel_id\": 1, \"name\": \"Purchase\"}]";
                stream.write_all(answer.as_bytes()).unwrap();
                stream.flush().unwrap();
            }
        }
    });
    address
}
