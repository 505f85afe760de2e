//! The compiler of a node: a process that reads the manifest and the component of an image and gives back machine code.
//!
//! Whoever may create a pod chooses its input, so it is as weak as a process can be ([`confinement`]), and it starts as a program of
//! its own: nothing of the shim's memory is in it. It gets its input by stdin, and gives its results to stdout. The other end,
//! [`crate::builder::precompile`], does not trust them: it stores the code under the name of the component that it sent, and no
//! other component's container loads it.
//!
//! Each piece of input is a number of bytes, then the bytes. A result has one byte more at its start: whether it is an error.

mod confinement;

use std::io::{self, Read, Write};
use std::path::Path;
use std::str;

use anyhow::{Context, Result};
use httpserver_runtime::engine::{self, Engine};
use httpserver_runtime::manifest::Manifest;

use crate::container::spin_app::MANIFEST;
pub use confinement::{CPU_TIME, MEMORY};

/// The argument that makes the shim's program a compiler.
pub const ARGUMENT: &str = "compile";

/// The first byte of a result that is one, and of one that is the text of an error.
pub const OK: u8 = 0;
pub const ERROR: u8 = 1;

/// Reads a manifest, gives the path of the component; reads the component, gives its code.
///
/// # Errors
/// This process cannot be confined, or the other end is gone.
pub fn run() -> Result<()> {
    // Before the confinement: it reads nothing of an image, and may look at the processor.
    let engine = engine::compiler()?;
    confinement::enter().context("cannot confine the compiler")?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    reply(&mut output, source(&receive(&mut input)?))?;
    reply(&mut output, code(&engine, &receive(&mut input)?))
}

fn source(manifest: &[u8]) -> Result<Vec<u8>> {
    let text = str::from_utf8(manifest).with_context(|| format!("{MANIFEST} is not UTF-8"))?;
    Ok(Manifest::from_text(text, Path::new(MANIFEST))?.source.into_os_string().into_encoded_bytes())
}

fn code(engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>> {
    engine::precompile(engine, wasm)
}

fn receive(input: &mut impl Read) -> Result<Vec<u8>> {
    let mut length = [0; size_of::<u64>()];
    input.read_exact(&mut length)?;
    let mut bytes = vec![0; usize::try_from(u64::from_le_bytes(length))?];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn reply(output: &mut impl Write, result: Result<Vec<u8>>) -> Result<()> {
    let (kind, bytes) = match result {
        Ok(bytes) => (OK, bytes),
        Err(error) => (ERROR, format!("{error:#}").into_bytes()),
    };
    output.write_all(&[kind])?;
    output.write_all(&(bytes.len() as u64).to_le_bytes())?;
    output.write_all(&bytes)?;
    Ok(output.flush()?)
}
