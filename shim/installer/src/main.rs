//! `httpserver-shim-installer`: installs the shim on this node, or removes it. `cargo xtask shim --install` runs it.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use httpserver_shim_installer::arguments::Arguments;
use httpserver_shim_installer::{BINARY, Node};

/// Installs the shim for this node's containerd, or removes it
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,

    /// The shim to install [default: the file containerd-shim-wasmtime-spin-v1 next to this program]
    #[arg(long, value_name = "FILE", conflicts_with = "uninstall")]
    shim: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let arguments = cli.arguments;
    let node = Node::in_dir(&arguments.root, arguments.containerd);
    if arguments.uninstall {
        return node.uninstall()?.apply(arguments.yes);
    }
    ensure!(arguments.install, "nothing to do: add --install or --uninstall");
    let shim = match cli.shim {
        Some(shim) => shim,
        None => env::current_exe().context("this program has no path")?.with_file_name(BINARY),
    };
    ensure!(shim.is_file(), "there is no shim {}; name it with --shim FILE", shim.display());
    node.install(&shim)?.apply(arguments.yes)
}
