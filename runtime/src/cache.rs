//! The compiled-code cache: machine code is loaded without a check, so only an entry that provably is ours is loaded.
//!
//! A folder of the user's cache folder, mode 0700; one file per key, mode 0600: the SHA-256 of the code, then the code. The key is
//! the component's SHA-256 with the engine's version and settings, so that nothing is ever loaded into another engine.
//! An entry that is foreign, writable by others, a link, truncated or altered is thrown away and made again.

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::OFlags;
use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The length of the digest that each entry starts with, bytes.
const DIGEST: usize = 32;

/// A folder of compiled components.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The user's: `$XDG_CACHE_HOME/httpserver/compiled`, else `$HOME/.cache/httpserver/compiled`; none without either.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(Self { folder: base.join("httpserver/compiled") })
    }

    /// The component `wasm` for `engine`: from its entry if there is a good one, else compiled, and kept.
    ///
    /// # Errors
    /// `wasm` is no component. A cache that cannot be used is a line on stderr, never an error.
    pub fn load(&self, engine: &Engine, wasm: &[u8]) -> Result<Component> {
        let entry = self.folder.join(format!("{}.cwasm", key(engine, wasm)));
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
        // SAFETY: `deserialize` runs what it is given. These bytes were written by `store`: their file and its folder belong to
        // this user, nobody else may write to either, and the digest says that they are whole.
        let component = unsafe { Component::deserialize(engine, &code) };
        component.map(Some).or_else(|error| {
            remove(entry)?;
            bail!("{error:#}")
        })
    }

    /// The code of `entry`, `None` if there is no such file, an error if it must not be trusted.
    fn read_trusted(&self, entry: &Path) -> Result<Option<Vec<u8>>> {
        let open = File::options().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(entry);
        let mut file = match open {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("cannot open it without following a link"),
        };
        ensure_ours(&fs::symlink_metadata(&self.folder)?).context("its folder")?;
        ensure_ours(&file.metadata()?)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        ensure!(bytes.len() > DIGEST, "it is truncated");
        let code = bytes.split_off(DIGEST);
        ensure!(Sha256::digest(&code).as_slice() == bytes, "its digest is wrong");
        Ok(Some(code))
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

/// Compiles `wasm` without any cache.
///
/// # Errors
/// `wasm` is no component.
pub(crate) fn compile(engine: &Engine, wasm: &[u8]) -> Result<Component> {
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
