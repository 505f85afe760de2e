//! Ordinary Linux containers in the same pod: pause, init containers, sidecars.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use oci_spec::runtime::Spec;

use crate::environment::Environment;

/// The folders in which a program is looked for if there is no PATH, as by execvp.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Whether the container's first argument is a program that Linux can run: ELF or with a `#!` line.
pub fn is_program(spec: &Spec) -> bool {
    let process = spec.process().as_ref();
    let Some(name) = process.and_then(|process| process.args().as_ref()?.first()) else {
        return false;
    };
    if name.contains('/') {
        return is_executable(Path::new(name));
    }
    let path = Environment::from_spec(spec).get("PATH").unwrap_or_else(|| DEFAULT_PATH.to_owned());
    path.split(':').any(|folder| is_executable(&Path::new(folder).join(name)))
}

fn is_executable(path: &Path) -> bool {
    let mut magic = [0; 4];
    if !path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0) {
        return false;
    }
    match File::open(path).and_then(|mut file| file.read_exact(&mut magic)) {
        Ok(()) => magic == *b"\x7fELF" || magic.starts_with(b"#!"),
        // Everybody may run some programs that only their owner may read.
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    }
}

/// Restores SIGPIPE, which Rust's std ignores: a program would inherit that.
pub fn default_sigpipe() {
    // SAFETY: this only restores the default and installs no handler, and the process has one thread.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use oci_spec::runtime::{ProcessBuilder, SpecBuilder};

    use super::*;

    fn spec(args: &[&str], path: &Path) -> Spec {
        let process = ProcessBuilder::default()
            .args(args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>())
            .env([format!("PATH=/nowhere:{}", path.display())])
            .build();
        SpecBuilder::default().process(process.unwrap()).build().unwrap()
    }

    #[test]
    fn only_programs_that_linux_can_run_are_programs() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content, mode) in [
            ("elf", b"\x7fELF and so on".as_slice(), 0o755),
            ("script", b"#!/bin/sh", 0o555),
            ("not-executable", b"\x7fELF and so on", 0o644),
            ("component.wasm", b"\0asm\x0d\0\x01\0", 0o755),
            ("short", b"#!", 0o755),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let expected = ["elf", "script"].contains(&name);
            assert_eq!(is_program(&spec(&[path.to_str().unwrap()], folder.path())), expected, "{name}");
            assert_eq!(is_program(&spec(&[name, "argument"], folder.path())), expected, "{name} on PATH");
        }
        assert!(!is_program(&spec(&["/"], folder.path())));
        assert!(!is_program(&spec(&["missing"], folder.path())));
        assert!(!is_program(&spec(&[], folder.path())));
    }
}
