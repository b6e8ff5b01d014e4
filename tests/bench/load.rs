//! Many clients at once, on one thread: each sends its next request as soon as its answer is there. Nothing is pipelined.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::client::Client;
use super::process::Process;

/// So long without any answer, something is broken.
const SILENCE_MAX: Timespec = Timespec {
    tv_sec: 60,
    tv_nsec: 0,
};
const EVENTS_MAX: usize = 256;

/// What a load did to a process.
pub(crate) struct Measured {
    /// Of the process, for each request.
    pub(crate) cpu: Duration,
    /// Answers a second.
    pub(crate) rate: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Answers in all, before and after the measured time too.
    pub(crate) answers: u64,
}

/// Clients that stay connected until they are dropped.
pub(crate) struct Crowd {
    clients: Vec<Client>,
}

impl Crowd {
    /// Connects so many, one after the other; each has a first request answered.
    pub(crate) fn connect(address: SocketAddr, number: usize, request: &[u8]) -> io::Result<Crowd> {
        let connect = |_| {
            let mut client = Client::connect(address)?;
            client.ask(request)?;
            Ok(client)
        };
        let clients = (0..number).map(connect).collect::<io::Result<_>>()?;
        Ok(Crowd { clients })
    }

    /// Sends the same request again and again, from all clients, and measures the process after `warm_up` for `time`.
    pub(crate) fn load(
        &mut self,
        process: &Process,
        request: &[u8],
        warm_up: Duration,
        time: Duration,
    ) -> io::Result<Measured> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut sent = Vec::with_capacity(self.clients.len());
        for (place, client) in self.clients.iter_mut().enumerate() {
            let data = epoll::EventData::new_u64(place as u64);
            epoll::add(&epoll, &client.stream, data, epoll::EventFlags::IN)?;
            sent.push(Instant::now());
            client.send(request)?;
        }

        let mut answers = 0;
        let mut latencies = Vec::new();
        let mut under_way = self.clients.len();
        let mut window = Window::Before(Instant::now() + warm_up);
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS_MAX);
        while under_way > 0 {
            events.clear();
            epoll::wait(&epoll, spare_capacity(&mut events), Some(&SILENCE_MAX))?;
            if events.is_empty() {
                return Err(io::Error::other("no answer comes any more"));
            }
            window.advance(process, time, latencies.len())?;
            for event in &events {
                let place = event.data.u64() as usize;
                let client = &mut self.clients[place];
                if client.read()?.is_none() {
                    continue;
                }
                let now = Instant::now();
                answers += 1;
                if let Window::Within { .. } = window {
                    latencies.push(now - sent[place]);
                }
                if let Window::After { .. } = window {
                    under_way -= 1;
                } else {
                    sent[place] = now;
                    client.send(request)?;
                }
            }
        }
        let Window::After { cpu, elapsed } = window else {
            return Err(io::Error::other("nothing was measured"));
        };
        latencies.sort_unstable();
        let count = u32::try_from(latencies.len()).map_err(io::Error::other)?;
        Ok(Measured {
            cpu: cpu / count,
            rate: f64::from(count) / elapsed.as_secs_f64(),
            p50: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
            answers,
        })
    }
}

/// The time that is measured, of the time that the load lasts.
enum Window {
    Before(Instant),
    Within { begun: Instant, cpu: Duration },
    After { elapsed: Duration, cpu: Duration },
}

impl Window {
    /// Opens and closes it. It stays open until there is an answer to tell of.
    fn advance(&mut self, process: &Process, time: Duration, answers: usize) -> io::Result<()> {
        let now = Instant::now();
        match *self {
            Window::Before(end) if now >= end => {
                let cpu = process.cpu()?;
                *self = Window::Within { begun: now, cpu };
            }
            Window::Within { begun, cpu } if now - begun >= time && answers > 0 => {
                *self = Window::After {
                    elapsed: now - begun,
                    cpu: process.cpu()? - cpu,
                };
            }
            _ => {}
        }
        Ok(())
    }
}

/// The nearest rank, of sorted values of which there is at least one.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100) - 1]
}
