use std::ffi::OsStr;

use super::*;

const RUSTUP: Toolchain = Toolchain::Rustup;

fn debian() -> Toolchain {
    Toolchain::Debian { linkers: "/rust/bin".into() }
}

pub(super) fn environment(command: &Command, name: &str) -> Option<String> {
    let (_, value) = command.get_envs().find(|(key, _)| *key == OsStr::new(name))?;
    Some(value?.to_string_lossy().into_owned())
}

pub(super) fn arguments(command: &Command) -> String {
    command.get_args().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[test]
fn stable_rustup_needs_nothing_unstable() {
    let command = RUSTUP.cargo("build", Flavour::Stable);
    assert!(!arguments(&command).contains("-Z"), "{}", arguments(&command));
    assert_eq!(environment(&command, "RUSTFLAGS").as_deref(), Some(INLINE));
    assert_eq!(environment(&command, "RUSTC_BOOTSTRAP"), None);
}

#[test]
fn what_ships_has_std_without_messages() {
    for toolchain in [RUSTUP, debian()] {
        let command = toolchain.cargo("build", Flavour::Ship);
        assert!(arguments(&command).contains("-Zbuild-std=std -Z"), "{}", arguments(&command));
        assert!(environment(&command, "RUSTFLAGS").unwrap().ends_with("-Zunstable-options -Cpanic=immediate-abort"));
        assert_eq!(environment(&command, "RUSTC_BOOTSTRAP").as_deref(), Some("1"));
    }
}

#[test]
fn debians_cargo_uses_debians_compiler_and_rustups_linkers() {
    let command = debian().cargo("build", Flavour::Stable);
    assert_eq!(command.get_program(), "/usr/bin/cargo");
    assert_eq!(environment(&command, "RUSTC").as_deref(), Some("/usr/bin/rustc"));
    assert!(environment(&command, "PATH").unwrap().starts_with("/usr/bin:/rust/bin:/rust/bin/gcc-ld"));
    assert!(arguments(&command).ends_with("-Zbuild-std=std,panic_abort"), "{}", arguments(&command));
    assert_eq!(debian().cargo("clippy", Flavour::Stable).get_program(), "/usr/bin/cargo-clippy");
}

#[test]
fn stray_variables_of_the_caller_do_not_reach_cargo() {
    for toolchain in [RUSTUP, debian()] {
        let command = toolchain.cargo("build", Flavour::Stable);
        let removed = |name| command.get_envs().any(|(key, value)| key == OsStr::new(name) && value.is_none());
        assert!(removed("CARGO_ENCODED_RUSTFLAGS"));
        assert!(removed("CARGO_TARGET_DIR"));
    }
}

#[test]
fn every_toolchain_and_flavour_has_an_artifact_of_its_own() {
    let artifact = |toolchain: Toolchain, flavour| workspace::shown(&toolchain.artifact(flavour, "test-guest"));
    assert_eq!(artifact(debian(), Flavour::Ship), "target/debian/ship/wasm32-wasip2/release/test_guest.wasm");
    assert_eq!(artifact(RUSTUP, Flavour::Stable), "target/rustup/stable/wasm32-wasip2/release/test_guest.wasm");
}
