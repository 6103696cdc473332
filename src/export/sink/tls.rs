//! TLS over a connection: the collector proves who it is, to those that the system or `--tls-ca` trusts.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Where systems keep those that they trust.
const SYSTEM: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Who must be at the other end.
#[derive(Clone)]
pub struct Peer {
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Peer {
    /// Reads whom to trust: the authorities in a PEM file, or those of the system. Later, when nothing but feeding is
    /// allowed, they could not be read.
    pub fn new(host: &str, authorities: Option<&Path>) -> Result<Self> {
        let system = || SYSTEM.iter().map(Path::new).find(|path| path.exists());
        let Some(path) = authorities.or_else(system) else {
            bail!("the system trusts nobody; name a file with --tls-ca");
        };
        let shown = path.display();
        let file = std::fs::File::open(path).with_context(|| format!("--tls-ca {shown}"))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_reader_iter(BufReader::new(file)) {
            let certificate = certificate
                .map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause.to_string()))
                .with_context(|| format!("--tls-ca {shown}"))?;
            let added = roots.add(certificate);
            if authorities.is_some() {
                added.with_context(|| format!("--tls-ca {shown}"))?;
            }
        }
        if roots.is_empty() {
            bail!("--tls-ca {shown}: no certificate in it (PEM)");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("TLS")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            name: ServerName::try_from(host.to_owned())
                .context("no name that a certificate can have")?,
            config: Arc::new(config),
        })
    }

    /// Makes sure who is there.
    pub fn greet(&self, stream: TcpStream) -> io::Result<Secured> {
        let client = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let client = client.map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(client, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Secured(stream))
    }
}

/// A connection with TLS.
pub struct Secured(StreamOwned<ClientConnection, TcpStream>);

impl Secured {
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.0.sock.set_nonblocking(on)
    }
}

impl Read for Secured {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Secured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        // The other end learns that this was all.
        self.0.conn.send_close_notify();
        let _ = self.0.flush();
    }
}
