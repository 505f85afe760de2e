//! Programs that run on any Linux: they load nothing of the system that they run on.

use std::path::Path;
use std::process::Command;

/// Asserts that the program is static: it names no loader and needs no library.
///
/// # Panics
/// If it is not, or if there is no `readelf` (binutils, which every C compiler needs).
#[track_caller]
pub fn assert_static(program: &Path) {
    let segments = readelf("--program-headers", program);
    assert!(segments.contains("LOAD"), "{segments}");
    assert!(!segments.contains("INTERP"), "it has a loader: {segments}");
    let entries = readelf("--dynamic", program);
    assert!(!entries.contains("(NEEDED)"), "it needs a library: {entries}");
}

/// What readelf says about a program.
fn readelf(option: &str, program: &Path) -> String {
    let output = Command::new("readelf").args([option, "--wide"]).arg(program).output().expect("readelf runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("readelf prints text")
}
