//! Input: the file of an entry in the cache of compiled code. Only a file with the right digest is whole: its code runs unchecked.

#![cfg_attr(fuzzing, no_main)]

#[path = "../harness.rs"]
#[macro_use]
mod harness;
#[path = "../../../runtime/src/cache/sealed.rs"]
mod sealed;

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, Write};

use sha2::{Digest, Sha256};

target!(check);

thread_local! {
    static FILE: RefCell<File> = RefCell::new(tempfile::tempfile_in("/dev/shm").expect("a file in memory"));
}

fn check(input: &[u8]) {
    assert_eq!(read(input).as_deref(), expected(input));
    // As a fuzzer finds no digest, also with the right one, and with one bit of the file changed.
    let mut good = [&Sha256::digest(input)[..], input].concat();
    assert_eq!(read(&good).as_deref(), Some(input).filter(|code| !code.is_empty()));
    let bit = input.iter().fold(7, |hash: usize, byte| hash.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let length = good.len();
    good[bit / 8 % length] ^= 1 << (bit % 8);
    assert_eq!(read(&good), None);
}

fn expected(file: &[u8]) -> Option<&[u8]> {
    let (digest, code) = file.split_at_checked(32)?;
    (!code.is_empty() && Sha256::digest(code)[..] == *digest).then_some(code)
}

fn read(content: &[u8]) -> Option<Vec<u8>> {
    FILE.with_borrow_mut(|file| {
        file.rewind().and_then(|()| file.write_all(content)).expect("the file takes it");
        file.set_len(content.len() as u64).expect("the file takes it");
        sealed::read_whole(file).ok()
    })
}
