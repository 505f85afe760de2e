//! The containerd shim `containerd-shim-wasmtime-spin-v1`: runs the Spin application in an image as a container.
//!
//! containerd starts one for each pod. Each of these modules is one kind of process, forked early from one that never had a
//! thread:
//! 1. [`mod@shim`] answers containerd, and restricts a container to its devices before it runs anything of its image;
//! 2. [`builder`] builds a container with libcontainer and stays outside; before that, for a Spin application, another process of
//!    this kind compiles the component and ends;
//! 3. [`container`] is the container: it enters namespaces and cgroup, gives up its privileges, which are read back, and becomes
//!    either an ordinary Linux program or our server.
//!
//! The other modules serve several of them.

mod builder;
mod cgroup;
mod container;
mod descriptors;
mod environment;
mod forks;
mod image_root;
mod ipc;
mod logger;
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
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

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
    // Its own log is for one process only.
    run::<shim::pod::PodShim>(NAME, Some(Config { no_setup_logger: true, ..Config::default() }));
    Ok(())
}

/// Whether this is the process that stays: `start` and `delete` end after their answer, and log to stderr.
fn serves(flags: &Flags) -> bool {
    flags.action.is_empty()
}

/// Says what this is, as containerd's introspection wants it.
fn info() -> Result<()> {
    let version = RuntimeVersion { version: VERSION.to_owned(), ..RuntimeVersion::default() };
    let info = RuntimeInfo { name: NAME.to_owned(), version: Some(version).into(), ..RuntimeInfo::default() };
    Ok(std::io::stdout().write_all(&info.write_to_bytes()?)?)
}
