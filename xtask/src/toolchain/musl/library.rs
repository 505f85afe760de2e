//! C libraries for static programs. Debian compiles them for glibc alone, so they are compiled here, once, from the sources of
//! Debian's packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use xtask_runner::{Runner, apt, cache};

use super::compiler::Compiler;
use crate::toolchain::architecture::Architecture;
use crate::toolchain::debian::source;

/// Debian's packages that compile them: make, libseccomp's generator, the kernel's headers, and dpkg's tools for source packages.
const PACKAGES: [&str; 4] = ["dpkg-dev", "gperf", "linux-libc-dev", "make"];

/// A library that one of Debian's source packages is named after.
pub struct Library {
    name: &'static str,
    options: &'static [&'static str],
    /// More C code that is compiled into it.
    supplement: Option<&'static str>,
}

/// Installs the seccomp filters of containers.
pub const LIBSECCOMP: Library = Library { name: "libseccomp", options: &[], supplement: None };

/// Unwinds the stack of a panic. gcc's own library needs functions that only glibc has.
pub const LIBUNWIND: Library = Library {
    name: "libunwind",
    options: &[
        // Compilers call these functions; the others are for debuggers.
        "--enable-cxx-exceptions",
        "--disable-coredump",
        "--disable-documentation",
        "--disable-minidebuginfo",
        "--disable-ptrace",
        "--disable-setjmp",
        "--disable-tests",
    ],
    // wasmtime calls these functions for code that it compiled. Debian's library lacks them, and they can do nothing: wasmtime
    // catches a panic before it reaches that code.
    supplement: Some("void __register_frame(void *frames) {} void __deregister_frame(void *frames) {}"),
};

impl Library {
    /// The folder with the static library for `architecture`, where that was compiled before.
    pub fn compiled(&self, architecture: Architecture) -> Result<Option<PathBuf>> {
        let folder = self.folder(architecture)?;
        Ok(folder.is_dir().then_some(folder))
    }

    /// The folder with the static library, which is compiled first if it is missing. `otherwise` says what to do if that fails.
    pub fn compile(&self, runner: &mut Runner, compiler: &Compiler, otherwise: &str) -> Result<PathBuf> {
        if let Some(folder) = self.compiled(compiler.architecture)? {
            return Ok(folder);
        }
        if !apt::has(&PACKAGES) {
            let missing = format!("to compile {} takes tools that are not here{otherwise}", self.name);
            apt::install(runner, &PACKAGES, &missing)?;
        }
        let folder = self.folder(compiler.architecture)?;
        let work = folder.with_extension(std::process::id().to_string());
        let outcome = self.compile_in(runner, compiler, &work, &folder);
        let _ = fs::remove_dir_all(&work);
        outcome.with_context(|| format!("{} could not be compiled{otherwise}", self.name))?;
        Ok(folder)
    }

    fn folder(&self, architecture: Architecture) -> Result<PathBuf> {
        let name = format!("{}-debian-{}-musl", self.name, architecture.kernel());
        Ok(cache::folder()?.join("tools").join(name))
    }

    /// Compiles in the folder `work`, and moves what was wanted to `folder` in one step.
    fn compile_in(&self, runner: &mut Runner, compiler: &Compiler, work: &Path, folder: &Path) -> Result<()> {
        fs::create_dir_all(work).with_context(|| format!("cannot make {}", work.display()))?;
        let source = source::unpack(runner, self.name, work)?;
        let mut configure = Command::new("./configure");
        configure
            .current_dir(&source)
            .args(["--quiet", "--disable-shared", "--enable-static"])
            .arg(format!("--host={}-linux-musl", compiler.architecture.kernel()))
            .arg(format!("CC={}", compiler.musl_gcc.display()))
            .arg(format!("AR={}", compiler.ar.display()))
            .arg(format!("CPPFLAGS=-idirafter {}", compiler.kernel_headers(work)?.display()))
            .args(self.options);
        runner.run(&format!("configuring {}", self.name), "", &mut configure)?;
        let mut make = Command::new("make");
        make.current_dir(source.join("src")).arg(format!("{}.la", self.name));
        runner.run(&format!("compiling {} for static programs", self.name), "once", &mut make)?;
        let file = format!("{}.a", self.name);
        let library = source.join("src/.libs").join(&file);
        if let Some(code) = self.supplement {
            self.add(runner, compiler, work, code, &library)?;
        }
        let made = work.join("made");
        fs::create_dir(&made)?;
        fs::copy(&library, made.join(&file)).with_context(|| format!("the source of {} made no {file}", self.name))?;
        match fs::rename(&made, folder) {
            // Another process has made it meanwhile.
            Err(_) if folder.is_dir() => Ok(()),
            outcome => outcome.with_context(|| format!("cannot make {}", folder.display())),
        }
    }

    /// Compiles `code`, and adds it to `library`.
    fn add(&self, runner: &mut Runner, compiler: &Compiler, work: &Path, code: &str, library: &Path) -> Result<()> {
        let [source, object] = ["supplement.c", "supplement.o"].map(|name| work.join(name));
        fs::write(&source, code).with_context(|| format!("cannot write {}", source.display()))?;
        let mut gcc = Command::new(&compiler.musl_gcc);
        runner.run("compiling what it lacks", "", gcc.arg("-c").arg(&source).arg("-o").arg(&object))?;
        runner.run("adding that", "", Command::new(&compiler.ar).arg("rs").arg(library).arg(&object))
    }
}
