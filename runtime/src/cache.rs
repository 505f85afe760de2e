//! The compiled-code cache: machine code is loaded without a check, so only an entry that provably is ours is loaded.
//!
//! A folder of the user's cache folder, mode 0700; one file per key, mode 0600: the SHA-256 of the code, then the code. The key is
//! the component's SHA-256 with the engine's version and settings, so that nothing is ever loaded into another engine.
//! An entry that is foreign, writable by others, a link, truncated or altered is thrown away and made again.

mod entry;

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::fs::OFlags;
use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine;
use crate::options::Limits;
pub use entry::Entry;

/// The length of the digest that each entry starts with, bytes.
const DIGEST: usize = 32;

/// Where the machine code of a component comes from.
#[derive(Debug, Clone, Copy)]
pub enum Code<'a> {
    /// From the compiler, each time.
    Compiler,
    /// From a folder, which also gets what had to be compiled.
    Cache(&'a Cache),
    /// From one entry of a cache, opened by somebody who could reach it.
    Entry(&'a Entry),
}

impl Code<'_> {
    /// The component `wasm` for `engine`.
    ///
    /// # Errors
    /// `wasm` is no component.
    pub(crate) fn load(&self, engine: &Engine, wasm: &[u8]) -> Result<Component> {
        match self {
            Self::Compiler => compile(engine, wasm),
            Self::Cache(cache) => cache.load(engine, wasm),
            Self::Entry(entry) => entry.load(engine, wasm),
        }
    }
}

/// A folder of compiled components.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache in `folder`, which is made with its first entry.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The user's: `$XDG_CACHE_HOME/httpserver/compiled`, else `$HOME/.cache/httpserver/compiled`; none without either.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(Self { folder: base.join("httpserver/compiled") })
    }

    /// Opens the entry of the component `wasm` for guests with `limits`, compiled first if there is no good one, and removes
    /// all but the newest `keep` entries.
    ///
    /// # Errors
    /// `wasm` is no component, or the folder cannot be used.
    pub fn open(&self, wasm: &[u8], limits: &Limits, keep: usize) -> Result<Entry> {
        let engine = engine::engine(limits)?;
        let name = key(&engine, wasm);
        let path = self.path(&name);
        if let Err(error) = self.read_trusted(&path) {
            eprintln!("httpserver: compiling again, not using `{}`: {error:#}", path.display());
            remove(&path)?;
        }
        if !path.exists() {
            self.store(&path, &compile(&engine, wasm)?)?;
            self.prune(keep)?;
        }
        Ok(Entry::new(name, self.open_trusted(&path)?.context("it is gone")?))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.cwasm"))
    }

    fn prune(&self, keep: usize) -> Result<()> {
        let entries = fs::read_dir(&self.folder)?.map(|entry| {
            let path = entry?.path();
            Ok((fs::symlink_metadata(&path)?.modified()?, path))
        });
        let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
        entries.sort();
        entries.iter().rev().skip(keep).try_for_each(|(_, path)| remove(path))
    }

    /// The component `wasm` for `engine`: from its entry if there is a good one, else compiled, and kept.
    ///
    /// # Errors
    /// `wasm` is no component. A cache that cannot be used is a line on stderr, never an error.
    fn load(&self, engine: &Engine, wasm: &[u8]) -> Result<Component> {
        let entry = self.path(&key(engine, wasm));
        match self.load_entry(engine, &entry) {
            Ok(Some(component)) => return Ok(component),
            Ok(None) => {}
            Err(error) => eprintln!("httpserver: compiling again, not using `{}`: {error:#}", entry.display()),
        }
        let component = compile(engine, wasm)?;
        if let Err(error) = self.store(&entry, &component) {
            eprintln!("httpserver: not keeping the compiled component in `{}`: {error:#}", entry.display());
        }
        Ok(component)
    }

    fn load_entry(&self, engine: &Engine, entry: &Path) -> Result<Option<Component>> {
        let code = match self.read_trusted(entry) {
            Ok(Some(code)) => code,
            Ok(None) => return Ok(None),
            Err(error) => {
                remove(entry)?;
                return Err(error);
            }
        };
        // SAFETY: `read_trusted` gave these bytes.
        let component = unsafe { deserialize(engine, &code) };
        component.map(Some).or_else(|error| {
            remove(entry)?;
            Err(error)
        })
    }

    /// The code of `entry`, `None` if there is no such file, an error if it must not be trusted.
    fn read_trusted(&self, entry: &Path) -> Result<Option<Vec<u8>>> {
        self.open_trusted(entry)?.map(|file| read_whole(&file)).transpose()
    }

    /// The file of `entry`, `None` if there is none, an error if it must not be trusted.
    fn open_trusted(&self, entry: &Path) -> Result<Option<File>> {
        let open = File::options().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(entry);
        let file = match open {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("cannot open it without following a link"),
        };
        ensure_ours(&fs::symlink_metadata(&self.folder)?).context("its folder")?;
        ensure_ours(&file.metadata()?)?;
        Ok(Some(file))
    }

    /// Writes a whole entry under a temporary name, then gives it its own: a reader sees all of it or nothing.
    fn store(&self, entry: &Path, component: &Component) -> Result<()> {
        if let Some(parent) = self.folder.parent() {
            fs::create_dir_all(parent)?;
        }
        if let Err(error) = DirBuilder::new().mode(0o700).create(&self.folder) {
            ensure!(error.kind() == io::ErrorKind::AlreadyExists, error);
        }
        ensure_ours(&fs::symlink_metadata(&self.folder)?).context("its folder")?;
        let code = component.serialize().map_err(|error| anyhow::anyhow!("{error:#}"))?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&Sha256::digest(&code))?;
        file.write_all(&code)?;
        file.persist(entry)?;
        Ok(())
    }
}

