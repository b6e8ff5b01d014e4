//! Encryption: rustls with the bundled roots, and those of a file beside them.
//!
//! ureq's own connector trusts either the bundled roots or the given ones, not both; and it makes its configuration
//! anew for each agent, so that sessions are not resumed between the APIs.

use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport, TransportAdapter,
};

use super::buffers::GrowingBuffers;
use super::connector::remaining;

/// No bundle of roots is larger: the whole of Mozilla's is 230 KB.
const CA_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Encrypts what the connectors before it opened, where the address asks for it.
#[derive(Clone)]
pub(super) struct Tls(Arc<Trust>);

struct Trust {
    /// The roots of the file.
    further: RootCertStore,
    /// Made for the first connection: a server that waits needs no memory for it.
    config: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    /// Reads the file of further roots, if there is one.
    ///
    /// # Errors
    ///
    /// A sentence that names the setting.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Tls, String> {
        let mut further = RootCertStore::empty();
        if let Some(path) = ca_file {
            let fault =
                |what: &dyn fmt::Display| format!("MIXPANEL_CA_FILE: {}: {what}", path.display());
            let mut pem = Vec::new();
            let file = std::fs::File::open(path).map_err(|error| fault(&error))?;
            file.take(CA_FILE_BYTES_MAX)
                .read_to_end(&mut pem)
                .map_err(|error| fault(&error))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|_| fault(&"not well-formed PEM"))?;
                further.add(certificate).map_err(|error| fault(&error))?;
            }
            if further.is_empty() {
                return Err(fault(&"no certificate in it"));
            }
        }
        Ok(Tls(Arc::new(Trust {
            further,
            config: OnceLock::new(),
        })))
    }

    fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some(config) = self.0.config.get() {
            return Ok(Arc::clone(config));
        }
        let mut roots = self.0.further.clone();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        // Of several that come at once, all take the first one's, so that they share its sessions.
        Ok(Arc::clone(self.0.config.get_or_init(|| Arc::new(config))))
    }
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else {
            return Ok(None);
        };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        self.encrypted(details, transport.boxed())
            .map(|transport| Some(Either::B(transport)))
    }
}

impl Tls {
    /// Apart, as it takes much of the stack of whoever opens a connection.
    #[inline(never)]
    fn encrypted(
        &self,
        details: &ConnectionDetails<'_>,
        transport: Box<dyn Transport>,
    ) -> Result<TlsTransport, ureq::Error> {
        let host = details
            .uri
            .host()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_owned();
        let name = ServerName::try_from(host)
            .map_err(|_| ureq::Error::Tls("the host's name is not valid"))?;
        let mut connection = ClientConnection::new(self.config()?, name)?;
        let mut adapter = TransportAdapter::new(transport, details.current_time.clone());
        adapter.set_timeout(remaining(details));
        connection.complete_io(&mut adapter)?;
        Ok(TlsTransport {
            buffers: GrowingBuffers::new(details.config.input_buffer_size()),
            stream: Box::new(StreamOwned {
                conn: connection,
                sock: adapter,
            }),
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// An encrypted connection.
pub(super) struct TlsTransport {
    buffers: GrowingBuffers,
    /// Apart: a connection without encryption need not have room for it.
    stream: Box<StreamOwned<ClientConnection, TransportAdapter>>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        self.stream.write_all(self.buffers.written(amount))?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}
