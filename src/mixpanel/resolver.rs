//! Names of hosts to addresses, kept for a short while.
//!
//! ureq looks a name up before each request, also when a connection is there to be used again, and cannot be
//! interrupted in it. A static binary has no name service cache behind it, so that would cost each request a round trip.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::stop::current_is_stopped;

/// As short as the lifetime of the records of large services.
const KEPT: Duration = Duration::from_secs(60);
/// Four APIs in three regions are twelve; the rest is for proxies.
const HOSTS_MAX: usize = 32;
/// As many as ureq takes.
const ADDRESSES_MAX: usize = 16;
/// How often a lookup looks for a stop.
const SLICE: Duration = Duration::from_millis(50);

/// Looks names up, and keeps what it found.
#[derive(Default)]
pub(super) struct KeepingResolver {
    kept: Mutex<HashMap<String, Kept>>,
}

struct Kept {
    until: Instant,
    addresses: Vec<SocketAddr>,
}

impl Resolver for KeepingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let default_port = if uri.scheme_str() == Some("http") {
            80
        } else {
            443
        };
        let port = uri.port_u16().unwrap_or(default_port);
        let mut resolved = self.empty();
        let family = config.ip_family();
        let mut take = |addresses: &mut dyn Iterator<Item = SocketAddr>| {
            family
                .keep_wanted(addresses)
                .take(ADDRESSES_MAX)
                .for_each(|address| resolved.push(address));
        };
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => take(&mut [SocketAddr::new(address, port)].into_iter()),
            Err(_) => self.with_addresses(host, port, timeout, |addresses| {
                take(&mut addresses.iter().copied());
            })?,
        }
        if resolved.is_empty() {
            Err(ureq::Error::HostNotFound)
        } else {
            Ok(resolved)
        }
    }
}

impl KeepingResolver {
    /// Uses the addresses of a host: those that are kept, else new ones.
    #[inline(never)]
    fn with_addresses(
        &self,
        host: &str,
        port: u16,
        timeout: NextTimeout,
        using: impl FnOnce(&[SocketAddr]),
    ) -> Result<(), ureq::Error> {
        let name = format!("{host}:{port}");
        {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(kept) = kept.get(&name).filter(|kept| kept.until > Instant::now()) {
                using(&kept.addresses);
                return Ok(());
            }
        }
        let addresses = look_up(name.clone(), timeout)?;
        using(&addresses);
        self.keep(name, &addresses);
        Ok(())
    }

    fn keep(&self, name: String, addresses: &[SocketAddr]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= HOSTS_MAX {
            kept.clear();
        }
        kept.insert(
            name,
            Kept {
                until: Instant::now() + KEPT,
                addresses: addresses.to_vec(),
            },
        );
    }
}

/// Asks the system in a thread of its own, as the system cannot be told to give up. The thread ends with the lookup,
/// which the system limits to some seconds.
fn look_up(name: String, timeout: NextTimeout) -> Result<Vec<SocketAddr>, ureq::Error> {
    let (found, answer) = sync_channel(1);
    thread::Builder::new()
        .name("lookup".into())
        .spawn(move || {
            // The request may have given up meanwhile.
            let _ = found.send(name.to_socket_addrs().map(Vec::from_iter));
        })?;
    let begun = Instant::now();
    loop {
        match answer.recv_timeout(SLICE) {
            Ok(Ok(addresses)) => return Ok(addresses),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => {
                return Err(ureq::Error::HostNotFound);
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if current_is_stopped() {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into());
        }
        if begun.elapsed() >= *timeout.after {
            return Err(ureq::Error::Timeout(timeout.reason));
        }
    }
}

impl fmt::Debug for KeepingResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeepingResolver")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(resolver: &KeepingResolver, uri: &str, expected: &str) {
        let config = ureq::Agent::config_builder().build();
        let found = resolver
            .resolve(&uri.parse().unwrap(), &config, NextTimeout::default())
            .unwrap();
        assert_eq!(found.to_vec(), [expected.parse().unwrap()]);
    }

    #[test]
    fn an_address_is_taken_as_it_is() {
        let resolver = KeepingResolver::default();
        check(&resolver, "http://127.0.0.1/x", "127.0.0.1:80");
        check(&resolver, "https://[::1]:8443/x", "[::1]:8443");
    }

    #[test]
    fn a_name_that_was_found_is_not_looked_up_again() {
        let resolver = KeepingResolver::default();
        resolver.keep(
            "nowhere.invalid:443".into(),
            &["127.0.0.1:443".parse().unwrap()],
        );
        check(&resolver, "https://nowhere.invalid/x", "127.0.0.1:443");
    }

    #[test]
    fn only_so_many_names_are_kept() {
        let resolver = KeepingResolver::default();
        for number in 0..HOSTS_MAX * 3 {
            resolver.keep(format!("{number}.invalid:443"), &[]);
        }
        assert!(resolver.kept.lock().unwrap().len() <= HOSTS_MAX);
    }
}
