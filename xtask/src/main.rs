//! `cargo xtask …`: everything a person or CI types for this repository. Thin: each command calls tools.

mod bench;
mod build;
mod clean;
mod cluster;
mod completions;
mod e2e;
mod fmt;
mod forward;
mod fuzz;
mod image;
mod lint;
mod manifests;
mod setup;
mod shim;
mod test;
mod toolchain;
mod tools;
mod up;
mod vm;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use xtask_runner::Runner;

use crate::toolchain::Flavour;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Builds, runs, tests and checks httpserver")]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Show the tools' own output and command lines, not only when they fail
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Build the component and the runtime, then serve on http://127.0.0.1:3000; --watch does so after each change
    Up(up::Arguments),
    /// Build the component: target/wasm32-wasip2/release/httpserver.wasm
    Build {
        /// What the component does when it panics [default: ship where the toolchain can, else stable]
        #[arg(long)]
        flavour: Option<Flavour>,
    },
    /// Make the image, for linux/amd64 and linux/arm64: target/httpserver.oci.tar; --push puts it into a registry
    Image(image::Arguments),
    /// Render an overlay of manifests/, for `kubectl apply -f -`
    Manifests(manifests::Arguments),
    /// Build everything and run all tests
    Test {
        /// Run only the contract table, against the server at this address
        #[arg(long)]
        url: Option<String>,
        /// Passed on to the test binaries, for example: -- --exact NAME
        #[arg(last = true, value_name = "ARGUMENTS")]
        arguments: Vec<OsString>,
    },
    /// Build the containerd shim, one static program for any Linux
    Shim(shim::Arguments),
    /// Start, use or end a whole Kubernetes on this machine, built from Go modules
    Cluster {
        #[command(subcommand)]
        action: cluster::Action,
    },
    /// Test the application on a cluster of three nodes: shim, image and manifests, from apply to failure
    E2e(e2e::Arguments),
    /// Test the shim on an emulated machine with systemd, cgroup v2 and AppArmor
    Vm {
        #[command(subcommand)]
        action: vm::Action,
    },
    /// Install what the other commands need: the Wasm toolchain and pinned tools
    Setup,
    /// Format the sources and wrap the documents
    Fmt {
        /// Change nothing, fail where something is not formatted
        #[arg(long)]
        check: bool,
    },
    /// Check formatting and documents, lints on both targets, documentation, licences and sources of the dependencies
    Lint,
    /// Give the code that reads what strangers send inputs that a fuzzer makes
    Fuzz(fuzz::Arguments),
    /// Measure what WebAssembly costs: this component and other servers side by side under the same load
    Bench(bench::Arguments),
    /// Print what lets a shell complete the arguments of `cargo xtask`; CONTRIBUTING.md says how to load it
    Completions {
        /// The shell
        shell: completions::Shell,
    },
    /// Remove target/ and what this repository put into the user's cache folder
    Clean,
}

fn main() -> ExitCode {
    let mut command = Cli::command();
    let matches = command.get_matches_mut();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let (name, matches) = matches.subcommand().expect("clap asks for one");
    let words = forward::words(command.find_subcommand(name).expect("it was parsed"), matches);
    let mut runner = Runner::new(cli.verbose);
    let done = match cli.command {
        Command::Cluster { action } => cluster::run(&mut runner, &action, &words),
        Command::Up(arguments) => up::run(&mut runner, &arguments),
        Command::Build { flavour } => build::run(&mut runner, flavour),
        Command::Image(_) => image::run(&mut runner, &words),
        Command::Manifests(_) => manifests::run(&mut runner, &words),
        Command::Test { url: Some(url), arguments } => test::against(&mut runner, &url, &arguments),
        Command::Test { url: None, arguments } => test::run(&mut runner, &arguments),
        Command::Shim(arguments) => shim::run(&mut runner, &arguments, &words),
        Command::E2e(arguments) => e2e::run(&mut runner, &arguments),
        Command::Vm { action } => vm::run(&mut runner, &action),
        Command::Setup => setup::run(&mut runner),
        Command::Fmt { check } => fmt::run(&mut runner, check),
        Command::Lint => lint::run(&mut runner),
        Command::Fuzz(arguments) => fuzz::run(&mut runner, &arguments),
        Command::Bench(_) => bench::run(&mut runner, &words),
        Command::Clean => clean::run(),
        Command::Completions { shell } => completions::run(shell, Cli::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `{:?}`, which prints a stack if RUST_BACKTRACE is set.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
