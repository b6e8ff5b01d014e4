//! Where the socket between the gate and tiny_http lives: out of everybody's reach, and nothing of it is left behind.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};

use super::claim_check::random_hex;

/// Writable in most containers and machines; a scratch container with a read-only root has the first. The socket is there for
/// a moment only.
const FOLDERS: [&str; 4] = ["/dev/shm", "/tmp", "/run", "/var/tmp"];

/// The way to a listening Unix socket.
pub(super) enum Place {
    /// A socket without a name, reached through our descriptor of it.
    Hidden(OwnedFd),
    /// The last resort: local processes of the same network namespace can see and reach it; the token in
    /// [`super::claim_check`] still keeps their requests out.
    Abstract(SocketAddr),
}

impl Place {
    pub(super) fn listen() -> io::Result<(Place, UnixListener)> {
        let name = format!("mixpanel-mcp-{}", random_hex()?);
        for folder in FOLDERS {
            match hidden(&Path::new(folder).join(&name)) {
                Ok((socket, listener)) => return Ok((Place::Hidden(socket), listener)),
                Err(error) => log::debug!("no socket in {folder}: {error}"),
            }
        }
        // Nothing an operator could or need do about: not for the log of each start in a bare root.
        log::debug!("no folder for a private socket; using an abstract one");
        let address = SocketAddr::from_abstract_name(name)?;
        let listener = UnixListener::bind_addr(&address)?;
        Ok((Place::Abstract(address), listener))
    }

    pub(super) fn connect(&self) -> io::Result<UnixStream> {
        match self {
            Place::Hidden(socket) => UnixStream::connect(by_descriptor(socket)),
            Place::Abstract(address) => UnixStream::connect_addr(address),
        }
    }
}

/// Binds a socket in a folder of its own that only this user may enter, takes hold of it, and removes its name and the folder.
fn hidden(folder: &Path) -> io::Result<(OwnedFd, UnixListener)> {
    DirBuilder::new().mode(0o700).create(folder)?;
    let path = folder.join("lane");
    let bound = UnixListener::bind(&path).and_then(|listener| {
        let socket = open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        // Without /proc there is no way to a socket that has no name.
        match fs::metadata(by_descriptor(&socket))?
            .file_type()
            .is_socket()
        {
            true => Ok((socket, listener)),
            false => Err(io::Error::other("/proc does not show the socket")),
        }
    });
    let _ = fs::remove_file(&path);
    fs::remove_dir(folder)?;
    bound
}

fn by_descriptor(socket: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", socket.as_raw_fd()).into()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[track_caller]
    fn check(place: &Place, listener: &UnixListener) {
        let mut near = place.connect().unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(b"x").unwrap();
        let mut byte = [0];
        far.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn a_hidden_socket_is_reached_though_its_name_is_gone() {
        let folder = std::env::temp_dir().join(random_hex().unwrap());
        let (socket, listener) = hidden(&folder).unwrap();
        assert!(!folder.exists());
        check(&Place::Hidden(socket), &listener);
    }

    #[test]
    fn an_abstract_socket_is_reached() {
        let address = SocketAddr::from_abstract_name(random_hex().unwrap()).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        check(&Place::Abstract(address), &listener);
    }
}
