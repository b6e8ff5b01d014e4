//! An event stream on its way to the client: whoever has something to say writes it straight to the client's socket, and waits
//! if the client is slow; so an open stream takes no buffer. That the client leaves is noticed by the gate's
//! thread, as ever. Streams whose head has to be changed, or that began too late, make the
//! detour.

use std::io::{self, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::exchange::timespec;
use super::way::{Phase, Way};

/// What the rest of an answer is written on that [`super::Writer::begin`] has begun. Dropped without [`Stream::end`], it cuts a
/// client whose answer can have no end any more.
pub struct Stream(Road);

enum Road {
    Long(UnixStream),
    Short(Direct),
}

/// To the client's own socket.
struct Direct {
    way: Arc<Way>,
    /// When the client last took something.
    taken: Instant,
}

impl Stream {
    pub(super) fn long(detour: UnixStream) -> Stream {
        Stream(Road::Long(detour))
    }

    pub(super) fn short(way: Arc<Way>) -> Stream {
        let taken = Instant::now();
        Stream(Road::Short(Direct { way, taken }))
    }

    /// Writes chunks, and waits until the client, or the system for it, has taken them.
    ///
    /// # Errors
    ///
    /// The client has gone, or has taken nothing for [`super::Limits::write_stall`] and was cut. Then nothing more can
    /// be written.
    pub fn write(&mut self, chunks: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Road::Long(detour) => detour.write_all(chunks),
            Road::Short(direct) => direct.write(chunks),
        }
    }

    /// Writes a chunk that need not arrive: it is left out, without waiting, while the client has something else to take.
    ///
    /// # Errors
    ///
    /// As [`Stream::write`].
    pub fn offer(&mut self, chunk: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Road::Long(detour) => detour.write_all(chunk),
            Road::Short(direct) => direct.offer(chunk),
        }
    }

    /// Writes the last chunks, and leaves the client's connection to its next request.
    ///
    /// # Errors
    ///
    /// As [`Stream::write`].
    pub fn end(mut self, chunks: &[u8]) -> io::Result<()> {
        self.write(chunks)?;
        if let Road::Short(direct) = &self.0 {
            direct.way.end_stream();
        }
        Ok(())
    }
}

impl Direct {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        // Silence is no fault of the client's.
        self.taken = Instant::now();
        while !bytes.is_empty() {
            let sent = self.send(bytes)?;
            bytes = bytes.get(sent..).unwrap_or_default();
            if sent == 0 {
                self.wait()?;
            }
        }
        Ok(())
    }

    fn offer(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.send(bytes)? {
            0 => self.patience().map(drop),
            sent => self.write(bytes.get(sent..).unwrap_or_default()),
        }
    }

    /// Sends what the client takes without blocking.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match send(&self.way.guest.stream, bytes, flags) {
            Ok(sent) => {
                self.taken = Instant::now();
                Ok(sent)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the client takes something, or has gone, which the next sending tells.
    fn wait(&self) -> io::Result<()> {
        let left = self.patience()?;
        let mut socket = [PollFd::new(&self.way.guest.stream, PollFlags::OUT)];
        match poll(&mut socket, timespec(Some(left)).as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// How long the client may go on taking nothing; cuts it if that was too long.
    fn patience(&self) -> io::Result<Duration> {
        let stall = self.way.house.limits.write_stall;
        let left = stall.saturating_sub(self.taken.elapsed());
        if left.is_zero() {
            self.way.guest.cut();
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        if self.way.phase() == Phase::Stream {
            self.way.guest.cut();
        }
    }
}
