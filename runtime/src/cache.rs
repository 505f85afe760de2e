//! The cache of compiled code. Machine code is loaded without a check, so only an entry that is certainly ours is loaded.
//!
//! The cache is a folder with mode 0700. Each component has one file in it, with mode 0600: the SHA-256 of the code, then the code.
//! The file's name is the component's SHA-256 and a hash of the engine's version and settings, so that no other engine loads it.
//! An entry that is foreign, writable by others, a link, truncated or altered is removed and made again.

mod entry;

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::fs::OFlags;
use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use crate::engine::{self, Engine};
pub use entry::Entry;

/// The length of the digest at the start of each entry, bytes.
const DIGEST: usize = 32;

/// A folder of compiled components.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache in `folder`, which is made with the first entry.
    #[must_use]
    pub fn in_dir(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The user's cache: `$XDG_CACHE_HOME/httpserver/compiled`, or else `$HOME/.cache/httpserver/compiled`; none without either.
    #[must_use]
    pub fn for_user() -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(Self { folder: base.join("httpserver/compiled") })
    }

    /// Opens the entry of the component `wasm` for `engine`. If there is no good one, compiles `wasm`, and removes all entries but the
    /// newest `keep`.
    ///
    /// # Errors
    /// `wasm` is not a component, or the folder cannot be used.
    pub fn entry(&self, engine: &Engine, wasm: &[u8], keep: usize) -> Result<Entry> {
        let name = key(engine, wasm);
        let path = self.folder.join(format!("{name}.cwasm"));
        if let Err(error) = self.check(&path) {
            eprintln!("httpserver: compiling again, not using `{}`: {error:#}", path.display());
            remove(&path)?;
        }
        if !path.exists() {
            self.make_folder()?;
            self.store(&path, &engine::compile(engine, wasm)?)?;
            self.prune(keep)?;
        }
        Ok(Entry::new(name, self.open_trusted(&path)?.context("it is gone")?))
    }

    fn prune(&self, keep: usize) -> Result<()> {
        let entries = fs::read_dir(&self.folder)?.filter_map(|entry| {
            let path = entry.ok()?.path();
            // Another process may have removed it meanwhile.
            Some((fs::symlink_metadata(&path).ok()?.modified().ok()?, path))
        });
        let mut entries = entries.collect::<Vec<_>>();
        entries.sort();
        entries.iter().rev().skip(keep).try_for_each(|(_, path)| remove(path))
    }

    /// # Errors
    /// There is an entry at `path`, and it must not be trusted.
    fn check(&self, path: &Path) -> Result<()> {
        self.open_trusted(path)?.map_or(Ok(()), |file| read_whole(&file).map(drop))
    }

    /// Opens the file at `path`; none if there is no file.
    ///
    /// # Errors
    /// The file must not be trusted.
    fn open_trusted(&self, path: &Path) -> Result<Option<File>> {
        let open = File::options().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path);
        let file = match open {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("cannot open it without following a link"),
        };
        ensure_ours(&fs::symlink_metadata(&self.folder)?).context("its folder")?;
        ensure_ours(&file.metadata()?)?;
        Ok(Some(file))
    }

    /// # Errors
    /// The folder cannot be made, or another user can write to it.
    fn make_folder(&self) -> Result<()> {
        if let Some(parent) = self.folder.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))?;
        }
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error).context("cannot make its folder"),
            _ => ensure_ours(&fs::symlink_metadata(&self.folder)?).context("its folder"),
        }
    }

    /// Writes a whole entry under a temporary name, then renames it: a reader sees all of it or nothing.
    fn store(&self, path: &Path, component: &Component) -> Result<()> {
        let code = component.serialize().map_err(|error| anyhow!("{error:#}"))?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&Sha256::digest(&code))?;
        file.write_all(&code)?;
        file.persist(path)?;
        Ok(())
    }
}

/// The code in the file of an entry.
///
/// # Errors
/// The code is not whole.
fn read_whole(mut file: &File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    ensure!(bytes.len() > DIGEST, "it is truncated");
    let code = bytes.split_off(DIGEST);
    ensure!(Sha256::digest(&code).as_slice() == bytes, "its digest is wrong");
    Ok(code)
}

/// The name of the entry of `wasm`: its SHA-256, and a hash of the engine's version and of all settings that change the code.
fn key(engine: &Engine, wasm: &[u8]) -> String {
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    let digest = Sha256::digest(wasm).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{digest}-{:016x}", settings.finish())
}

/// # Errors
/// The file or folder belongs to another user, or another user may write to it.
fn ensure_ours(metadata: &fs::Metadata) -> Result<()> {
    ensure!(metadata.is_file() || metadata.is_dir(), "it is a link or no file");
    ensure!(metadata.uid() == geteuid().as_raw(), "it belongs to user {}", metadata.uid());
    ensure!(metadata.mode() & 0o022 == 0, "others may write to it (mode {:03o})", metadata.mode() & 0o777);
    Ok(())
}

fn remove(entry: &Path) -> Result<()> {
    match fs::remove_file(entry) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context("cannot remove it"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::num::NonZeroU32;

    use super::*;
    use crate::options::Limits;

    /// A component without content, and a custom section that makes it another one for each `number`.
    fn component(number: u8) -> Vec<u8> {
        [b"\0asm\x0d\0\x01\0".as_slice(), &[0, 3, 1, b'n', number]].concat()
    }

    #[test]
    fn only_the_newest_entries_stay() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::in_dir(folder.path().join("compiled"));
        let engine = engine::new(&Limits { instances: NonZeroU32::new(1), ..Limits::DEFAULT }).unwrap();
        let names: Vec<_> =
            (0..4).map(|number| cache.entry(&engine, &component(number), 2).unwrap().into_parts().0).collect();
        let mut left: Vec<_> = fs::read_dir(&cache.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        let mut newest = [&names[2], &names[3]].map(|name| OsString::from(format!("{name}.cwasm")));
        newest.sort();
        assert_eq!(left, newest);
    }
}
