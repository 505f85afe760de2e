//! The programs that run on any Linux: nothing of the system that they run on is loaded into them.

use std::path::{Path, PathBuf};
use std::process::Command;

use test_support::artifacts;

/// What readelf (binutils, which every C compiler brings along) says of a program.
fn readelf(option: &str, program: &Path) -> String {
    let output = Command::new("readelf").args([option, "--wide"]).arg(program).output().expect("readelf runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("readelf prints text")
}

fn programs() -> [PathBuf; 2] {
    [artifacts::runtime(), artifacts::shim()]
}

#[test]
fn no_program_has_a_loader() {
    for program in programs() {
        let segments = readelf("--program-headers", &program);
        assert!(segments.contains("LOAD"), "{segments}");
        assert!(!segments.contains("INTERP"), "{segments}");
    }
}

#[test]
fn no_program_needs_a_library() {
    for program in programs() {
        let entries = readelf("--dynamic", &program);
        assert!(!entries.contains("(NEEDED)"), "{entries}");
    }
}
