//! The containerd shim `containerd-shim-wasmtime-spin-v1`: runs the Spin application in an image as a container.
//!
//! containerd starts one for each pod. Each of these modules runs in one kind of process:
//! 1. [`mod@shim`] is the process that containerd starts. It responds to containerd, and restricts a container to its devices
//!    before the container runs anything of its image.
//! 2. [`builder`] is a process that builds a container with libcontainer from outside, and ends.
//! 3. [`container`] is the container's own process. It enters namespaces and cgroup, gives up its privileges, reads them back, and
//!    becomes an ordinary Linux program or our server.
//! 4. [`compiler`] is a process that compiles a component before its container is built. It has no rights, and ends.
//!
//! The processes of 2 and 3 are forked from one that never has a second thread. The other modules belong to several processes.

mod builder;
mod cgroup;
mod compiler;
mod container;
mod descriptors;
mod environment;
mod forks;
mod image_root;
mod ipc;
mod logger;
mod process;
mod regular_file;
mod shim;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use containerd_shim::protos::protobuf::Message;
use containerd_shim::protos::types::introspection::{RuntimeInfo, RuntimeVersion};
use containerd_shim::{Config, Flags, parse, run};

use crate::builder::container::NAME;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    match run_shim() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_shim() -> Result<()> {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == compiler::ARGUMENT) {
        return compiler::run();
    }
    let flags = parse(&std::env::args_os().skip(1).collect::<Vec<_>>())?;
    if flags.version {
        println!("containerd-shim-{NAME}-v1:\n  Runtime: {NAME}\n  Version: {VERSION}\n  Revision: \n");
        return Ok(());
    }
    if flags.info {
        return info();
    }
    if serves(&flags) {
        let inherited = descriptors::opened()?;
        logger::init(flags.debug);
        // Before there is a second thread, and with the log.
        forks::init(inherited)?;
    }
    // No log by `containerd-shim`: it would be for this process only. No reaper: it does not know every signal.
    run::<shim::pod::PodShim>(NAME, Some(Config { no_setup_logger: true, no_reaper: true, ..Config::default() }));
    Ok(())
}

/// Whether this process stays. With the actions `start` and `delete` it ends after its response, and logs to stderr.
fn serves(flags: &Flags) -> bool {
    flags.action.is_empty()
}

/// Prints name and version, in the form that containerd's introspection expects.
fn info() -> Result<()> {
    let version = RuntimeVersion { version: VERSION.to_owned(), ..RuntimeVersion::default() };
    let info = RuntimeInfo { name: NAME.to_owned(), version: Some(version).into(), ..RuntimeInfo::default() };
    Ok(std::io::stdout().write_all(&info.write_to_bytes()?)?)
}
