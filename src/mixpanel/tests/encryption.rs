//! Encrypted connections: whom they trust, and that a stop reaches them.
//!
//! `tls/` holds a root and a certificate for `localhost` that it signed, valid for a hundred years; the root's key is
//! not kept. They are trusted here and nowhere else.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::loopback::{PATIENCE, project};
use crate::mixpanel::{
    BaseUrls, Clients, Config, Error, Mixpanel, SavedFunnel, Secret, ServiceAccount, Stop,
};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 X\r\ncontent-length: 31\r\n\r\n[{\"funnel_id\": 1, \"name\": \"a\"}]";

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/mixpanel/tests/tls")
        .join(name)
}

/// A server with the certificate of `localhost` that hands each connection to `serve`.
fn server(
    mut serve: impl FnMut(StreamOwned<ServerConnection, TcpStream>) + Send + 'static,
) -> SocketAddr {
    let certificate = CertificateDer::from_pem_file(file("localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("localhost.key.pem")).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
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
            serve(StreamOwned::new(connection, stream.unwrap()));
        }
    });
    address
}

fn answer_once(mut stream: StreamOwned<ServerConnection, TcpStream>) {
    use std::io::{Read, Write};

    // A client that does not trust the server never sends a request.
    if matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
        stream.write_all(ANSWER).unwrap();
        stream.flush().unwrap();
    }
}

/// Says when the request has come, and then when the connection has ended.
fn hang(mut stream: StreamOwned<ServerConnection, TcpStream>, noted: &Sender<()>) {
    use std::io::Read;

    assert!(matches!(stream.read(&mut [0; 4096]), Ok(1..)));
    noted.send(()).unwrap();
    while matches!(stream.read(&mut [0; 64]), Ok(1..)) {}
    noted.send(()).unwrap();
}

fn clients(address: SocketAddr, host: &str, ca_file: Option<PathBuf>, stop: Stop) -> Clients {
    let url = format!("https://{host}:{}", address.port());
    let config = Config {
        urls: BaseUrls {
            query: Some(url),
            ..BaseUrls::default()
        },
        account: Some(ServiceAccount {
            username: "user".into(),
            secret: Secret::new("s3cret"),
        }),
        ca_file,
        ..Config::default()
    };
    let mixpanel = Mixpanel::new(config).unwrap();
    let caller = mixpanel.caller(&|_| None, true).unwrap();
    mixpanel.for_caller(caller, stop)
}

#[test]
fn a_root_of_the_file_is_trusted() {
    let address = server(answer_once);
    for host in ["localhost", "127.0.0.1"] {
        let clients = clients(address, host, Some(file("root.pem")), Stop::new());
        let expected = SavedFunnel {
            funnel_id: 1,
            name: "a".into(),
            steps: None,
            creator: None,
        };
        assert_eq!(clients.query.funnels_list(&project()), Ok(vec![expected]));
    }
}

#[test]
fn without_the_file_its_root_is_not_trusted() {
    let address = server(answer_once);
    let error = clients(address, "localhost", None, Stop::new())
        .query
        .funnels_list(&project())
        .unwrap_err();
    let Error::Tls { host, reason } = error else {
        panic!("{error:?}")
    };
    assert_eq!(host, format!("localhost:{}", address.port()));
    assert!(reason.contains("UnknownIssuer"), "{reason}");
}

#[test]
fn a_file_without_a_certificate_is_told() {
    let config = Config {
        ca_file: Some(file("localhost.key.pem")),
        ..Config::default()
    };
    let error = Mixpanel::new(config).map(|_| ()).unwrap_err();
    assert!(
        error.starts_with("MIXPANEL_CA_FILE: ") && error.ends_with("no certificate in it"),
        "{error}"
    );
}

#[test]
fn a_stop_breaks_off_an_encrypted_request() {
    let (noted, notes) = channel();
    let address = server(move |stream| hang(stream, &noted));
    let stop = Stop::new();
    let clients = clients(address, "localhost", Some(file("root.pem")), stop.clone());
    let (done, ended) = channel();
    thread::spawn(move || done.send(clients.query.funnels_list(&project())));

    notes.recv_timeout(PATIENCE).unwrap();
    stop.stop();

    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), Err(Error::Cancelled));
    notes.recv_timeout(PATIENCE).unwrap();
}
