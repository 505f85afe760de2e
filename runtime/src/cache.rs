//! The cache of compiled code. Machine code is loaded without a check, so only an entry that is certainly ours is loaded.
//!
//! The cache is a folder with mode 0700. Each component has one file in it, with mode 0600: the SHA-256 of the code, then the code.
//! The file's name is the component's SHA-256 and a hash of the engine's version and settings, so that no other engine loads it.
//! An entry that is foreign, writable by others, a link, truncated or altered is removed and made again.
//!
//! All entries together have a limit. The time of an entry's last access is that of its last use, whatever the file system keeps by
//! itself, and those that were not used for the longest time are removed first. Several processes may use one cache: an entry that is
//! open stays usable when its name is gone.

mod entry;
mod sealed;

use std::fs::{self, DirBuilder, File, FileTimes};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use rustix::fs::OFlags;
use rustix::process::geteuid;
use sha2::{Digest, Sha256};

use crate::engine::{self, Engine};
use crate::log;
pub use entry::Entry;
use sealed::{DIGEST, read_whole};

/// The extension of a whole entry. Another file is one that is being written, or that a killed process left.
const EXTENSION: &str = "cwasm";

/// The age at which an unfinished file counts as left by a killed process: a compiler on a node has a minute.
const ABANDONED: Duration = Duration::from_mins(10);

/// The limit of the user's cache, bytes: with `cargo xtask up --watch` each change makes an entry of some 300 KB.
const USER_LIMIT: u64 = 256 << 20;

/// A folder of compiled components.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
}

/// Which code an entry has: its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The name of the entry of `wasm`: its SHA-256, and a hash of the engine's version and of all settings that change the code.
    #[must_use]
    pub fn new(engine: &Engine, wasm: &[u8]) -> Self {
        let mut settings = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut settings);
        let digest = Sha256::digest(wasm).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Self(format!("{digest}-{:016x}", settings.finish()))
    }
}

impl Cache {
    /// The cache in `folder`, which is made with the first entry. Its entries have at most `limit` bytes together.
    #[must_use]
    pub fn in_dir(folder: PathBuf, limit: u64) -> Self {
        Self { folder, limit }
    }

    /// The user's cache: `$XDG_CACHE_HOME/httpserver/compiled`, or else `$HOME/.cache/httpserver/compiled`; none without either.
    #[must_use]
    pub fn for_user() -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(Self::in_dir(base.join("httpserver/compiled"), USER_LIMIT))
    }

    /// Opens the entry of the component `wasm` for `engine`. If the cache has no valid one, compiles `wasm`.
    ///
    /// # Errors
    /// `wasm` is not a component, or the folder cannot be used.
    pub fn entry(&self, engine: &Engine, wasm: &[u8]) -> Result<Entry> {
        let key = Key::new(engine, wasm);
        match self.find(&key)? {
            Some(entry) => Ok(entry),
            None => self.store(key, |file| Ok(file.write_all(&engine::precompile(engine, wasm)?)?)),
        }
    }

    /// Opens the entry `key`, if the cache has it. Removes it, and returns none, if it must not be trusted or is not whole.
    ///
    /// # Errors
    /// An entry that must not be used cannot be removed.
    pub fn find(&self, key: &Key) -> Result<Option<Entry>> {
        let path = self.path(key);
        match self.open_trusted(&path).and_then(|file| file.map(whole).transpose()) {
            Ok(None) => Ok(None),
            Ok(Some(file)) => {
                // The order in which entries are removed is not worth a failure.
                let _ = file.set_times(FileTimes::new().set_accessed(SystemTime::now()));
                Ok(Some(Entry::new(key.clone(), file)))
            }
            Err(error) => {
                log::line(format_args!("compiling again, not using `{}`: {error:#}", path.display()));
                remove(&path).map(|()| None)
            }
        }
    }

    /// Makes the entry `key` of the code that `write` writes, and removes entries above the limit. A reader sees the whole entry or
    /// none, because the file has a temporary name first.
    ///
    /// # Errors
    /// `write` fails, or the folder cannot be used.
    pub fn store(&self, key: Key, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Entry> {
        self.make_folder()?;
        let mut unfinished = tempfile::NamedTempFile::new_in(&self.folder)?;
        unfinished.write_all(&[0; DIGEST])?;
        let mut code = Digested { file: unfinished.as_file(), digest: Sha256::new() };
        write(&mut code)?;
        let digest = code.digest.finalize();
        unfinished.rewind()?;
        unfinished.write_all(&digest)?;
        // Before it has its name: from then on another process may remove it. For reading only, since it may be for a container.
        let entry = File::open(unfinished.path())?;
        unfinished.persist(self.path(&key))?;
        self.prune()?;
        Ok(Entry::new(key, entry))
    }

    fn path(&self, Key(name): &Key) -> PathBuf {
        self.folder.join(format!("{name}.{EXTENSION}"))
    }

    /// Removes what was not used for the longest time until the rest is within the limit, and what killed processes left.
    fn prune(&self) -> Result<()> {
        let now = SystemTime::now();
        let files = fs::read_dir(&self.folder)?.filter_map(|file| {
            let path = file.ok()?.path();
            // Another process may have removed it meanwhile.
            let metadata = fs::symlink_metadata(&path).ok()?;
            Some((metadata.accessed().ok()?, metadata.len(), path))
        });
        let (mut entries, unfinished): (Vec<_>, Vec<_>) =
            files.partition(|(.., path)| path.extension().is_some_and(|extension| extension == EXTENSION));
        let abandoned = |used: SystemTime| now.duration_since(used).is_ok_and(|age| age > ABANDONED);
        for (.., path) in unfinished.iter().filter(|(used, ..)| abandoned(*used)) {
            remove(path)?;
        }
        entries.sort();
        let mut bytes = 0;
        for (_, length, path) in entries.iter().rev() {
            bytes += length;
            if bytes > self.limit {
                remove(path)?;
            }
        }
        Ok(())
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
}

/// Writes the code of an entry, and computes its digest.
struct Digested<'a> {
    file: &'a File,
    digest: Sha256,
}

impl Write for Digested<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// # Errors
/// The code in `file` is not whole.
fn whole(file: File) -> Result<File> {
    read_whole(&file).map(|_| file)
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
mod tests;
