//! HTTPS: one certificate for all names, HTTP/2 and HTTP/1.1 by ALPN.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::options::TlsFiles;

/// The name of HTTP/2 in ALPN (RFC 9113 §3.1).
pub(crate) const ALPN_H2: &[u8] = b"h2";

/// Reads the certificate and its key.
///
/// # Errors
/// A file cannot be read or has no PEM of its kind, or the key does not belong to the certificate.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor> {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    let chain =
        CertificateDer::pem_file_iter(&files.certificate).and_then(|chain| chain.collect::<Result<Vec<_>, _>>());
    let chain = chain.with_context(|| format!("cannot read a certificate chain in PEM from `{certificate}`"))?;
    let private = PrivateKeyDer::from_pem_file(&files.key);
    let private = private.with_context(|| format!("cannot read a private key in PEM from `{key}`"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("no TLS version")?
        .with_no_client_auth()
        .with_single_cert(chain, private);
    let mut config = config.with_context(|| format!("cannot use `{certificate}` with the key `{key}`"))?;
    config.alpn_protocols = vec![ALPN_H2.to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
