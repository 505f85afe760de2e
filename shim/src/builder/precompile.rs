//! Compiles an application's component outside of its container, into the node's cache: only root may write to it, and no pod
//! can reach it.
//!
//! Best effort: if this fails, the container compiles for itself, and reports the error in its own log.

use std::fs::File;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use httpserver_runtime::cache::{Cache, Entry};
use httpserver_runtime::engine;
use httpserver_runtime::manifest::Manifest;
use httpserver_runtime::options::Limits;
use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};
use zygote::WireFd;

use crate::container::spin_app::MANIFEST;
use crate::environment::{self, Environment};
use crate::forks;
use crate::image_root::ImageRoot;
use crate::ipc::{from_reply, to_reply};

/// The folder of the node's cache: a place for files that may be removed at any time, and that survive a reboot (FHS 5.5).
const CACHE: &str = "/var/cache/httpserver-shim";

/// How many compiled components stay.
const CACHED: usize = 64;

/// The largest component that is compiled here, bytes. A larger one is left to its container, whose memory limit then counts.
const LARGEST: u64 = 64 << 20;

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

/// The compiled code of the application in `image`, which is mounted at `root`. It is compiled if the cache does not have it. None
/// if there is no application, or an invalid one.
pub fn compiled(image: &ImageRoot, root: &Path, spec: &Spec) -> Option<Compiled> {
    if !image.has_file(Path::new(MANIFEST)) {
        return None;
    }
    let compiled =
        environment::limits(&Environment::from_spec(spec)).and_then(|Limits { instances, memory, .. }| {
            let run = |(root, instances, memory): (PathBuf, Option<NonZeroU32>, Option<NonZeroUsize>)| {
                to_reply(precompile(&root, &Limits { instances, memory, ..Limits::DEFAULT }))
            };
            // The compiler takes memory and starts threads. Both go with a process of its own.
            from_reply(forks::spawn()?.try_run(run, (root.to_owned(), instances, memory)))
        });
    compiled.inspect_err(|error| log::warn!("no compiled code for {}: {error:#}", root.display())).ok()
}

fn precompile(root: &Path, limits: &Limits) -> Result<Compiled> {
    let image = ImageRoot::open(root)?;
    let read = |path: &Path, largest| {
        image.read(path, largest)?.with_context(|| format!("`{}` is not in the image", path.display()))
    };
    let text = String::from_utf8(read(Path::new(MANIFEST), LARGEST_MANIFEST)?)?;
    let manifest = Manifest::from_text(&text, Path::new(MANIFEST))?;
    let wasm = read(&manifest.source, LARGEST)?;
    let (name, file) = Cache::in_dir(CACHE.into()).entry(&engine::new(limits)?, &wasm, CACHED)?.into_parts();
    Ok(Compiled { name, file: WireFd::new(file) })
}
