//! The Spin application of the image, served from inside its container.

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use httpserver_runtime::cache::Entry;
use httpserver_runtime::manifest::Manifest;
use httpserver_runtime::server::Server;
use httpserver_runtime::shutdown::{Signals, run_until_signal};
use httpserver_runtime::variables::{Sources, Variables};
use httpserver_runtime::{confinement, engine, guest, log};
use oci_spec::runtime::Spec;

use crate::container::{exit, runtime_config};
use crate::environment::{self, Environment};
use crate::{descriptors, regular_file};

/// The application's manifest in the image.
pub const MANIFEST: &str = "/spin.toml";

/// Spin's runtime configuration in the image.
const RUNTIME_CONFIG: &str = "/runtime-config.toml";

/// Serves until a signal, then drains. `code` is the compiled code that the shim opened outside of the container.
///
/// # Errors
/// The image, its variables or the container's settings are invalid, the address is in use, or the drain took too long.
pub fn run(spec: &Spec, code: Option<Entry>) -> Result<()> {
    // First, and before there are other threads: they must not take the signals.
    let signals = Signals::watch()?;
    leave_libcontainer(code.as_ref())?;
    log::start().context("cannot start a thread for the log")?;
    rustix::thread::set_name(c"httpserver").context("cannot name the process")?;
    let options = environment::options(spec)?;
    options.budget.warnings().iter().for_each(|warning| log::line(format_args!("{warning}")));
    let manifest_path = Path::new(MANIFEST);
    ensure!(
        regular_file::is_at(manifest_path)?,
        "the image has no {MANIFEST}, and its entrypoint {} is not a Linux program; expected a Spin application: `COPY spin.toml` \
         and the files that it names to / of the image",
        entrypoint(spec)
    );
    runtime_config::check(Path::new(RUNTIME_CONFIG))?;
    let manifest = Manifest::read(manifest_path)?;
    ensure!(
        regular_file::is_at(&manifest.source)?,
        "{MANIFEST}: the component `{}` is the file `{}`, which is not in the image; `COPY` it there",
        manifest.component,
        manifest.source.display()
    );
    let environment = Environment::from_spec(spec);
    let variables = Variables::resolve(&manifest, &Sources::environment(&|name| environment.get(name)))?;
    let wasm = manifest.read_component()?;
    let guest = guest::load(&engine::new(&options.limits)?, &manifest, &wasm, code.as_ref(), variables, &options)?;
    // It is the last open file of the node.
    drop(code);
    let server = Server::bind(&options, guest)?;
    let address = server.address();
    exit::keep_termination_message();
    confinement::leave_files()?;
    confinement::enter(options.tls.is_some(), options.telemetry.is_some())?;
    run_until_signal(signals, server, || {
        log::line(format_args!("serving {} on http://{address}", manifest.name));
        Ok(())
    })
}

fn entrypoint(spec: &Spec) -> String {
    let args = spec.process().as_ref().and_then(|process| process.args().as_ref());
    args.and_then(|args| args.first()).map_or_else(|| "(none)".to_owned(), |arg| format!("`{arg}`"))
}

/// Closes the descriptors that libcontainer needed until the start. An `execve` would close them, but our server has none.
fn leave_libcontainer(code: Option<&Entry>) -> Result<()> {
    let kept = code.map(|code| code.as_fd().as_raw_fd());
    // SAFETY: libcontainer has finished its work in this process, which never returns to it.
    unsafe { descriptors::close_where(|descriptor| Some(descriptor) != kept) }
}
