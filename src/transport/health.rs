//! Asks a running server whether it is up, as a container's health check does: there is no curl in an empty root.
//! Plain HTTP on a connection of its own; what the server answers is for [`super::routes`].

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// For the connection, for the question, and between two bytes of the answer. A server that is up answers in a millisecond.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the answer of a healthy server begins.
const WELL: &[u8; 12] = b"HTTP/1.1 200";

/// Asks the server that listens on this address; one that listens on all of the machine's addresses is asked on loopback.
///
/// # Errors
///
/// One line that says why the server does not count as up.
pub fn ask_health(address: SocketAddr) -> Result<(), String> {
    if address.port() == 0 {
        return Err("health: with port 0 nobody knows which one was taken".into());
    }
    let address = reachable(address);
    match ask(address) {
        Ok(begin) if begin == *WELL => Ok(()),
        Ok(begin) => Err(format!(
            "health: http://{address}/health answered {:?}",
            String::from_utf8_lossy(&begin)
        )),
        Err(error) => Err(format!("health: http://{address}/health: {error}")),
    }
}

/// The first bytes of the answer.
fn ask(address: SocketAddr) -> io::Result<[u8; WELL.len()]> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let question = format!("HEAD /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes())?;
    let mut begin = [0; WELL.len()];
    stream.read_exact(&mut begin)?;
    Ok(begin)
}

fn reachable(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, address.port())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// What is said of a server that answers so.
    #[track_caller]
    fn check(answer: &'static str, expected: impl Fn(SocketAddr) -> Result<(), String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = [0; 1024];
            let length = stream.read(&mut question).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&question[..length]).into_owned()
        });
        assert_eq!(ask_health(address), expected(address));
        let question = server.join().unwrap();
        let expected =
            format!("HEAD /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        assert_eq!(question, expected);
    }

    #[test]
    fn a_server_is_up_if_it_says_so_and_only_then() {
        check("HTTP/1.1 200 OK\r\n\r\n", |_| Ok(()));
        check("HTTP/1.1 503 Service Unavailable\r\n\r\n", |address| {
            Err(format!(
                "health: http://{address}/health answered \"HTTP/1.1 503\""
            ))
        });
        check("HTTP/1.1", |address| {
            Err(format!(
                "health: http://{address}/health: failed to fill whole buffer"
            ))
        });
    }

    #[test]
    fn a_server_on_all_addresses_is_asked_on_loopback() {
        for (address, expected) in [
            ("0.0.0.0:5000", "127.0.0.1:5000"),
            ("[::]:5000", "[::1]:5000"),
            ("192.0.2.1:5000", "192.0.2.1:5000"),
        ] {
            assert_eq!(
                reachable(address.parse().unwrap()),
                expected.parse().unwrap()
            );
        }
    }

    #[test]
    fn a_port_that_the_system_picks_cannot_be_asked() {
        let error = ask_health("127.0.0.1:0".parse().unwrap()).unwrap_err();
        assert_eq!(
            error,
            "health: with port 0 nobody knows which one was taken"
        );
    }
}
