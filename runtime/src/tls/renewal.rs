//! The certificate that clients get. It is read again when its files change: a certificate lives for weeks, a server longer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::pair::{self, Looks};
use crate::options::TlsFiles;
use crate::{confinement, log};

/// How often the files are looked at. Two looks have to see the same change, so that a file that is being written is not read.
const PAUSE: Duration = Duration::from_secs(2);

/// The certificate in use.
#[derive(Debug)]
pub(super) struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Nothing that holds the lock can panic.
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Reads the certificate, and starts a thread that looks whether there is a new one. It may open no other files than those in the same
/// folders, where the kernel has Landlock.
///
/// # Errors
/// The files cannot be used, or there can be no thread.
pub(super) fn start(files: &TlsFiles, provider: Arc<CryptoProvider>) -> Result<Arc<Current>> {
    let seen = pair::look(files);
    let current = Arc::new(Current(RwLock::new(Arc::new(pair::read(files, &provider)?))));
    let (files, changing) = (files.clone(), current.clone());
    let thread = thread::Builder::new().name("certificate".to_owned());
    let work = move || {
        if let Err(error) = confinement::keep_folders(&folders(&files)) {
            log::line(format_args!("reading the certificate with more than that needs: {error:#}"));
        }
        renew(&files, &provider, &changing, seen);
    };
    thread.spawn(work).context("cannot start a thread for the certificate")?;
    Ok(current)
}

/// Where the files are, and where they really are if they are links.
fn folders(files: &TlsFiles) -> Vec<PathBuf> {
    let paths = [&files.certificate, &files.key];
    let real = paths.into_iter().filter_map(|path| path.canonicalize().ok());
    let all = paths.into_iter().cloned().chain(real);
    let parents = all.filter_map(|path| path.parent().map(Path::to_owned));
    parents.map(|folder| if folder.as_os_str().is_empty() { ".".into() } else { folder }).collect()
}

fn renew(files: &TlsFiles, provider: &CryptoProvider, current: &Current, mut seen: Looks) -> ! {
    let mut before = seen;
    loop {
        thread::sleep(PAUSE);
        let now = pair::look(files);
        let is_settled = now == before;
        before = now;
        if now == seen || !is_settled {
            continue;
        }
        seen = now;
        match pair::read(files, provider) {
            Ok(new) => {
                *current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                log::line(format_args!("using the new certificate in `{}`", files.certificate.display()));
            }
            Err(error) => log::line(format_args!("keeping the old certificate: {error:#}")),
        }
    }
}
