//! One entry of a cache, opened where the cache is, used where it is out of reach: in a container, say.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Result, ensure};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::{compile, deserialize, key, read_whole};

/// An opened entry, with the name of the component and of the engine that it is for.
#[derive(Debug)]
pub struct Entry {
    name: String,
    file: File,
}

impl Entry {
    pub(super) fn new(name: String, file: File) -> Self {
        Self { name, file }
    }

    /// Takes the entry apart, to pass its file on to another process.
    #[must_use]
    pub fn into_parts(self) -> (String, File) {
        (self.name, self.file)
    }

    /// Puts an entry together again.
    ///
    /// # Safety
    /// The code in `file` will run unchecked: both must come from [`Self::into_parts`], on a way where nobody can change them.
    #[must_use]
    pub unsafe fn from_parts(name: String, file: File) -> Self {
        Self { name, file }
    }

    /// The component `wasm` for `engine`: from this entry if it is the right one, else compiled.
    pub(super) fn load(&self, engine: &Engine, wasm: &[u8]) -> Result<Component> {
        self.read(engine, wasm).or_else(|error| {
            eprintln!("httpserver: compiling, not using the node's cache: {error:#}");
            compile(engine, wasm)
        })
    }

    fn read(&self, engine: &Engine, wasm: &[u8]) -> Result<Component> {
        ensure!(self.name == key(engine, wasm), "its entry is for another component");
        let code = read_whole(&self.file)?;
        // SAFETY: the file was opened by `open_trusted`, here or, says `from_parts`, in another process.
        unsafe { deserialize(engine, &code) }
    }
}

impl AsFd for Entry {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
