//! Running other programs.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A command that the kernel ends with the thread that runs it: what waits for an answer of the cluster would else outlive a
/// killed `up`, for good where its node is gone.
pub fn bound(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// What `command` prints; `input` is its standard input.
///
/// # Errors
/// If it cannot be run, or fails: with what it said.
pub fn output_with(command: &mut Command, input: &str) -> Result<String> {
    let name = command.get_program().display().to_string();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{name}`"))?;
    let mut stdin = child.stdin.take().expect("its standard input is a pipe");
    // A program that fails early does not read all of it; its exit status says so.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let words = command.get_args().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{name} {words}` ended with {}: {}", output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{name}` prints something that is not UTF-8"))
}

/// What `command` prints.
///
/// # Errors
/// If it cannot be run, or fails: with what it said.
pub fn output(command: &mut Command) -> Result<String> {
    output_with(command, "")
}
