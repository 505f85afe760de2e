//! The files of this checkout, on a small disk that is made for each run. The machine mounts it at `/usr/local`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xtask_runner::Runner;

use crate::Test;
use crate::base::file_system;
use crate::machine::Platform;

/// Where the disk is filled, seen from the root of the checkout.
const FOLDER: &str = "target/vm";

/// The name of the shim's program, by which containerd's configuration on the machine finds it.
const SHIM: &str = "containerd-shim-wasmtime-spin-v1";

/// Configuration files for the programs of the machine.
const NODE: &str = "tests/vm/node";

/// The disk's size, most of it a hole in the file. Measured: 140 MB of files.
const SIZE: &str = "1G";

/// Makes the disk. Its file has no name, so the kernel removes it after the run.
pub fn disk(runner: &mut Runner, platform: &Platform, test: &Test) -> Result<File> {
    let files = files(platform, test)?;
    let folder = Path::new(FOLDER);
    // A run that was killed may have left it.
    let _ = fs::remove_dir_all(folder);
    let disk = fill(runner, platform, folder, &files, &test.arguments);
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    disk
}

/// What goes onto the disk: where it is here, and where there.
fn files(platform: &Platform, test: &Test) -> Result<Vec<(PathBuf, String)>> {
    let tools = test_cluster::built_node(platform.architecture)?;
    let mut files = vec![
        (test.shim.clone(), format!("libexec/{SHIM}")),
        (test.installer.clone(), "libexec/httpserver-shim-installer".to_owned()),
        (test.cases.clone(), "bin/test-vm".to_owned()),
        (test.component.clone(), "share/component.wasm".to_owned()),
        (test.image.clone(), "share/httpserver.tar".to_owned()),
        (test.busybox.clone(), "share/busybox".to_owned()),
        (tools.file("pause"), "share/pause".to_owned()),
    ];
    files
        .extend(["containerd", "containerd-shim-runc-v2", "ctr"].map(|name| (tools.file(name), format!("bin/{name}"))));
    Ok(files)
}

/// Puts everything into `folder`, and all of that onto a disk.
fn fill(
    runner: &mut Runner,
    platform: &Platform,
    folder: &Path,
    files: &[(PathBuf, String)],
    arguments: &[OsString],
) -> Result<File> {
    let root = folder.join("root");
    for name in ["bin", "etc", "libexec", "share"] {
        fs::create_dir_all(root.join(name)).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for (from, to) in files {
        fs::copy(from, root.join(to)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    for entry in fs::read_dir(Path::new(NODE).join("etc"))? {
        let entry = entry?;
        fs::copy(entry.path(), root.join("etc").join(entry.file_name()))?;
    }
    fs::write(root.join("share/libnss_evil.so.2"), test_hostile::compile(&platform.gcc(), folder)?)?;
    fs::write(root.join("share/spin.toml"), test_hostile::MANIFEST)?;
    let lines: Vec<_> = arguments.iter().map(|argument| argument.as_bytes()).collect();
    fs::write(root.join("etc/arguments"), lines.join(&b'\n'))?;
    let disk = folder.join("disk");
    file_system(runner, "making the disk of this run", &root, &disk, SIZE)?;
    File::open(&disk).with_context(|| format!("cannot open {}", disk.display()))
}
