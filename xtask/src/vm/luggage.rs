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
    build, cluster, project, shim,
    step::Steps,
    toolchain::{Toolchain, musl::Musl},
    tools::BUSYBOX,
};

/// What the programs of the machine read, beside themselves.
const NODE: &str = "tests/vm/node";

/// The disk's size, most of it a hole in the file. Measured: 140 MB of files.
const SIZE: &str = "1G";

/// Makes the disk. Its file has no name, so that nobody has to remove it.
pub fn disk(steps: &mut Steps, shim: &Path, arguments: &[OsString]) -> Result<File> {
    let files = files(steps, shim)?;
    let folder = project::target().join("vm");
    // From a run that was killed.
    let _ = fs::remove_dir_all(&folder);
    let disk = fill(steps, &folder, &files, arguments);
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    disk
}

/// What goes onto the disk: where it is here, and where there.
fn files(steps: &mut Steps, shim: &Path) -> Result<Vec<(PathBuf, String)>> {
    let component = component(steps)?;
    let cases = cases(steps)?;
    let tools = cluster::tools(steps)?;
    let mut files = vec![
        (shim.to_path_buf(), format!("bin/{}", shim::BINARY)),
        (cases, format!("bin/{}", project::CASES)),
        (component, "share/component.wasm".to_owned()),
        (BUSYBOX.path(steps)?, "share/busybox".to_owned()),
        (tools.file("pause.tar"), "share/pause.tar".to_owned()),
    ];
    files
        .extend(["containerd", "containerd-shim-runc-v2", "ctr"].map(|name| (tools.file(name), format!("bin/{name}"))));
    Ok(files)
}

fn component(steps: &mut Steps) -> Result<PathBuf> {
    let (toolchain, flavour) = Toolchain::best(steps)?;
    build::component(steps, &toolchain, flavour)
}

/// Static, so that it does not matter which C library the machine has.
fn cases(steps: &mut Steps) -> Result<PathBuf> {
    shim::prerequisites(steps)?;
    let musl = Musl::find(steps)?;
    steps.run("building the cases", "first time about 2 min", &mut musl.cargo("build", &[project::CASES]))?;
    Ok(musl.program(project::CASES))
}

/// Puts everything into `folder`, and all of that onto a disk.
fn fill(steps: &mut Steps, folder: &Path, files: &[(PathBuf, String)], arguments: &[OsString]) -> Result<File> {
    let root = folder.join("root");
    for name in ["bin", "etc", "share"] {
        fs::create_dir_all(root.join(name)).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for (from, to) in files {
        fs::copy(from, root.join(to)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    for entry in fs::read_dir(project::root().join(NODE).join("etc"))? {
        let entry = entry?;
        fs::copy(entry.path(), root.join("etc").join(entry.file_name()))?;
    }
    fs::write(root.join("share/libnss_evil.so.2"), test_hostile::compile(folder)?)?;
    fs::write(root.join("share/spin.toml"), test_hostile::MANIFEST)?;
    let lines: Vec<_> = arguments.iter().map(|argument| argument.as_bytes()).collect();
    fs::write(root.join("etc/arguments"), lines.join(&b'\n'))?;
    let disk = folder.join("disk");
    file_system(steps, "making the disk of this run", &root, &disk, SIZE)?;
    File::open(&disk).with_context(|| format!("cannot open {}", disk.display()))
}
