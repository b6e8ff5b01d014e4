//! The HTTP server: behind the gate, tiny_http hands each request to a thread of the crew.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use log::warn;

use crate::mcp::service::Service;

use super::access::Access;
use super::crew::Crew;
use super::gate::{Gate, Limits};
use super::heartbeat::Heartbeat;
use super::routes::Routes;
use super::streams::Streams;

/// Requests that are answered at once, beside those that may be held for long.
const QUICK_REQUESTS: usize = 16;

/// How the server listens and what it allows.
pub struct HttpSettings {
    /// Where.
    pub address: SocketAddr,
    /// Who may come in.
    pub access: Access,
    /// JSON answers always, never an event stream, on `/mcp`.
    pub json_response: bool,
    /// The most calls that run at once.
    pub calls_max: usize,
    /// The most calls that wait for one that runs.
    pub waiting_max: usize,
    /// The most event streams that stay open at once.
    pub streams_max: usize,
    /// What the gate allows; its requests are counted from the three numbers above.
    pub limits: Limits,
}

/// A running server.
pub struct HttpServer {
    gate: Gate,
    server: Arc<tiny_http::Server>,
    crew: Crew,
    streams: Arc<Streams>,
    service: Arc<Service>,
}

impl HttpServer {
    /// Binds the address and begins to serve.
    pub fn start(settings: HttpSettings, service: Arc<Service>) -> io::Result<HttpServer> {
        let listener = TcpListener::bind(settings.address)?;
        let held = settings.calls_max + settings.waiting_max + settings.streams_max;
        let limits = Limits {
            requests: held + QUICK_REQUESTS,
            ..settings.limits
        };
        let (gate, server) = Gate::start(listener, limits)?;
        // Where the system allows fewer requests, fewer may be held, so that there is always room for quick ones.
        let fitting = gate
            .limits()
            .requests
            .saturating_sub(QUICK_REQUESTS)
            .min(held);
        let fitted = |number: usize| (number * fitting / held.max(1)).max(1);
        let heartbeat = Heartbeat::start()?;
        let crew = Crew::new(fitted(settings.calls_max), fitted(settings.waiting_max));
        let streams = Streams::new(fitted(settings.streams_max), heartbeat.clone());
        let routes = Routes::new(
            service.clone(),
            settings.access,
            settings.json_response,
            crew.clone(),
            heartbeat,
            streams.clone(),
            gate.visits(),
        );
        let receiver = server.clone();
        crew.receive(Arc::new(move || match receiver.recv() {
            Ok(request) => {
                routes.serve(request);
                true
            }
            Err(_) => false,
        }));
        Ok(HttpServer {
            gate,
            server,
            crew,
            streams,
            service,
        })
    }

    /// The address that is bound.
    pub fn address(&self) -> SocketAddr {
        self.gate.address()
    }

    /// Lets nobody in any more, ends the streams, and lets running calls end for `patience`; then they are cancelled.
    pub fn stop(&self, patience: Duration) {
        self.service.end_questions();
        thread::scope(|scope| {
            // By a thread of its own: a client that does not read may hold a write up, until the gate cuts it.
            let farewell = thread::Builder::new().spawn_scoped(scope, || self.streams.end_all());
            if let Err(error) = farewell {
                warn!("streams end without a word: {error}");
            }
            self.gate.close(patience);
        });
        self.crew.rest();
        (0..self.crew.receivers()).for_each(|_| self.server.unblock());
    }
}
