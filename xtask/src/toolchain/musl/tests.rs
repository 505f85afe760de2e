use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::toolchain::tests::{arguments, environment};

const TARGET: &str = Architecture::HERE.musl();

fn musl(std: Std) -> Musl {
    let compiler = compiler(Architecture::HERE);
    Musl { compiler, libseccomp: "/seccomp".into(), std }
}

fn compiler(architecture: Architecture) -> Compiler {
    let [musl_gcc, gcc, ar, musl] = ["/musl-gcc", "/gcc", "/ar", "/musl"].map(PathBuf::from);
    Compiler { musl_gcc, gcc, ar, musl, architecture }
}

fn from_sources(debian: bool) -> Musl {
    musl(Std::Sources { debian, folders: vec!["/unwind".into(), "/musl".into()] })
}

#[test]
fn std_of_rustup_needs_nothing_unstable() {
    let command = musl(Std::Compiled).cargo("build", &["xtask"]);
    assert!(!arguments(&command).contains("-Z"), "{}", arguments(&command));
    assert_eq!(environment(&command, "RUSTC_BOOTSTRAP"), None);
    assert_eq!(environment(&command, "RUSTFLAGS"), None);
}

#[test]
fn std_of_sources_is_told_where_everything_is_that_rustup_brings_along() {
    for debian in [false, true] {
        let command = from_sources(debian).cargo("build", &["xtask"]);
        assert!(arguments(&command).contains("-Zbuild-std=std,panic_unwind"), "{}", arguments(&command));
        assert_eq!(environment(&command, "RUSTC_BOOTSTRAP").as_deref(), Some("1"));
        assert_eq!(environment(&command, "RUSTFLAGS").as_deref(), Some("-Lnative=/unwind -Lnative=/musl"));
        assert_eq!(command.get_program() == "/usr/bin/cargo", debian);
    }
}

#[test]
fn each_compiler_has_a_folder_of_its_own() {
    let program = |musl: Musl| workspace::shown(&musl.program("httpserver"));
    assert_eq!(program(musl(Std::Compiled)), format!("target/{TARGET}/host/httpserver"));
    assert_eq!(program(from_sources(true)), format!("target/debian/static/{TARGET}/host/httpserver"));
}

#[test]
fn libseccomp_is_a_static_one_and_never_the_systems() {
    let command = musl(Std::Compiled).cargo("build", &["xtask"]);
    assert_eq!(environment(&command, "LIBSECCOMP_LINK_TYPE").as_deref(), Some("static"));
    assert_eq!(environment(&command, "LIBSECCOMP_LIB_PATH").as_deref(), Some("/seccomp"));
    assert_eq!(environment(&command, "LIBSECCOMP_NO_PKG_CONFIG").as_deref(), Some("1"));
}

#[test]
fn for_another_processor_its_own_gcc_compiles_and_links() {
    let other = if Architecture::HERE == Architecture::Amd64 { Architecture::Arm64 } else { Architecture::Amd64 };
    let foreign = Musl { compiler: compiler(other), ..musl(Std::Compiled) };
    let command = foreign.cargo("build", &["xtask"]);
    assert!(arguments(&command).contains(&format!("--target {}", other.musl())), "{}", arguments(&command));
    let name = other.musl().replace('-', "_");
    let linker = format!("CARGO_TARGET_{}_LINKER", name.to_uppercase());
    for (variable, expected) in [(format!("CC_{name}"), "/musl-gcc"), (format!("AR_{name}"), "/ar"), (linker, "/gcc")] {
        assert_eq!(environment(&command, &variable).as_deref(), Some(expected), "{variable}");
    }
    let program = workspace::shown(&foreign.program("httpserver"));
    assert_eq!(program, format!("target/{}/host/httpserver", other.musl()));
}

/// The crates that `subcommand` compiles for the programs with wasmtime, each with its features.
fn crates(subcommand: &str) -> BTreeSet<String> {
    let mut cargo = musl(Std::Compiled).cargo(subcommand, workspace::WITH_WASMTIME);
    cargo.args(["--unit-graph", "-Zunstable-options"]).env("RUSTC_BOOTSTRAP", "1");
    let graph: Value = serde_json::from_slice(&cargo.output().unwrap().stdout).unwrap();
    let units = graph["units"].as_array().unwrap().iter();
    let units = units.filter(|unit| unit["pkg_id"].as_str().unwrap().starts_with("registry+"));
    let shown = |unit: &Value| format!("{} {} {}", unit["pkg_id"], unit["target"]["kind"], unit["features"]);
    units.map(shown).collect()
}

#[test]
fn the_programs_and_their_tests_share_one_wasmtime() {
    let [build, test] = ["build", "test"].map(crates);
    assert!(build.iter().any(|unit| unit.contains("#wasmtime@")), "{build:?}");
    let again: Vec<_> = build.difference(&test).collect();
    assert!(
        again.is_empty(),
        "with other features for the tests than for the programs, wasmtime would be compiled twice, for minutes: see to it that \
         dev-dependencies turn on none; different are {again:#?}"
    );
}