/// The code in the file of an entry.
fn read_whole(mut file: &File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    ensure!(bytes.len() > DIGEST, "it is truncated");
    let code = bytes.split_off(DIGEST);
    ensure!(Sha256::digest(&code).as_slice() == bytes, "its digest is wrong");
    Ok(code)
}

/// The component whose machine code `store` wrote.
///
/// # Safety
/// The code runs unchecked. It must come from `read_whole` on a file from `open_trusted`: that file and its folder belong to this
/// user, nobody else may write to either, and the digest says that the code is whole.
unsafe fn deserialize(engine: &Engine, code: &[u8]) -> Result<Component> {
    // SAFETY: `store` wrote these bytes, says the caller.
    unsafe { Component::deserialize(engine, code) }.map_err(|error| anyhow::anyhow!("{error:#}"))
}

/// Compiles `wasm` without any cache.
///
/// # Errors
/// `wasm` is no component.
fn compile(engine: &Engine, wasm: &[u8]) -> Result<Component> {
    Component::from_binary(engine, wasm).map_err(|error| {
        anyhow::anyhow!("not a WebAssembly component: {error:#}; build one for the target wasm32-wasip2")
    })
}

/// The name of the entry of `wasm`: its SHA-256, and a hash of the engine's version and of all settings that shape its code.
fn key(engine: &Engine, wasm: &[u8]) -> String {
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    let digest = Sha256::digest(wasm).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{digest}-{:016x}", settings.finish())
}

/// Whether the file or folder belongs to this user, and nobody else may write to it.
fn ensure_ours(metadata: &fs::Metadata) -> Result<()> {
    ensure!(metadata.is_file() || metadata.is_dir(), "it is a link or no file");
    ensure!(metadata.uid() == geteuid().as_raw(), "it belongs to user {}", metadata.uid());
    ensure!(metadata.mode() & 0o022 == 0, "others may write to it (mode {:03o})", metadata.mode() & 0o777);
    Ok(())
}

fn remove(entry: &Path) -> Result<()> {
    fs::remove_file(entry).context("cannot remove it")
}
