//! The machine's own disk: Debian as its packages make it, kept in the user's cache folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use xtask_runner::{Runner, cache};

use crate::machine::Platform;

/// Debian 12: its kernel and its runc are what many nodes have.
const RELEASE: &str = "bookworm";

/// Debian's packages in addition to the required ones: what a node has, and tools that inspect the kernel.
const PACKAGES: [&str; 7] = [
    "apparmor",
    "bpftool",
    "dbus",
    "kmod",
    "runc",
    "systemd-sysv",
    // Loads drivers, and tells systemd when the port for the cases is there.
    "udev",
];

/// Units that no case needs and that would delay each boot.
const NEEDLESS: [&str; 12] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty-static.service",
    "getty@tty1.service",
    "serial-getty@.service",
    "systemd-logind.service",
    "systemd-pstore.service",
    "systemd-user-sessions.service",
];

/// What this repository adds to the packages' files.
const TREE: &str = "tests/vm/tree";

/// The disk's size, most of it a hole in the file.
const SIZE: &str = "3G";

/// A disk and the kernel that belongs to it.
pub struct Base(PathBuf);

impl Base {
    /// The one in the user's cache folder, made first if need be.
    pub fn in_cache(runner: &mut Runner, platform: &Platform) -> Result<Self> {
        let cache = cache::folder()?.join("vm");
        fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
        // Two checkouts that make the disk at the same time wait for each other.
        let lock = File::open(&cache).with_context(|| format!("cannot open {}", cache.display()))?;
        lock.lock().with_context(|| format!("cannot lock {}", cache.display()))?;
        let folder = cache.join(format!("{RELEASE}-{}", key(platform)?));
        if !folder.is_dir() {
            make(runner, platform, &folder)?;
        }
        Ok(Self(folder))
    }

    /// The disk. No run changes it.
    pub fn disk(&self) -> PathBuf {
        self.0.join("disk")
    }

    pub fn kernel(&self) -> PathBuf {
        self.0.join("kernel")
    }
}

/// Makes it in another folder and renames that to `folder`, so that `folder` is always complete.
fn make(runner: &mut Runner, platform: &Platform, folder: &Path) -> Result<()> {
    let unfinished = folder.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).with_context(|| format!("cannot remove {}", unfinished.display()))?;
    }
    fs::create_dir_all(&unfinished)?;
    let tree = unfinished.join("tree");
    bootstrap(runner, platform, &tree)?;
    let mut copy = Command::new("cp");
    runner.run("adding our files", "", copy.args(["-R", "--"]).arg(format!("{TREE}/.")).arg(&tree))?;
    let mut systemctl = Command::new("chroot");
    systemctl.arg(&tree).args(["systemctl", "--quiet", "mask"]).args(NEEDLESS);
    runner.run("leaving out what no case needs", "", &mut systemctl)?;
    let mut systemctl = Command::new("chroot");
    systemctl.arg(&tree).args(["systemctl", "--quiet", "enable", "containerd", "cases"]);
    runner.run("adding what every boot starts", "", &mut systemctl)?;
    fs::copy(tree.join("vmlinuz"), unfinished.join("kernel")).context("the package of the kernel has no /vmlinuz")?;
    file_system(runner, "making a disk of it", &tree, &unfinished.join("disk"), SIZE)?;
    fs::remove_dir_all(&tree)?;
    fs::rename(&unfinished, folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Unpacks and configures the packages in the folder `tree`.
fn bootstrap(runner: &mut Runner, platform: &Platform, tree: &Path) -> Result<()> {
    let packages = format!("{},{}", PACKAGES.join(","), platform.kernel_package);
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.args(["--variant=minbase", &format!("--include={packages}")]);
    if platform.is_foreign() {
        mmdebstrap.arg(format!("--architectures={}", platform.architecture));
        // Debian's package enables it at the start of a machine; some, such as containers, have none.
        let name = format!("qemu-{}", platform.processor);
        let mut binfmts = Command::new("update-binfmts");
        runner.run("letting the kernel run programs for it", "", binfmts.args(["--enable", &name]))?;
    }
    mmdebstrap.args(["doc", "info", "locale", "man"].map(|name| format!("--dpkgopt=path-exclude=/usr/share/{name}/*")));
    let takes = if platform.is_foreign() { "once, about 6 min" } else { "once, about 1 min" };
    // The kernel has what it takes to find this disk; an initial ramdisk would only take time, now and at each boot.
    mmdebstrap.env("INITRD", "No");
    runner
        .run("unpacking Debian for the virtual machine", takes, mmdebstrap.arg(RELEASE).arg(tree))
        .context("this takes a mirror of Debian's packages in reach")
}

/// Makes a file system with what is in `folder`, in the new file `disk`.
///
/// Without a journal, which is for disks that outlive their machine.
pub fn file_system(runner: &mut Runner, what: &str, folder: &Path, disk: &Path, size: &str) -> Result<()> {
    let mut mke2fs = Command::new("mke2fs");
    mke2fs.args(["-q", "-t", "ext4", "-O", "^has_journal", "-E", "lazy_itable_init=0", "-d"]);
    runner.run(what, "", mke2fs.arg(folder).arg(disk).arg(size))
}

/// What tells one disk from another: hexadecimal, of everything here that goes in. Not of the packages' versions, which are
/// what the mirror has on that day; the cases say which they met.
fn key(platform: &Platform) -> Result<String> {
    let mut hash = Sha256::new();
    // With all its constants and arguments.
    hash.update(include_str!("base.rs"));
    hash.update(platform.kernel_package);
    let root = Path::new(TREE);
    for path in files(root)? {
        hash.update(path.strip_prefix(root)?.as_os_str().as_encoded_bytes());
        hash.update(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

/// All files below `folder`, in an order that is always the same.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(self::files(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
