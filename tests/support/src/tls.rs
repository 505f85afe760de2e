//! A certificate of the test's own, and a client that trusts it.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::App;

/// A connection, with TLS or without.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl App {
    /// Serves HTTPS with the certificate of `identity`.
    pub fn with_tls(self, identity: &Identity) -> Self {
        self.arg("--tls-cert").arg(identity.certificate()).arg("--tls-key").arg(identity.key())
    }
}

/// A self-signed certificate for `localhost`, in files.
pub struct Identity {
    folder: TempDir,
    roots: RootCertStore,
}

impl Identity {
    /// Makes a key and its certificate.
    pub fn generate() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a valid name");
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).expect("our own certificate is valid");
        let identity = Self { folder: tempfile::tempdir().expect("a temporary folder"), roots };
        fs::write(identity.certificate(), cert.pem()).expect("a temporary folder takes files");
        fs::write(identity.key(), signing_key.serialize_pem()).expect("a temporary folder takes files");
        fs::set_permissions(identity.key(), Permissions::from_mode(0o600)).expect("our own file");
        identity
    }

    /// The certificate's file (PEM).
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// The key's file (PEM).
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Connects, offering these protocols (ALPN).
    ///
    /// # Panics
    /// If the handshake fails.
    pub async fn connect(&self, address: SocketAddr, protocols: &[&str]) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        self.handshake(stream, protocols).await.expect("the handshake succeeds")
    }

    /// Shakes hands over `stream`, offering these protocols (ALPN).
    ///
    /// # Errors
    /// The handshake fails.
    pub async fn handshake(&self, stream: TcpStream, protocols: &[&str]) -> io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").expect("a valid name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}
