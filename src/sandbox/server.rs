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
