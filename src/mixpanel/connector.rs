//! TCP connections that a [`Stop`](super::stop::Stop) can shut down while a request waits on them.
//!
//! ureq's own TCP transport does the reading, writing and timing; this one only stands in between, to say at each use
//! which request uses the socket.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ureq::unversioned::transport::time::{Duration as UreqDuration, Instant as UreqInstant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, TcpConnector, Transport,
};

use super::fault::NotConnected;
use super::stop::{Line, current_is_stopped};

/// The system cannot be told to give a pending connection up, so each try is short and a stop is looked for between.
/// Longer than most round trips by far, and than the first repetition of a lost packet.
const CONNECT_SLICE: Duration = Duration::from_secs(2);

/// Opens TCP connections.
#[derive(Default)]
pub(super) struct StoppableTcp(TcpConnector);

impl<In: Transport> Connector<In> for StoppableTcp {
    type Out = Either<In, StoppableTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        // A proxy connector before this one has opened the connection, through this one.
        if let Some(transport) = chained {
            return Ok(Some(Either::A(transport)));
        }
        let mut addresses = details.addrs.to_vec();
        let mut fault = io::Error::from(io::ErrorKind::ConnectionRefused);
        while !addresses.is_empty() {
            let mut left = Vec::with_capacity(addresses.len());
            for address in addresses {
                if current_is_stopped() {
                    return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into());
                }
                let mut timeout = remaining(details);
                if timeout.after.is_zero() {
                    return Err(ureq::Error::Timeout(timeout.reason));
                }
                if timeout.after.is_not_happening() || *timeout.after > CONNECT_SLICE {
                    timeout.after = UreqDuration::Exact(CONNECT_SLICE);
                }
                match self.connect_one(details, address, timeout) {
                    Ok(transport) => return Ok(Some(Either::B(transport))),
                    Err(ureq::Error::Timeout(_)) => left.push(address),
                    Err(ureq::Error::Io(error)) => fault = error,
                    Err(error) => return Err(error),
                }
            }
            addresses = left;
        }
        Err(ureq::Error::Other(Box::new(NotConnected(fault))))
    }
}

impl StoppableTcp {
    fn connect_one(
        &self,
        details: &ConnectionDetails<'_>,
        address: std::net::SocketAddr,
        timeout: NextTimeout,
    ) -> Result<StoppableTransport, ureq::Error> {
        let line = Arc::new(Line::default());
        let mut addrs = details.resolver.empty();
        addrs.push(address);
        let single = ConnectionDetails {
            uri: details.uri,
            addrs,
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: (details.current_time)(),
            timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: {
                let line = Arc::clone(&line);
                let register = details.register_shutdown.clone();
                Arc::new(move |socket| {
                    line.set_socket(socket.clone());
                    register(socket)
                })
            },
        };
        let transport = Connector::<()>::connect(&self.0, &single, None)?
            .ok_or(ureq::Error::ConnectionFailed)?;
        line.used_by_current()?;
        Ok(StoppableTransport {
            transport: Box::new(transport),
            line,
        })
    }
}

impl fmt::Debug for StoppableTcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoppableTcp")
    }
}

/// What is left of the time for the connection, after what was tried before.
pub(super) fn remaining(details: &ConnectionDetails<'_>) -> NextTimeout {
    let mut timeout = details.timeout;
    if let (UreqDuration::Exact(after), UreqInstant::Exact(then), UreqInstant::Exact(now)) =
        (timeout.after, details.now, (details.current_time)())
    {
        timeout.after =
            UreqDuration::Exact(after.saturating_sub(now.saturating_duration_since(then)));
    }
    timeout
}

/// A TCP connection that says at each use which request uses it.
pub(super) struct StoppableTransport {
    transport: Box<dyn Transport>,
    line: Arc<Line>,
}

impl fmt::Debug for StoppableTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.transport, f)
    }
}

impl Transport for StoppableTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.line.used_by_current()?;
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.line.used_by_current()?;
        // The limit of a pause is for a running answer; the first byte has a longer one of its own.
        if timeout.reason == ureq::Timeout::RecvResponse {
            timeout.per_read = None;
        }
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.line.used_by_current().is_ok() && self.transport.is_open()
    }
}
