//! Every input that the fuzzer kept, and every one that it failed on once, on every run of the tests.

use std::path::Path;
use std::process::Command;

macro_rules! targets {
    ($($target:ident => $program:literal,)*) => {
        $(#[test]
        fn $target() {
            run(stringify!($target), env!(concat!("CARGO_BIN_EXE_", $program)));
        })*
    };
}

targets! {
    cache_entry => "fuzz_cache_entry",
    echo => "fuzz_echo",
    forwarded => "fuzz_forwarded",
    log => "fuzz_log",
    oci_spec => "fuzz_oci_spec",
    query => "fuzz_query",
    spin_toml => "fuzz_spin_toml",
}

fn run(target: &str, program: &str) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let output = Command::new(program).arg(&corpus).output().expect("the program runs");
    let inputs = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: {said}",
        String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or("")
    );
    assert!(inputs > 0, "there are no inputs in {}", corpus.display());
}
