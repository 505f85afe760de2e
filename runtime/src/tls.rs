//! HTTPS. As a server: one certificate for all names, HTTP/2 and HTTP/1.1 by ALPN. As a client of a collector: its authorities.

mod pair;
mod renewal;

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::options::TlsFiles;

/// The name of HTTP/2 in ALPN (RFC 9113 §3.1).
pub(crate) const ALPN_H2: &[u8] = b"h2";

/// The name of HTTP/1.1 in ALPN (RFC 7301 §6).
pub(crate) const ALPN_HTTP_1: &[u8] = b"http/1.1";

/// Reads the certificate and its key, now and when they change.
///
/// # Errors
/// A file cannot be read or has no PEM of its kind, or the key does not belong to the certificate.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor> {
    let provider = Arc::new(ring::default_provider());
    let certificate = renewal::start(files, provider.clone())?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("no TLS version")?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP_1.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A client that trusts `authorities`, or else those that browsers trust. It shows `identity`, its own certificate chain and key, if it
/// has one, and speaks `protocol` only.
///
/// # Errors
/// A certificate is not an authority's, or the key does not belong to the certificate.
pub(crate) fn connector(
    authorities: Option<Vec<CertificateDer<'static>>>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    protocol: &[u8],
) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(authorities) => authorities.into_iter().try_for_each(|authority| roots.add(authority))?,
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("no TLS version")?
        .with_root_certificates(roots);
    let mut config = match identity {
        Some((chain, key)) => config.with_client_auth_cert(chain, key)?,
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
