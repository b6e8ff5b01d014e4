//! TCP connections that a [`Stop`](super::stop::Stop) can shut down while a request waits on them.
//!
//! ureq's own TCP transport cannot say at each use which request uses the socket, and it asks the system ten times where
//! four do: it sets each time limit anew, to the nanosecond, and looks with three calls whether a connection is open.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use ureq::unversioned::transport::time::{Duration as UreqDuration, Instant as UreqInstant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, ShutdownHandle, Transport,
};

use super::buffers::GrowingBuffers;
use super::fault::NotConnected;
use super::stop::{Line, current_is_stopped};

/// The system cannot be told to give a pending connection up, so each try is short and a stop is looked for between.
/// Longer than most round trips by far, and than the first repetition of a lost packet.
const CONNECT_SLICE: Duration = Duration::from_secs(2);

/// A longer limit of time is kept to the next whole second, so that the socket need not be told of it at each use.
const EXACT_MAX: Duration = Duration::from_secs(10);

/// Opens TCP connections.
#[derive(Default)]
pub(super) struct StoppableTcp;

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
                match connect_one(details, address, timeout) {
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

fn connect_one(
    details: &ConnectionDetails<'_>,
    address: SocketAddr,
    timeout: NextTimeout,
) -> Result<StoppableTransport, ureq::Error> {
    let time = timeout.not_zero().map_or(CONNECT_SLICE, |time| *time);
    let stream = TcpStream::connect_timeout(&address, time)
        .map_err(|error| late_or_broken(error, timeout))?;
    stream.set_nodelay(details.config.no_delay())?;
    let stream = Arc::new(stream);
    let socket: Weak<dyn ShutdownHandle> = {
        let weak: Weak<TcpStream> = Arc::downgrade(&stream);
        weak
    };
    let line = Arc::new(Line::default());
    line.set_socket(socket.clone());
    (details.register_shutdown)(socket)?;
    line.used_by_current()?;
    Ok(StoppableTransport {
        stream,
        buffers: GrowingBuffers::new(details.config.input_buffer_size()),
        rests: false,
        read_time: None,
        write_time: None,
        line,
    })
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
    stream: Arc<TcpStream>,
    buffers: GrowingBuffers,
    /// Nothing was sent or read since it was asked whether it is open.
    rests: bool,
    /// What the socket was told last.
    read_time: Option<Duration>,
    write_time: Option<Duration>,
    line: Arc<Line>,
}

impl fmt::Debug for StoppableTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoppableTransport")
            .field("address", &self.stream.peer_addr().ok())
            .finish()
    }
}

impl Transport for StoppableTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.line.used_by_current()?;
        let timeout = timeout.for_write();
        let time = coarse(timeout)?;
        if time != self.write_time {
            self.stream.set_write_timeout(time)?;
            self.write_time = time;
        }
        self.rests = false;
        let written = (&*self.stream).write_all(self.buffers.written(amount));
        written.map_err(|error| late_or_broken(error, timeout))
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.line.used_by_current()?;
        // The limit of a pause is for a running answer; the first byte has a longer one of its own.
        if timeout.reason == ureq::Timeout::RecvResponse {
            timeout.per_read = None;
        }
        let timeout = timeout.for_read();
        let time = coarse(timeout)?;
        if time != self.read_time {
            self.stream.set_read_timeout(time)?;
            self.read_time = time;
        }
        self.rests = false;
        let input = self.buffers.input_append_buf();
        let amount = loop {
            match (&*self.stream).read(input) {
                Ok(amount) => break amount,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(late_or_broken(error, timeout)),
            }
        };
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        if self.line.used_by_current().is_err() {
            return false;
        }
        // The pool asks when it takes a connection back, and when it gives it out again. What the system says the second
        // time holds for the first one too.
        if !std::mem::replace(&mut self.rests, true) {
            return true;
        }
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        matches!(recv(&*self.stream, &mut [0; 1], flags), Err(Errno::AGAIN))
    }
}

/// A limit as the socket is told it.
fn coarse(timeout: NextTimeout) -> Result<Option<Duration>, ureq::Error> {
    if timeout.after.is_zero() {
        return Err(ureq::Error::Timeout(timeout.reason));
    }
    let rounded = |time: Duration| match time > EXACT_MAX {
        true => Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0)),
        false => time,
    };
    Ok(timeout.not_zero().map(|time| rounded(*time)))
}

fn late_or_broken(error: io::Error, timeout: NextTimeout) -> ureq::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}
