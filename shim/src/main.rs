//! The containerd shim `containerd-shim-wasmtime-spin-v1`: runs the Spin application in an image as a container.
//!
//! containerd starts one for each pod. Three kinds of process follow, all forked early from one that never had a thread:
//! 1. the shim itself answers containerd: [`mod@shim`], [`service`], [`task`];
//! 2. for each container one that builds it with libcontainer and stays outside: [`container`]; before that, for a Spin
//!    application, one that sees to its compiled code and ends: [`prepare`];
//! 3. the container's own, which enters namespaces and cgroup, gives up its rights, which are read back ([`rights`]), and becomes
//!    either an ordinary Linux program or our server: [`executor`], [`application`].
//!
//! Before the third begins to run what the image names, the second restricts it to its devices: [`devices`], [`rootfs`].

mod application;
mod bundle;
mod cgroup;
mod container;
mod descriptors;
mod devices;
mod events;
mod executor;
mod forks;
mod home;
mod image_root;
mod leftover;
mod linux;
mod logger;
mod oom;
mod options;
mod prepare;
mod refusal;
mod report;
mod rights;
mod rootfs;
mod runtime_config;
mod service;
mod settings;
mod shim;
mod task;
mod wire;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use containerd_shim::protos::protobuf::Message;
use containerd_shim::protos::types::introspection::{RuntimeInfo, RuntimeVersion};
use containerd_shim::{Config, Flags, parse, run};

/// Between `io.containerd.` and `.v1` in containerd's `runtime_type`.
const NAME: &str = "wasmtime-spin";

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    match shim() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn shim() -> Result<()> {
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
    run::<shim::Pod>(NAME, Some(Config { no_setup_logger: true, ..Config::default() }));
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
