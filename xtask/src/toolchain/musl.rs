//! Static programs for Linux: one file that needs no loader and no C library of the system that it runs on. The C library is musl.

mod libseccomp;

use std::{fs, os::unix::fs::symlink, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::{debian, rustup};
use crate::{project, step::Steps};

/// What they are compiled for: this machine's architecture.
pub const TARGET: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-musl" } else { "x86_64-unknown-linux-musl" };

/// The C compiler, which Debian has in its package `musl-tools`.
const CC: &str = "musl-gcc";

/// Why Debian's compiler is wanted.
const NO_STD: &str = "no Rust standard library for static programs: rustup could not add the target";

/// A compiler for [`TARGET`].
#[derive(Debug)]
pub struct Musl {
    /// Where `libseccomp.a` is.
    libseccomp: PathBuf,
    /// Debian's compiler, which has to compile std first: the folder with what that is linked with.
    debian: Option<PathBuf>,
}

impl Musl {
    /// This machine's, set up first if need be: in the order in which [`super::Toolchain::find`] looks.
    ///
    /// # Errors
    /// What is missing, and what to type.
    pub fn find(steps: &mut Steps) -> Result<Self> {
        let libseccomp = libseccomp::folder(steps)?;
        if rustup::has_std(&rustup::sysroot()?, TARGET) {
            return Ok(Self { libseccomp, debian: None });
        }
        if !debian::has(&debian::COMPILER) {
            if rustup::run(&["target", "add", TARGET]) {
                return Ok(Self { libseccomp, debian: None });
            }
            debian::install(steps, &debian::COMPILER, NO_STD)?;
        }
        debian::check_version()?;
        Ok(Self { libseccomp, debian: Some(unwinder()?) })
    }

    /// Cargo with the profile `host` for these packages; `subcommand` is one that builds.
    pub fn cargo(&self, subcommand: &str, packages: &[&str]) -> Command {
        let mut command = match &self.debian {
            None => project::cargo(subcommand),
            Some(unwinder) => {
                let mut command = debian::compiler(subcommand);
                // Its C library is no part of this std, and neither is the unwinder: gcc's takes its place.
                let flags = format!("-Lnative={} -Clink-self-contained=no -Clinker={CC}", unwinder.display());
                command.env("RUSTFLAGS", flags).env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=std,panic_unwind");
                command
            }
        };
        project::select(&mut command, packages, &self.target_dir());
        command
            .args(["--target", TARGET])
            .env("LIBSECCOMP_LINK_TYPE", "static")
            .env("LIBSECCOMP_LIB_PATH", &self.libseccomp)
            .env(format!("CC_{}", TARGET.replace('-', "_")), CC);
        command
    }

    /// The program `name` that [`Self::cargo`] `build` makes.
    pub fn program(&self, name: &str) -> PathBuf {
        self.target_dir().join(TARGET).join("host").join(name)
    }

    fn target_dir(&self) -> PathBuf {
        // Two compilers in one folder would evict each other's artifacts.
        if self.debian.is_some() { project::target().join("debian/static") } else { project::target() }
    }
}

/// A folder in which gcc's unwinder has the name by which std asks for LLVM's.
fn unwinder() -> Result<PathBuf> {
    let output = Command::new("gcc").arg("-print-file-name=libgcc_eh.a").output().context("cannot run gcc")?;
    let library = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    let folder = project::target().join("debian/unwinder");
    let name = folder.join("libunwind.a");
    fs::create_dir_all(&folder)?;
    if !name.is_symlink() {
        symlink(&library, &name).with_context(|| format!("cannot link {} to {}", name.display(), library.display()))?;
    }
    Ok(folder)
}
