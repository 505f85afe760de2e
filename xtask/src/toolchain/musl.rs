//! Static programs for Linux: one file that needs no loader and no C library of the system that it runs on. The C library is musl.

mod compiler;
mod library;

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use xtask_runner::{Runner, apt};

use super::architecture::Architecture;
use super::{debian, rustup};
use crate::workspace;
use compiler::Compiler;
use library::{LIBSECCOMP, LIBUNWIND};

/// Names a folder with a static libseccomp that is there already; the crate `libseccomp-sys` reads it, too.
const LIBSECCOMP_FOLDER: &str = "LIBSECCOMP_LIB_PATH";

/// Why Debian's compiler is wanted.
const NO_STD: &str = "no Rust standard library for static programs: rustup could not add its target for musl";

/// A compiler of static programs.
#[derive(Debug)]
pub struct Musl {
    compiler: Compiler,
    /// Where `libseccomp.a` is.
    libseccomp: PathBuf,
    std: Std,
}

/// Rust's standard library with musl.
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
    /// The one for `architecture`, set up first if need be.
    pub fn find(runner: &mut Runner, architecture: Architecture) -> Result<Self> {
        let compiler = Compiler::find(runner, architecture)?;
        // What a person names is for this machine.
        let libseccomp = if architecture != Architecture::HERE {
            LIBSECCOMP.compile(runner, &compiler, "")?
        } else if let Some(folder) = env::var_os(LIBSECCOMP_FOLDER) {
            folder.into()
        } else {
            let otherwise = format!("; or name a folder with libseccomp.a in {LIBSECCOMP_FOLDER}");
            LIBSECCOMP.compile(runner, &compiler, &otherwise)?
        };
        let std = Std::find(runner, &compiler)?;
        Ok(Self { compiler, libseccomp, std })
    }

    /// Cargo with the profile `host` for these packages; `subcommand` is one that builds.
    pub fn cargo(&self, subcommand: &str, packages: &[&str]) -> Command {
        let target = self.target();
        let mut command = self.std.cargo(subcommand);
        workspace::select(&mut command, packages, &self.target_dir());
        command
            .args(["--target", target])
            .env("LIBSECCOMP_LINK_TYPE", "static")
            .env(LIBSECCOMP_FOLDER, &self.libseccomp)
            // It would find the system's, for glibc.
            .env("LIBSECCOMP_NO_PKG_CONFIG", "1")
            .env(format!("CC_{}", target.replace('-', "_")), &self.compiler.musl_gcc);
        if self.compiler.architecture != Architecture::HERE {
            let name = target.replace('-', "_");
            command.env(format!("AR_{name}"), &self.compiler.ar);
            command.env(format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), &self.compiler.gcc);
        }
        command
    }

    /// The program `name` that [`Self::cargo`] `build` makes.
    pub fn program(&self, name: &str) -> PathBuf {
        self.target_dir().join(self.target()).join("host").join(name)
    }

    fn target(&self) -> &'static str {
        self.compiler.architecture.musl()
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
    fn find(runner: &mut Runner, compiler: &Compiler) -> Result<Self> {
        let sysroot = rustup::sysroot()?;
        let target = compiler.architecture.musl();
        let present = || rustup::has_std(&sysroot, target);
        let is_new = || Ok::<_, anyhow::Error>(LIBUNWIND.compiled(compiler.architecture)?.is_none());
        if present() || is_new()? && rustup::run(&["target", "add", target]) && present() {
            return Ok(Self::Compiled);
        }
        let debian = !rustup::has_sources(&sysroot);
        if debian {
            if !apt::has(&debian::COMPILER) {
                apt::install(runner, &debian::COMPILER, NO_STD)?;
            }
            debian::check_version()?;
        }
        let musl = &compiler.musl;
        ensure!(musl.is_dir(), "{NO_STD}; and {}, where Debian has musl, is not there", musl.display());
        let unwinder = LIBUNWIND.compile(runner, compiler, "")?;
        Ok(Self::Sources { debian, folders: vec![unwinder, musl.clone(), compiler.gcc_files()?] })
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

#[cfg(test)]
mod tests;
