//! A certificate and its key, in two files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags, Stat, fstat, openat};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::log;
use crate::options::TlsFiles;

/// The most that is read of a file, bytes: a hundred certificates.
const LARGEST: u64 = 1 << 20;

/// What a file was when it was looked at: another one, or other content, looks different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    file: (u64, u64),
    size: i64,
    /// Seconds and nanoseconds.
    modified: (i64, u64),
}

/// What both files were; None for one that cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looks([Option<Look>; 2]);

/// Looks at both files.
pub(super) fn look(files: &TlsFiles) -> Looks {
    let look = |path| {
        let (_, stat) = open(path).ok()?;
        #[allow(clippy::unnecessary_cast, reason = "the types depend on the processor")]
        let modified = (stat.st_mtime as i64, stat.st_mtime_nsec as u64);
        Some(Look { file: (stat.st_dev, stat.st_ino), size: stat.st_size, modified })
    };
    Looks([look(&files.certificate), look(&files.key)])
}

/// Reads the certificate and its key. Says so if everybody can read the key.
///
/// # Errors
/// A file cannot be read or has no PEM of its kind, or the key does not belong to the certificate.
pub(super) fn read(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey> {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    let chain = || -> Result<Vec<_>> {
        let pem = content(open(&files.certificate)?.0)?;
        Ok(CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>()?)
    };
    let chain = chain().with_context(|| format!("cannot read a certificate chain in PEM from `{certificate}`"))?;
    let private = || -> Result<_> {
        let (file, stat) = open(&files.key)?;
        let others = Mode::from_raw_mode(stat.st_mode) & Mode::ROTH;
        Ok((PrivateKeyDer::from_pem_slice(&content(file)?)?, others))
    };
    let (private, others) = private().with_context(|| format!("cannot read a private key in PEM from `{key}`"))?;
    if !others.is_empty() {
        log::line(format_args!(
            "every user of this machine can read the private key `{key}`; `chmod o-r` changes that"
        ));
    }
    CertifiedKey::from_der(chain, private, provider)
        .with_context(|| format!("cannot use `{certificate}` with the key `{key}`"))
}

/// Opens a file with the one system call for it that a server has after its confinement.
fn open(path: &Path) -> io::Result<(File, Stat)> {
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?;
    let stat = fstat(&file)?;
    Ok((file.into(), stat))
}

fn content(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
