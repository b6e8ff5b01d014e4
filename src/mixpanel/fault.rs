//! What a fault below HTTP means: no connection, no trust, no time, or a connection that broke.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use super::error::{Error, Phase};

/// No address took the connection. Told apart from the same fault on a connection that stood, after which a request
/// may have been sent.
#[derive(Debug)]
pub(super) struct NotConnected(pub(super) io::Error);

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for NotConnected {}

/// What a fault below HTTP means.
pub(super) fn fault(host: &str, error: ureq::Error) -> Error {
    match error {
        ureq::Error::Timeout(timeout) => Error::TimedOut {
            phase: phase(timeout),
        },
        ureq::Error::HostNotFound => Error::Dns {
            host: host.to_owned(),
        },
        ureq::Error::BodyExceedsLimit(bytes_max) => Error::AnswerTooLarge { bytes_max },
        ureq::Error::LargeResponseHeader(_, bytes_max) => Error::AnswerTooLarge {
            bytes_max: bytes_max as u64,
        },
        ureq::Error::Tls(reason) => untrusted(host, reason),
        ureq::Error::Rustls(error) => untrusted(host, &error),
        ureq::Error::Decompress(..) => Error::BrokenOff,
        ureq::Error::Protocol(_) => Error::BrokenOff,
        ureq::Error::ConnectProxyFailed(reason) => cannot_connect(host, &reason),
        ureq::Error::Io(error) => match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(error) => untrusted(host, error),
            None => Error::BrokenOff,
        },
        ureq::Error::Other(reason) => cannot_connect(host, &reason),
        // Not told in full: some of these repeat the address with its query.
        _ => cannot_connect(host, &"the request could not be made"),
    }
}

/// Nothing was sent, for a reason that holds no secret.
pub(super) fn cannot_connect(host: &str, reason: &dyn fmt::Display) -> Error {
    Error::CannotConnect {
        host: host.to_owned(),
        reason: reason.to_string(),
    }
}

fn untrusted(host: &str, reason: impl fmt::Display) -> Error {
    Error::Tls {
        host: host.to_owned(),
        reason: reason.to_string(),
    }
}

fn phase(timeout: ureq::Timeout) -> Phase {
    match timeout {
        ureq::Timeout::Resolve | ureq::Timeout::Connect => Phase::Connect,
        ureq::Timeout::RecvResponse => Phase::FirstByte,
        ureq::Timeout::PerRead | ureq::Timeout::PerWrite => Phase::Stall,
        _ => Phase::Total,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: ureq::Error, expected: Error) {
        assert_eq!(fault("h", error), expected);
    }

    #[test]
    fn a_fault_before_the_connection_is_told_apart_from_one_on_it() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let reason = refused().to_string();
        check(
            ureq::Error::Other(Box::new(NotConnected(refused()))),
            Error::CannotConnect {
                host: "h".into(),
                reason,
            },
        );
        check(ureq::Error::Io(refused()), Error::BrokenOff);
        check(
            ureq::Error::Io(io::ErrorKind::UnexpectedEof.into()),
            Error::BrokenOff,
        );
        check(ureq::Error::HostNotFound, Error::Dns { host: "h".into() });
    }

    #[test]
    fn a_fault_of_encryption_is_found_inside_of_a_fault_of_the_connection() {
        let inner = rustls::Error::DecryptError;
        let reason = inner.to_string();
        check(
            ureq::Error::Io(io::Error::new(io::ErrorKind::InvalidData, inner)),
            Error::Tls {
                host: "h".into(),
                reason,
            },
        );
    }

    #[test]
    fn each_time_limit_says_what_was_waited_for() {
        let phases = [
            (ureq::Timeout::Resolve, Phase::Connect),
            (ureq::Timeout::Connect, Phase::Connect),
            (ureq::Timeout::RecvResponse, Phase::FirstByte),
            (ureq::Timeout::PerRead, Phase::Stall),
            (ureq::Timeout::PerWrite, Phase::Stall),
            (ureq::Timeout::Global, Phase::Total),
        ];
        for (timeout, phase) in phases {
            check(ureq::Error::Timeout(timeout), Error::TimedOut { phase });
        }
    }
}
