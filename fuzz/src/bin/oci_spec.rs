//! Input: a line for the image's `/etc/passwd` (`|` stands for a line feed), then containerd's `config.json`. What libcontainer reads
//! afterwards has a list for each set of capabilities, and a `HOME`.

#![cfg_attr(fuzzing, no_main)]

#[path = "../harness.rs"]
#[macro_use]
mod harness;
#[path = "../../../shim/src/image_root.rs"]
#[allow(dead_code, reason = "the rest is the shim's")]
mod image_root;
#[path = "../../../shim/src/regular_file.rs"]
#[allow(dead_code, reason = "the rest is the shim's")]
mod regular_file;
#[path = "../../../shim/src/shim"]
mod shim {
    pub mod bundle;
    pub mod home;
}

use std::fs;

use image_root::ImageRoot;
use serde_json::Value;
use shim::bundle::Bundle;
use tempfile::TempDir;

target!(check);

thread_local! {
    static FOLDER: TempDir = {
        let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
        fs::create_dir_all(folder.path().join("rootfs/etc")).expect("a folder in memory");
        folder
    };
}

/// The five sets.
const SETS: [&str; 5] = ["bounding", "effective", "permitted", "inheritable", "ambient"];

fn check(input: &[u8]) {
    let split = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let passwd: Vec<_> = input[..split].iter().map(|byte| if *byte == b'|' { b'\n' } else { *byte }).collect();
    FOLDER.with(|folder| {
        let folder = folder.path();
        fs::write(folder.join("rootfs/etc/passwd"), passwd).expect("a file in memory");
        fs::write(folder.join("config.json"), &input[split..]).expect("a file in memory");
        let Ok(mut bundle) = Bundle::read(folder.to_owned()) else { return };
        let _ = bundle.root();
        if bundle.refuse_user_namespace().is_err() {
            return;
        }
        let root = ImageRoot::open(&folder.join("rootfs")).expect("it is there");
        if bundle.make_explicit(&root).is_err() {
            return;
        }
        let written = fs::read(folder.join("config.json")).expect("it was written");
        let spec: Value = serde_json::from_slice(&written).expect("it is JSON");
        let process = &spec["process"];
        assert!(SETS.iter().all(|set| process["capabilities"][set].is_array()), "{process}");
        let homes = process["env"].as_array().expect("there is a HOME").iter();
        let homes: Vec<_> = homes.filter_map(|variable| variable.as_str()?.strip_prefix("HOME=")).collect();
        assert!(!homes.is_empty(), "{process}");
        // Once more changes nothing.
        let mut again = Bundle::read(folder.to_owned()).expect("it is a specification");
        again.make_explicit(&root).expect("it is complete");
        assert_eq!(fs::read(folder.join("config.json")).expect("it was written"), written);
    });
}
