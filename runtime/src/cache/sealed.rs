//! The file of an entry: a digest, then the code. This module needs no engine, so that the fuzzer can be compiled without one.

use std::fs::File;
use std::io::{Read, Seek};

use anyhow::{Result, ensure};
use sha2::{Digest, Sha256};

/// The length of the digest at the start of each entry, bytes.
pub const DIGEST: usize = 32;

/// The code in the file of an entry.
///
/// # Errors
/// The code is not whole.
pub fn read_whole(mut file: &File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    ensure!(bytes.len() > DIGEST, "it is truncated");
    let code = bytes.split_off(DIGEST);
    ensure!(Sha256::digest(&code).as_slice() == bytes, "its digest is wrong");
    Ok(code)
}
