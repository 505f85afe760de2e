//! Static programs for Linux: one file that needs no loader and no C library of the system that it runs on. The C library is musl.

mod library;

use std::env;
use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use xtask_runner::{Runner, apt};

use super::{debian, rustup};
use crate::workspace;
use library::{LIBSECCOMP, LIBUNWIND};

/// What they are compiled for: this machine's architecture.
pub const TARGET: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-musl" } else { "x86_64-unknown-linux-musl" };

/// The C compiler.
const CC: &str = "musl-gcc";

/// Debian's package with [`CC`], musl, and the objects that a program begins and ends with.
const CC_PACKAGE: [&str; 1] = ["musl-tools"];

/// Names a folder with a static libseccomp that is there already; the crate `libseccomp-sys` reads it, too.
const LIBSECCOMP_FOLDER: &str = "LIBSECCOMP_LIB_PATH";

/// Why Debian's compiler is wanted.
const NO_STD: &str = "no Rust standard library for static programs: rustup could not add its target for musl";

/// A compiler for [`TARGET`].
#[derive(Debug)]
pub struct Musl {
    /// Where `libseccomp.a` is.
    libseccomp: PathBuf,
    std: Std,
}

/// Rust's standard library for [`TARGET`].
#[derive(Debug, PartialEq, Eq)]
enum Std {
    /// rustup's.
    Compiled,
    /// Made of its sources, by the Rust that runs this program or by Debian's.
    Sources {
        debian: bool,
        /// With what rustup's brings along: an unwinder, musl, and what a program begins and ends with.
        folders: Vec<PathBuf>,
    },
}

impl Musl {
    /// This machine's, set up first if need be.
    pub fn find(runner: &mut Runner) -> Result<Self> {
        if !Command::new(CC).arg("--version").output().is_ok_and(|output| output.status.success()) {
            apt::install(runner, &CC_PACKAGE, &format!("static programs take the C compiler {CC}, which is not here"))?;
        }
        let libseccomp = match env::var_os(LIBSECCOMP_FOLDER) {
            Some(folder) => folder.into(),
            None => {
                LIBSECCOMP.compile(runner, &format!("; or name a folder with libseccomp.a in {LIBSECCOMP_FOLDER}"))?
            }
        };
        Ok(Self { libseccomp, std: Std::find(runner)? })
    }

    /// Cargo with the profile `host` for these packages; `subcommand` is one that builds.
    pub fn cargo(&self, subcommand: &str, packages: &[&str]) -> Command {
        let mut command = self.std.cargo(subcommand);
        workspace::select(&mut command, packages, &self.target_dir());
        command
            .args(["--target", TARGET])
            .env("LIBSECCOMP_LINK_TYPE", "static")
            .env(LIBSECCOMP_FOLDER, &self.libseccomp)
            // It would find the system's, for glibc.
            .env("LIBSECCOMP_NO_PKG_CONFIG", "1")
            .env(format!("CC_{}", TARGET.replace('-', "_")), CC);
        command
    }

    /// The program `name` that [`Self::cargo`] `build` makes.
    pub fn program(&self, name: &str) -> PathBuf {
        self.target_dir().join(TARGET).join("host").join(name)
    }

    fn target_dir(&self) -> PathBuf {
        match self.std {
            // Two compilers in one folder would evict each other's artifacts.
            Std::Sources { debian: true, .. } => workspace::target().join("debian/static"),
            _ => workspace::target(),
        }
    }
}

impl Std {
    /// In the order in which [`super::Toolchain::find`] looks; what was compiled from sources before comes before another try of
    /// rustup, which may take its whole timeout.
    fn find(runner: &mut Runner) -> Result<Self> {
        let sysroot = rustup::sysroot()?;
        let present = || rustup::has_std(&sysroot, TARGET);
        if present() || LIBUNWIND.compiled()?.is_none() && rustup::run(&["target", "add", TARGET]) && present() {
            return Ok(Self::Compiled);
        }
        let debian = !rustup::has_sources(&sysroot);
        if debian {
            if !apt::has(&debian::COMPILER) {
                apt::install(runner, &debian::COMPILER, NO_STD)?;
            }
            debian::check_version()?;
        }
        let musl = PathBuf::from(format!("/usr/lib/{ARCH}-linux-musl"));
        ensure!(musl.is_dir(), "{NO_STD}; and {}, where Debian has musl, is not there", musl.display());
        Ok(Self::Sources { debian, folders: vec![LIBUNWIND.compile(runner, "")?, musl, gcc()?] })
    }

    /// A cargo that compiles std first, if need be.
    fn cargo(&self, subcommand: &str) -> Command {
        let Self::Sources { debian, folders } = self else { return workspace::cargo(subcommand) };
        let mut command = if *debian { debian::compiler(subcommand) } else { workspace::cargo(subcommand) };
        let flags: Vec<_> = folders.iter().map(|folder| format!("-Lnative={}", folder.display())).collect();
        command.env("RUSTFLAGS", flags.join(" ")).env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=std,panic_unwind");
        command
    }
}

/// The folder of gcc's own objects and libraries.
fn gcc() -> Result<PathBuf> {
    let output = Command::new("cc").arg("-print-libgcc-file-name").output().context("cannot run cc, the C compiler")?;
    let library = String::from_utf8(output.stdout)?;
    let folder = Path::new(library.trim_end()).parent().filter(|folder| folder.join("crtbeginS.o").is_file());
    folder.map(Path::to_path_buf).with_context(|| format!("expected gcc as cc; its library is {library:?}"))
}

#[cfg(test)]
mod tests;
