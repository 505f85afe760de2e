//! `cargo xtask completions`: prints what lets a shell complete the arguments of `cargo xtask`.

use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::{Command, ValueEnum};
use clap_complete::shells;

/// The program's own name. Shells complete by it, and what follows `cargo xtask` is treated as its arguments.
const PROGRAM: &str = "xtask";

/// A shell that can complete arguments.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script for `shell`; `command` is the command line of this program.
pub fn run(shell: Shell, mut command: Command) -> Result<()> {
    let mut script = Vec::new();
    let hook = match shell {
        Shell::Bash => {
            clap_complete::generate(shells::Bash, &mut command, PROGRAM, &mut script);
            include_str!("completions/cargo.bash")
        }
        Shell::Zsh => {
            clap_complete::generate(shells::Zsh, &mut command, PROGRAM, &mut script);
            include_str!("completions/cargo.zsh")
        }
        Shell::Fish => {
            clap_complete::generate(shells::Fish, &mut command, PROGRAM, &mut script);
            include_str!("completions/cargo.fish")
        }
    };
    script.extend_from_slice(hook.as_bytes());
    io::stdout().write_all(&script).context("cannot write to standard output")
}
