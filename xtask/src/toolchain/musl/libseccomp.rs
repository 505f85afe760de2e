//! libseccomp, with which containers get their seccomp filters, as a static library for musl. Debian compiles it for glibc alone,
//! so it is compiled here, once, from the source of Debian's package.

use std::{
    env::{self, consts::ARCH},
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{project, step::Steps, toolchain::debian};

/// What it takes to compile it: a C compiler for musl, its own generator, and what unpacks a source package.
const PACKAGES: [&str; 5] = ["musl-tools", "gperf", "make", "dpkg-dev", "linux-libc-dev"];

/// Where a library that is there already can be named; the crate `libseccomp-sys` reads it, too.
const VARIABLE: &str = "LIBSECCOMP_LIB_PATH";

/// The folder with `libseccomp.a`, compiled first if need be.
pub fn folder(steps: &mut Steps) -> Result<PathBuf> {
    if let Some(given) = env::var_os(VARIABLE) {
        return Ok(given.into());
    }
    if !debian::has(&PACKAGES) {
        let missing = format!("a static libseccomp takes {}, or a folder with libseccomp.a in {VARIABLE}", PACKAGES[0]);
        debian::install(steps, &PACKAGES, &missing)?;
    }
    let cache = project::cache().context("neither XDG_CACHE_HOME nor HOME is an absolute path; set one")?;
    let folder = cache.join("tools").join(format!("libseccomp-debian-{ARCH}-musl"));
    if folder.join("libseccomp.a").is_file() {
        return Ok(folder);
    }
    let unfinished = folder.with_extension(format!("{}", std::process::id()));
    let outcome = compile(steps, &unfinished, &folder);
    let _ = fs::remove_dir_all(&unfinished);
    outcome.map(|()| folder)
}

fn compile(steps: &mut Steps, work: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(work).with_context(|| format!("cannot make {}", work.display()))?;
    let source = debian::source(steps, "libseccomp", work)?;
    // musl-gcc looks for headers in musl's folder alone, which has none of the kernel's.
    let headers = work.join("headers");
    fs::create_dir_all(&headers)?;
    for (name, target) in [
        ("linux", "/usr/include/linux".into()),
        ("asm-generic", "/usr/include/asm-generic".into()),
        ("asm", format!("/usr/include/{ARCH}-linux-gnu/asm")),
    ] {
        symlink(target, headers.join(name))?;
    }
    let mut configure = Command::new("./configure");
    configure.current_dir(&source).args(["--quiet", "--disable-shared", "--enable-static", "CC=musl-gcc"]);
    configure.arg(format!("--host={ARCH}-linux-musl")).arg(format!("CPPFLAGS=-idirafter {}", headers.display()));
    steps.run("configuring libseccomp", "", &mut configure)?;
    steps.run("compiling libseccomp", "once", Command::new("make").arg("-C").arg(source.join("src")))?;
    // What the crates ask for: the library, and by pkg-config its version.
    let made = work.join("made");
    fs::create_dir_all(made.join("pkgconfig"))?;
    fs::copy(source.join("src/.libs/libseccomp.a"), made.join("libseccomp.a"))?;
    fs::copy(source.join("libseccomp.pc"), made.join("pkgconfig/libseccomp.pc"))?;
    fs::rename(&made, folder).with_context(|| format!("cannot make {}", folder.display()))
}
