//! The gate itself: it listens, lets clients in or turns them away, and closes.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{io, mem, thread};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{Shutdown, listen, shutdown, sockopt};

use super::claim_check::make_token;
use super::connection;
use super::gatehouse::Gatehouse;
use super::lane::Lane;
use super::limits::Limits;
use super::place::Place;
use super::refusal::Refusal;
use super::visits::Visits;

/// Enough for a client's thread, which holds its buffers on the heap.
const STACK_BYTES: usize = 128 * 1024;
/// Connections that wait to be accepted, so that a burst does not meet a full queue.
const BACKLOG: i32 = 1024;
/// What the system holds of an answer for one client.
const SEND_BUFFER_BYTES: usize = 256 * 1024;
/// A peer that has vanished without a word is noticed after idle + count × interval.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_COUNT: u32 = 3;
/// Sent bytes that nobody acknowledges.
const UNACKNOWLEDGED_MS_MAX: u32 = 20_000;
/// After a failed `accept`, most likely for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Clients turned away at once whose last bytes are waited for, and as a part of those let in; more are closed at once.
const TURNED_AWAY_MAX: usize = 64;
const TURNED_AWAY_PART: usize = 4;
const TURNED_AWAY_TIME: Duration = Duration::from_secs(1);

/// Stands between the network and tiny_http. Dropped, it closes at once.
pub struct Gate {
    house: Arc<Gatehouse>,
    listener: Arc<TcpListener>,
    address: SocketAddr,
    /// Until the drop.
    server: Option<Arc<tiny_http::Server>>,
}

/// Counts at one moment, for logs and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Client connections.
    pub connections: usize,
    /// Requests behind the gate whose answer has not gone.
    pub requests: usize,
    /// Bytes of request bodies held.
    pub bodies_bytes: usize,
    /// Bytes reserved for answers that slow clients have not taken.
    pub answers_bytes: usize,
    /// Clients turned away since the start because all connections, or all of their address, were taken.
    pub turned_away: u64,
}

impl Gate {
    /// Starts accepting on `listener`, and gives the tiny_http server that hands out claim checks, for which [`Visits::arrival`]
    /// gives the requests.
    ///
    /// # Errors
    /// No socket could be made, or the system gave no random bytes.
    pub fn start(
        listener: TcpListener,
        limits: Limits,
    ) -> io::Result<(Gate, Arc<tiny_http::Server>)> {
        make_token()?;
        prepare(&listener)?;
        let limits = limits.fitted_to_process();
        let address = listener.local_addr()?;
        let listener = Arc::new(listener);
        let (place, socket) = Place::listen()?;
        let is_hidden = matches!(place, Place::Hidden(_));
        let server =
            Arc::new(tiny_http::Server::from_listener(socket, None).map_err(io::Error::other)?);
        if !is_hidden {
            // Its drop panics on a socket without a path, so it lasts as long as the process.
            mem::forget(Arc::clone(&server));
        }
        let house = Arc::new(Gatehouse::new(limits, Lane::open(place)?));
        let (doors, clients) = (Arc::clone(&listener), Arc::clone(&house));
        thread::Builder::new()
            .name("gate".into())
            .spawn(move || accept(&doors, &clients))?;
        Ok((
            Gate {
                house,
                listener,
                address,
                server: Some(Arc::clone(&server)),
            },
            server,
        ))
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The limits that are in force, fitted to what the system allows.
    pub fn limits(&self) -> &Limits {
        &self.house.limits
    }

    /// The requests that are worked on behind the gate.
    pub fn visits(&self) -> Visits {
        self.house.visits.clone()
    }

    /// Lets nobody in any more, closes idle connections, lets running answers end and closes theirs. Returns when all are
    /// gone, or after `patience`, when it cuts the rest. Whoever waits in the server's `recv` goes on waiting.
    pub fn close(&self, patience: Duration) {
        self.house.begin_to_close();
        // Wakes the thread that accepts, and refuses those who come.
        let _ = shutdown(&self.listener, Shutdown::Both);
        self.house.close(patience);
    }

    /// The present counts.
    pub fn figures(&self) -> Figures {
        Figures {
            connections: self.house.open_count(),
            requests: self.house.admissions.given(),
            bodies_bytes: self.house.bodies.held(),
            answers_bytes: self.house.answers.held(),
            turned_away: self.house.turned_away.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
        // tiny_http's own accepting thread ends at the first connection after its server's drop. If somebody still holds the
        // server, the thread waits for ever, without cost.
        if let Some(server) = self.server.take().and_then(Arc::into_inner) {
            drop(server);
            self.house.lane.nudge();
        }
    }
}

/// Accepted sockets inherit all but the last.
fn prepare(listener: &TcpListener) -> io::Result<()> {
    sockopt::set_tcp_nodelay(listener, true)?;
    sockopt::set_socket_keepalive(listener, true)?;
    sockopt::set_tcp_keepidle(listener, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(listener, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(listener, KEEPALIVE_COUNT)?;
    sockopt::set_tcp_user_timeout(listener, UNACKNOWLEDGED_MS_MAX)?;
    sockopt::set_socket_send_buffer_size(listener, SEND_BUFFER_BYTES)?;
    listen(listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(())
}

fn accept(listener: &TcpListener, house: &Arc<Gatehouse>) {
    let turning_away = Arc::new(AtomicUsize::new(0));
    let mut failing = false;
    while !house.is_closing() {
        let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], None);
        match listener.accept() {
            Ok((stream, address)) => {
                failing = false;
                let_in(house, stream, address, &turning_away);
            }
            Err(_) if house.is_closing() => {}
            // Of one client, or of nobody: the next may do better.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::Interrupted
                        | io::ErrorKind::WouldBlock
                ) => {}
            Err(error) => {
                if !mem::replace(&mut failing, true) {
                    log::warn!("cannot accept connections for now: {error}");
                }
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

fn let_in(
    house: &Arc<Gatehouse>,
    stream: TcpStream,
    address: SocketAddr,
    turning_away: &Arc<AtomicUsize>,
) {
    let (stream, refusal) = match house.enter(stream, address) {
        Ok(entry) => {
            let clients = Arc::clone(house);
            let guest = Arc::clone(&entry.guest);
            let served = thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn(move || connection::serve(&clients, &entry));
            if let Err(error) = served {
                log::warn!("no thread for a connection: {error}");
                connection::refuse(&guest.stream, &Refusal::ConnectionsTaken, false);
            }
            return;
        }
        Err(refused) => refused,
    };
    house.turned_away.fetch_add(1, Ordering::Relaxed);
    log::debug!("{address} is turned away: {refusal}");
    let at_once = TURNED_AWAY_MAX.min(house.limits.connections.div_ceil(TURNED_AWAY_PART));
    turn_away(stream, &refusal, turning_away, at_once);
}

/// Answers, and closes so that the answer arrives.
fn turn_away(
    stream: TcpStream,
    refusal: &Refusal,
    turning_away: &Arc<AtomicUsize>,
    at_once: usize,
) {
    connection::refuse(&stream, refusal, false);
    if turning_away.fetch_add(1, Ordering::Relaxed) >= at_once {
        turning_away.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let count = Arc::clone(turning_away);
    let lingers = thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || {
            connection::linger(&stream, TURNED_AWAY_TIME);
            count.fetch_sub(1, Ordering::Relaxed);
        });
    if lingers.is_err() {
        turning_away.fetch_sub(1, Ordering::Relaxed);
    }
}
