//! The compiler that makes the components: which there is, and how to call it.

pub mod architecture;
pub mod debian;
pub mod musl;
pub mod protoc;
mod rustup;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;
use xtask_runner::{Runner, apt};

use crate::workspace;

/// What the components are compiled for.
pub const TARGET: &str = "wasm32-wasip2";

/// Why Debian's packages are needed.
const NO_COMPILER: &str =
    "no compiler for wasm32-wasip2: rustup could not add it (`rustup target add wasm32-wasip2` shows why)";

/// What a component does when it panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Flavour {
    /// A bare trap: a quarter of the size, since nothing formats or prints a message. What ships.
    Ship,
    /// A message, then a trap: what stable Rust makes without the sources of std.
    Stable,
}

impl Flavour {
    /// As typed after `--flavour`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ship => "ship",
            Self::Stable => "stable",
        }
    }
}

/// A compiler for [`TARGET`].
#[derive(Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The Rust that runs this program, with the target's std added by rustup, and std's sources for [`Flavour::Ship`].
    Rustup,
    /// Debian's packages, where rustup cannot download: a compiler, the sources of its std, and a C library.
    Debian {
        /// The folder with `wasm-component-ld` and `gcc-ld/wasm-ld`, which Debian does not have and every Rust from
        /// rustup does.
        linkers: PathBuf,
    },
}

/// Inlines less than `opt-level = 2` does by itself: the component has 136 KB in place of 160 KB, and `/` takes 48,000 instructions in
/// place of 42,000. With `opt-level = "s"` these are 134 KB and 59,000.
const INLINE: &str = "-Cllvm-args=-inline-threshold=60";

impl Toolchain {
    /// This machine's toolchain for `flavour`, set up first if need be.
    ///
    /// Debian's packages, once installed, come before another try of rustup: where rustup cannot download, each try may
    /// take its whole timeout.
    pub fn find(runner: &mut Runner, flavour: Flavour) -> Result<Self> {
        let sysroot = rustup::sysroot()?;
        if rustup::can_make(&sysroot, flavour) {
            return Ok(Self::Rustup);
        }
        if !apt::has(&debian::COMPILER) {
            if rustup::add(flavour) && rustup::can_make(&sysroot, flavour) {
                return Ok(Self::Rustup);
            }
            apt::install(runner, &debian::COMPILER, NO_COMPILER)?;
        }
        debian::check_version()?;
        Ok(Self::Debian { linkers: rustup::linkers(&sysroot)? })
    }

    /// The default: the flavour that ships if it can be built here, otherwise the other one.
    pub fn best(runner: &mut Runner) -> Result<(Self, Flavour)> {
        match Self::find(runner, Flavour::Ship) {
            Ok(toolchain) => Ok((toolchain, Flavour::Ship)),
            Err(why) => {
                let toolchain = Self::find(runner, Flavour::Stable)?;
                eprintln!(
                    "building the larger {} flavour: {why:#}; or type `rustup component add rust-src`",
                    Flavour::Stable.name()
                );
                Ok((toolchain, Flavour::Stable))
            }
        }
    }

    /// Adds what `clippy` needs on top.
    pub fn add_clippy(&self, runner: &mut Runner) -> Result<()> {
        match self {
            Self::Debian { .. } if !apt::has(&debian::CLIPPY) => apt::install(runner, &debian::CLIPPY, NO_COMPILER),
            _ => Ok(()),
        }
    }

    /// Cargo for [`TARGET`] in the release profile; `subcommand` is one that builds, such as `build` or `clippy`.
    pub fn cargo(&self, subcommand: &str, flavour: Flavour) -> Command {
        let mut command = match self {
            Self::Rustup => workspace::cargo(subcommand),
            Self::Debian { linkers } => debian::cargo(subcommand, linkers),
        };
        command.args(["--release", "--target", TARGET, "--target-dir"]).arg(self.target_dir(flavour));
        command.env("RUSTFLAGS", self.rustflags(flavour).join(" "));
        let build_std = self.build_std(flavour);
        if !build_std.is_empty() {
            // Every way of building std is unstable, and both compilers are stable ones.
            command.args(build_std).env("RUSTC_BOOTSTRAP", "1");
        }
        command
    }

    /// The component that [`Self::cargo`] `build` makes of `package`.
    pub fn artifact(&self, flavour: Flavour, package: &str) -> PathBuf {
        let file = package.replace('-', "_");
        self.target_dir(flavour).join(TARGET).join("release").join(file).with_extension("wasm")
    }

    /// Compiler, where it is from, and flavour, for people.
    pub fn describe(&self, flavour: Flavour) -> Result<String> {
        let (rustc, origin) = match self {
            Self::Rustup => (Path::new("rustc"), "rustup"),
            Self::Debian { .. } => (Path::new(debian::RUSTC), "Debian"),
        };
        let output = Command::new(rustc).arg("--version").output().context("cannot run rustc")?;
        let version = String::from_utf8_lossy(&output.stdout);
        let version = version.split_whitespace().nth(1).unwrap_or("of an unknown version");
        Ok(format!("{} flavour, rustc {version} from {origin}", flavour.name()))
    }

    /// Each compiler and set of flags has its own folder: in one they would evict each other's artifacts.
    fn target_dir(&self, flavour: Flavour) -> PathBuf {
        let origin = match self {
            Self::Rustup => "rustup",
            Self::Debian { .. } => "debian",
        };
        workspace::target().join(origin).join(flavour.name())
    }

    fn rustflags(&self, flavour: Flavour) -> Vec<&'static str> {
        let mut flags = vec![INLINE];
        if let Self::Debian { .. } = self {
            flags.extend(debian::RUSTFLAGS);
        }
        if flavour == Flavour::Ship {
            flags.extend(["-Zunstable-options", "-Cpanic=immediate-abort"]);
        }
        flags
    }

    fn build_std(&self, flavour: Flavour) -> &'static [&'static str] {
        match (self, flavour) {
            (_, Flavour::Ship) => &["-Zbuild-std=std", "-Zbuild-std-features=optimize_for_size"],
            (Self::Debian { .. }, Flavour::Stable) => &["-Zbuild-std=std,panic_abort"],
            (Self::Rustup, Flavour::Stable) => &[],
        }
    }
}

#[cfg(test)]
mod tests;
