//! Connections that do not come about.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::loopback::{Loopback, project};
use crate::mixpanel::{Error, Phase, Stop};

#[test]
fn a_connection_that_nobody_takes_ends_in_time() {
    let mixpanel = Loopback::acting(vec![]);
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap();
    // Once the queue of the listener is full, the system leaves a new connection unanswered.
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
    }
    let clients = mixpanel.clients_with(Stop::new(), |config| {
        config.urls.query = Some(format!("http://{address}"));
        config.timeouts.connect = Duration::from_millis(300);
    });

    let before = Instant::now();
    let error = clients.query.funnels_list(&project()).unwrap_err();

    assert_eq!(
        error,
        Error::TimedOut {
            phase: Phase::Connect
        }
    );
    assert!(
        before.elapsed() < Duration::from_secs(5),
        "{:?}",
        before.elapsed()
    );
}
