//! What is of this checkout, on a small disk of its own that is made for each run: the machine has it as `/usr/local`.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::base::file_system;
use crate::{
    build, cluster,
    runner::Runner,
    shim,
    toolchain::{Toolchain, musl::Musl},
    tools::BUSYBOX,
    workspace,
};

/// What the programs of the machine read, beside themselves.
const NODE: &str = "tests/vm/node";

/// The disk's size, most of it a hole in the file. Measured: 140 MB of files.
const SIZE: &str = "1G";

/// Makes the disk. Its file has no name, so that nobody has to remove it.
pub fn disk(runner: &mut Runner, shim: &Path, arguments: &[OsString]) -> Result<File> {
    let files = files(runner, shim)?;
    let folder = workspace::target().join("vm");
    // From a run that was killed.
    let _ = fs::remove_dir_all(&folder);
    let disk = fill(runner, &folder, &files, arguments);
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    disk
}

/// What goes onto the disk: where it is here, and where there.
fn files(runner: &mut Runner, shim: &Path) -> Result<Vec<(PathBuf, String)>> {
    let component = component(runner)?;
    let cases = cases(runner)?;
    let tools = cluster::tools(runner)?;
    let mut files = vec![
        (shim.to_path_buf(), format!("bin/{}", shim::BINARY)),
        (cases, format!("bin/{}", workspace::CASES)),
        (component, "share/component.wasm".to_owned()),
        (BUSYBOX.path(runner)?, "share/busybox".to_owned()),
        (tools.file("pause.tar"), "share/pause.tar".to_owned()),
    ];
    files
        .extend(["containerd", "containerd-shim-runc-v2", "ctr"].map(|name| (tools.file(name), format!("bin/{name}"))));
    Ok(files)
}

fn component(runner: &mut Runner) -> Result<PathBuf> {
    let (toolchain, flavour) = Toolchain::best(runner)?;
    build::component(runner, &toolchain, flavour)
}

/// Static, so that it does not matter which C library the machine has.
fn cases(runner: &mut Runner) -> Result<PathBuf> {
    shim::prerequisites(runner)?;
    let musl = Musl::find(runner)?;
    runner.run("building the cases", "first time about 2 min", &mut musl.cargo("build", &[workspace::CASES]))?;
    Ok(musl.program(workspace::CASES))
}

/// Puts everything into `folder`, and all of that onto a disk.
fn fill(runner: &mut Runner, folder: &Path, files: &[(PathBuf, String)], arguments: &[OsString]) -> Result<File> {
    let root = folder.join("root");
    for name in ["bin", "etc", "share"] {
        fs::create_dir_all(root.join(name)).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for (from, to) in files {
        fs::copy(from, root.join(to)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    for entry in fs::read_dir(workspace::root().join(NODE).join("etc"))? {
        let entry = entry?;
        fs::copy(entry.path(), root.join("etc").join(entry.file_name()))?;
    }
    fs::write(root.join("share/libnss_evil.so.2"), test_hostile::compile(folder)?)?;
    fs::write(root.join("share/spin.toml"), test_hostile::MANIFEST)?;
    let lines: Vec<_> = arguments.iter().map(|argument| argument.as_bytes()).collect();
    fs::write(root.join("etc/arguments"), lines.join(&b'\n'))?;
    let disk = folder.join("disk");
    file_system(runner, "making the disk of this run", &root, &disk, SIZE)?;
    File::open(&disk).with_context(|| format!("cannot open {}", disk.display()))
}
