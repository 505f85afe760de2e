//! Compiles an application's component outside of its container, into the node's cache: only root may write to it, and no pod
//! can reach it.
//!
//! The compiler is a process of its own that owns nothing ([`crate::compiler`]). What it takes, it takes from the pod, and what it
//! may take has a limit. A component that needs more is refused. If anything else fails, the container compiles for itself, and
//! reports the error in its own log.

mod pod_group;
mod process;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use httpserver_runtime::cache::{Cache, Entry, Key};
use httpserver_runtime::engine;
use serde::{Deserialize, Serialize};
use zygote::WireFd;

use crate::cgroup::Groups;
use crate::container::spin_app::MANIFEST;
use crate::forks::Deadline;
use crate::image_root::ImageRoot;
use process::{Compiler, TooMuch};

/// The folder of the node's cache: a place for files that may be removed at any time, and that survive a reboot (FHS 5.5).
const CACHE: &str = "/var/cache/httpserver-shim";

/// The limit of the node's cache, bytes: thousands of components like this repository's, or 16 of the largest.
const CACHE_LIMIT: u64 = 1 << 30;

/// The largest component that is compiled here, bytes. A larger one is left to its container, whose limits then count. A component
/// of this size takes some 8 s of a processor's time, a quarter of what the compiler has.
const LARGEST: u64 = 8 << 20;

/// The largest manifest that is read here, bytes.
const LARGEST_MANIFEST: u64 = 1 << 20;

/// An entry of the cache, in the form in which it is sent between processes.
#[derive(Serialize, Deserialize)]
pub struct Compiled {
    name: String,
    file: WireFd<File>,
}

impl Compiled {
    /// The entry.
    pub fn open(self) -> Entry {
        // SAFETY: `precompile` made it from the parts of an entry, and it was sent over a socket that only the shim's processes have.
        unsafe { Entry::from_parts(self.name, self.file.into_inner()) }
    }
}

/// The compiled code of the application in `image`. If the cache does not have it, it is compiled beside the container's `groups`, at
/// the most until the `deadline` of the creation. None if there is no application, or an invalid one.
///
/// # Errors
/// To compile the component takes more than it may, or nobody wants the container any more.
pub fn compiled(image: &ImageRoot, groups: &Groups, deadline: &Arc<Deadline>) -> Result<Option<Compiled>> {
    if !image.has_file(Path::new(MANIFEST)) {
        return Ok(None);
    }
    match precompile(image, groups, deadline) {
        Ok(compiled) => Ok(Some(compiled)),
        Err(error) if error.is::<TooMuch>() || deadline.is_given_up() => Err(error),
        Err(error) => {
            log::warn!("not compiled outside of its container: {error:#}");
            Ok(None)
        }
    }
}

fn precompile(image: &ImageRoot, groups: &Groups, deadline: &Arc<Deadline>) -> Result<Compiled> {
    let read = |path: &Path, largest| {
        image.read(path, largest)?.with_context(|| format!("`{}` is not in the image", path.display()))
    };
    let mut compiler = Compiler::start(deadline)?;
    let source = compiler.source(&read(Path::new(MANIFEST), LARGEST_MANIFEST)?)?;
    let wasm = read(&source, LARGEST)?;
    let cache = Cache::in_dir(CACHE.into(), CACHE_LIMIT);
    let key = Key::new(&engine::compiler()?, &wasm);
    let entry = match cache.find(&key)? {
        Some(entry) => entry,
        None => {
            compiler.join_pod(groups)?;
            cache.store(key, |code| compiler.compile(&wasm, code))?
        }
    };
    let (name, file) = entry.into_parts();
    Ok(Compiled { name, file: WireFd::new(file) })
}
