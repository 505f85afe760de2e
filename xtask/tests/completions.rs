//! `cargo xtask completions`: a shell that has loaded the script completes what is typed after `cargo xtask`.

use std::process::Command;

/// What bash offers for these words; the last of them is not complete.
fn completed_by_bash(words: &[&str]) -> Vec<String> {
    let script = r#"
        xtask=$1; shift
        source <("$xtask" completions bash)
        function_of_cargo=$(complete -p cargo); function_of_cargo=${function_of_cargo##*-F }; function_of_cargo=${function_of_cargo% cargo}
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        "$function_of_cargo" cargo "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", script, "bash", env!("CARGO_BIN_EXE_xtask")]).args(words);
    let output = bash.output().expect("bash is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_flags_also_those_of_other_programs() {
    assert_eq!(completed_by_bash(&["cargo", "xt"]), ["xtask"]);
    assert_eq!(completed_by_bash(&["cargo", "xtask", "cl"]), ["cluster", "clean"]);
    assert_eq!(completed_by_bash(&["cargo", "xtask", "cluster", "up", "--no"]), ["--nodes"]);
    assert_eq!(completed_by_bash(&["cargo", "xtask", "build", "--flavour", "s"]), ["ship", "stable"]);
    assert_eq!(completed_by_bash(&["cargo", "xtask", "image", "--pu"]), ["--push"]);
    assert_eq!(completed_by_bash(&["cargo", "xtask", "up", "--w"]), ["--watch"]);
}

#[test]
fn bash_keeps_the_completion_that_cargo_had_before() {
    let script = r#"
        _cargo() { COMPREPLY=(of-cargo); }
        complete -F _cargo cargo
        source <("$1" completions bash)
        source <("$1" completions bash)
        COMP_WORDS=(cargo bu); COMP_CWORD=1
        _cargo_or_xtask cargo bu cargo
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let output = Command::new("bash").args(["--norc", "-c", script, "bash", env!("CARGO_BIN_EXE_xtask")]).output();
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), "of-cargo\n");
}
