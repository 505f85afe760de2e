//! An entry of a cache. It is opened by a process that reaches the cache, and may be used by another one that does not: a container.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Result, anyhow, ensure};
use wasmtime::component::Component;

use super::{Key, read_whole};
use crate::engine::Engine;

/// An open entry, with the name of the component and the engine that it is for.
#[derive(Debug)]
pub struct Entry {
    key: Key,
    file: File,
}

impl Entry {
    pub(super) fn new(key: Key, file: File) -> Self {
        Self { key, file }
    }

    /// Takes the entry apart, to pass its file to another process.
    #[must_use]
    pub fn into_parts(self) -> (String, File) {
        (self.key.0, self.file)
    }

    /// Puts an entry together again.
    ///
    /// # Safety
    /// The code in `file` runs unchecked. Both parts must come from [`Self::into_parts`], by a way on which nobody can change them.
    #[must_use]
    pub unsafe fn from_parts(name: String, file: File) -> Self {
        Self { key: Key(name), file }
    }

    /// The component `wasm` for `engine`.
    ///
    /// # Errors
    /// The entry is for another component or another engine, or it is not whole.
    pub(crate) fn component(&self, engine: &Engine, wasm: &[u8]) -> Result<Component> {
        ensure!(self.key == Key::new(engine, wasm), "it is for another component");
        let code = read_whole(&self.file)?;
        // SAFETY: `Cache::open_trusted` opened the file, in this process or, as `from_parts` demands, in another one. So the file and
        // its folder belong to this user, and no other user may write to them. `read_whole` has checked that the code is whole, and
        // the name says that this engine made it.
        unsafe { Component::deserialize(engine, code) }.map_err(|error| anyhow!("{error:#}"))
    }
}

impl AsFd for Entry {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
