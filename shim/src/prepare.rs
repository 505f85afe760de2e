//! The node's cache of compiled code, from outside the container: only root may write to it, and no pod can reach it.
//!
//! Only a head start: whatever fails here is for the container itself to find again, and to report where people look.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use httpserver_runtime::cache::{Cache, Entry};
use httpserver_runtime::manifest::Manifest;
use oci_spec::runtime::Spec;
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use serde::{Deserialize, Serialize};
use zygote::{WireFd, Zygote};

use crate::application::MANIFEST;
use crate::settings::{self, Environment};
use crate::wire::{received, sent};

/// Where the node keeps compiled code: for caches that may go at any time, and outlive a reboot (FHS 5.5).
const CACHE: &str = "/var/cache/httpserver-shim";

/// How many compiled components stay.
const CACHED: usize = 64;

/// A larger component is left to its container, whose memory limit then counts, bytes.
const LARGEST: u64 = 64 << 20;

/// A larger manifest is not read here, bytes.
const LARGEST_MANIFEST: u64 = 1 << 20;

/// An entry of the cache on its way between processes.
#[derive(Serialize, Deserialize)]
pub struct Compiled {
    name: String,
    file: WireFd<File>,
}

impl Compiled {
    /// The entry.
    pub fn open(self) -> Entry {
        // SAFETY: made by `prepare` from the entry's own parts, and sent over a socket that only the shim's processes have.
        unsafe { Entry::from_parts(self.name, self.file.into_inner()) }
    }
}

/// The compiled code of the application in `bundle`, compiled first if need be; none if it has no application, or a bad one.
pub fn compiled(bundle: &Path) -> Option<Compiled> {
    let spec = Spec::load(bundle.join("config.json")).ok()?;
    if !root(bundle, &spec)?.join(MANIFEST.trim_start_matches('/')).is_file() {
        return None;
    }
    // The compiler takes memory and threads: a process that has neither yet has them, and gives them back by its end.
    let process = Zygote::global().spawn();
    match received(process.try_run(|bundle: PathBuf| sent(prepare(&bundle)), bundle.to_owned())) {
        Ok(compiled) => Some(compiled),
        Err(error) => {
            log::warn!("no compiled code for {}: {error:#}", bundle.display());
            None
        }
    }
}

fn prepare(bundle: &Path) -> Result<Compiled> {
    let spec = Spec::load(bundle.join("config.json"))?;
    let root = root(bundle, &spec).context("the container has no root")?;
    let root = open(&root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let text = String::from_utf8(read(&root, Path::new(MANIFEST), LARGEST_MANIFEST)?)?;
    let manifest = Manifest::of_text(&text, Path::new(MANIFEST))?;
    let wasm = read(&root, &manifest.source, LARGEST)?;
    let limits = settings::limits(&Environment::of(&spec))?;
    let (name, file) = Cache::at(CACHE.into()).open(&wasm, &limits, CACHED)?.into_parts();
    Ok(Compiled { name, file: WireFd::new(file) })
}

/// The root of the container in `bundle`, from outside.
pub fn root(bundle: &Path, spec: &Spec) -> Option<PathBuf> {
    Some(bundle.join(spec.root().as_ref()?.path()))
}

/// Reads the file at `path` as the container would see it: an image's links lead nowhere outside of it.
fn read(root: &OwnedFd, path: &Path, largest: u64) -> Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file: File = openat2(root, path, flags, Mode::empty(), resolve)
        .with_context(|| format!("cannot open `{}` in the image", path.display()))?
        .into();
    let metadata = file.metadata()?;
    ensure!(metadata.is_file(), "`{}` in the image is no file", path.display());
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= largest, "`{}` has more than {largest} bytes", path.display());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_image_is_read_without_leaving_it() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "outside").unwrap();
        let image = tempfile::tempdir().unwrap();
        std::fs::write(image.path().join("file"), "inside").unwrap();
        symlink("/file", image.path().join("link")).unwrap();
        symlink(outside.path().join("secret"), image.path().join("absolute")).unwrap();
        symlink("../../../../../../etc/passwd", image.path().join("relative")).unwrap();
        let root = open(image.path(), OFlags::PATH, Mode::empty()).unwrap();
        assert_eq!(read(&root, Path::new("/file"), 6).unwrap(), b"inside");
        assert_eq!(read(&root, Path::new("/link"), 6).unwrap(), b"inside");
        read(&root, Path::new("/absolute"), 6).unwrap_err();
        read(&root, Path::new("/relative"), 6).unwrap_err();
        read(&root, Path::new("/../file"), 6).unwrap();
        read(&root, Path::new("/file"), 5).unwrap_err();
        read(&root, Path::new("/"), 6).unwrap_err();
    }
}
