//! The C compiler for static programs: Debian's gcc with musl instead of glibc, for this machine's processor or for another one.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use xtask_runner::{Runner, apt, cache};

use crate::toolchain::architecture::Architecture;
use crate::toolchain::debian::foreign;

/// Debian's package with musl, and with a gcc that uses it.
const MUSL: [&str; 1] = ["musl-tools"];

/// Debian's package with musl alone.
const MUSL_FILES: &str = "musl-dev";

/// A C compiler.
#[derive(Debug)]
pub struct Compiler {
    /// gcc, which compiles for musl.
    pub musl_gcc: PathBuf,
    /// gcc, which compiles for glibc: it links, and knows where its own files are.
    pub gcc: PathBuf,
    /// What makes a library of objects.
    pub ar: PathBuf,
    /// Where musl's own files are.
    pub musl: PathBuf,
    pub architecture: Architecture,
}

impl Compiler {
    /// The one for `architecture`, set up first if need be.
    pub fn find(runner: &mut Runner, architecture: Architecture) -> Result<Self> {
        if architecture == Architecture::HERE { Self::here(runner) } else { Self::foreign(runner, architecture) }
    }

    fn here(runner: &mut Runner) -> Result<Self> {
        let found = Self {
            musl_gcc: "musl-gcc".into(),
            gcc: "cc".into(),
            ar: "ar".into(),
            musl: format!("/usr/lib/{}-linux-musl", Architecture::HERE.kernel()).into(),
            architecture: Architecture::HERE,
        };
        if !runs(&found.musl_gcc) {
            apt::install(runner, &MUSL, "static programs take the C compiler musl-gcc, which is not here")?;
        }
        Ok(found)
    }

    /// Debian has gcc for it, and musl for a machine with it: both together are what `musl-tools` is here.
    fn foreign(runner: &mut Runner, architecture: Architecture) -> Result<Self> {
        let triple = format!("{}-linux-gnu", architecture.kernel());
        let gcc = PathBuf::from(format!("{triple}-gcc"));
        let headers = PathBuf::from(format!("/usr/{triple}/include/linux"));
        if !runs(&gcc) || !headers.is_dir() {
            let name = architecture.debian();
            let gcc = format!("gcc-{}", triple.replace('_', "-"));
            // With the kernel's headers.
            let libc = format!("libc6-dev-{name}-cross");
            apt::install(runner, &[&gcc, &libc], &format!("programs for {name} take a C compiler, which is not here"))?;
        }
        let folder = foreign::unpacked(runner, MUSL_FILES, architecture)?;
        let name = format!("{}-linux-musl", architecture.kernel());
        let musl = folder.join("usr/lib").join(&name);
        Ok(Self {
            musl_gcc: wrapper(&folder, &name, &gcc)?,
            gcc,
            ar: format!("{triple}-ar").into(),
            musl,
            architecture,
        })
    }

    /// A folder below `work` with only the kernel's headers. musl has none, and the system's folder also has glibc's.
    pub fn kernel_headers(&self, work: &Path) -> Result<PathBuf> {
        let name = format!("{}-linux-gnu", self.architecture.kernel());
        let (system, asm) = if self.architecture == Architecture::HERE {
            (PathBuf::from("/usr/include"), PathBuf::from("/usr/include").join(name).join("asm"))
        } else {
            let system = Path::new("/usr").join(name).join("include");
            (system.clone(), system.join("asm"))
        };
        let headers = work.join("headers");
        fs::create_dir(&headers)?;
        for (name, target) in
            [("asm", asm), ("asm-generic", system.join("asm-generic")), ("linux", system.join("linux"))]
        {
            symlink(target, headers.join(name))?;
        }
        Ok(headers)
    }

    /// The folder of gcc's own objects and libraries.
    pub fn gcc_files(&self) -> Result<PathBuf> {
        let output = Command::new(&self.gcc).arg("-print-libgcc-file-name").output();
        let output = output.with_context(|| format!("cannot run {}, the C compiler", self.gcc.display()))?;
        let library = String::from_utf8(output.stdout)?;
        let folder = Path::new(library.trim_end()).parent().filter(|folder| folder.join("crtbeginS.o").is_file());
        folder
            .map(Path::to_path_buf)
            .with_context(|| format!("expected gcc as {}; its library is {library:?}", self.gcc.display()))
    }
}

/// Writes a program that is `gcc` with the files of musl in `folder`, and returns where.
fn wrapper(folder: &Path, name: &str, gcc: &Path) -> Result<PathBuf> {
    let program = cache::folder()?.join("tools").join(format!("{name}-gcc"));
    let specs = fs::read_to_string(folder.join("usr/lib").join(name).join("musl-gcc.specs"))
        .context("Debian's musl has no specs for gcc")?;
    let file = program.with_extension("specs");
    put(&file, moved(&specs, folder).as_bytes(), 0o644)?;
    let script = format!("#!/bin/sh\nexec {} \"$@\" -specs '{}'\n", gcc.display(), file.display());
    put(&program, script.as_bytes(), 0o755)?;
    Ok(program)
}

/// What tells gcc where musl's files are, if that is not the root but `folder`.
fn moved(specs: &str, folder: &Path) -> String {
    let place = |specs: String, name: &str| specs.replace(name, &format!("{}{name}", folder.display()));
    ["/usr/lib/", "/usr/include/"].into_iter().fold(specs.to_owned(), place)
}

/// Writes a file in one step, if it is another one than before: a compiler may be using it.
fn put(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    let unfinished = path.with_extension(std::process::id().to_string());
    fs::write(&unfinished, content)
        .and_then(|()| fs::set_permissions(&unfinished, fs::Permissions::from_mode(mode)))
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn runs(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gcc_finds_musl_where_it_was_unpacked() {
        let specs = "*cpp_options:\n-nostdinc -isystem /usr/include/a-linux-musl -isystem include%s\n\
                     *link_libgcc:\n-L/usr/lib/a-linux-musl -L .%s\n";
        let expected = "*cpp_options:\n-nostdinc -isystem /m/usr/include/a-linux-musl -isystem include%s\n\
                        *link_libgcc:\n-L/m/usr/lib/a-linux-musl -L .%s\n";
        assert_eq!(moved(specs, Path::new("/m")), expected);
    }
}
