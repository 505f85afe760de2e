//! The Spin application of the image, served from inside its container.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use httpserver_runtime::cache::{Code, Entry};
use httpserver_runtime::drain;
use httpserver_runtime::manifest::Manifest;
use httpserver_runtime::server::Server;
use httpserver_runtime::variables::{Sources, Variables};
use oci_spec::runtime::Spec;

use crate::settings::{self, Environment};
use crate::{report, runtime_config};

/// The application's manifest in the image.
pub const MANIFEST: &str = "/spin.toml";

/// Spin's runtime configuration in the image.
const RUNTIME_CONFIG: &str = "/runtime-config.toml";

/// Serves until a signal, then drains. `code` is the compiled code that was there before the container was.
///
/// # Errors
/// The image, its variables or the container's settings are no good, the address is taken, or the drain took too long.
pub fn run(spec: &Spec, code: Option<Entry>) -> Result<()> {
    leave_host(code.as_ref())?;
    rustix::thread::set_name(c"httpserver").context("cannot name the process")?;
    let options = settings::options(spec)?;
    let manifest_path = Path::new(MANIFEST);
    ensure!(
        manifest_path.try_exists()?,
        "the image has no {MANIFEST}, and its entrypoint {} is no Linux program either; expected a Spin application: \
         `COPY spin.toml` and the files that it names to / of the image",
        entrypoint(spec)
    );
    runtime_config::check(Path::new(RUNTIME_CONFIG))?;
    let manifest = Manifest::read(manifest_path)?;
    ensure!(
        manifest.source.is_file(),
        "{MANIFEST}: the component `{}` is the file `{}`, which is not in the image; `COPY` it there",
        manifest.component,
        manifest.source.display()
    );
    let (environment, none) = (Environment::of(spec), BTreeMap::new());
    let sources = Sources { given: &none, environment: &|name| environment.get(name), dotenv: &none };
    let variables = Variables::resolve(&manifest, &sources)?;
    let server = Server::bind(&manifest, variables, &options, code.as_ref().map_or(Code::Compiler, Code::Entry))?;
    // The last file of the node.
    drop(code);
    let address = server.address();
    drain::serve(server, || report::line(&format!("serving {} on http://{address}", manifest.name)))
}

fn entrypoint(spec: &Spec) -> String {
    let args = spec.process().as_ref().and_then(|process| process.args().as_ref());
    args.and_then(|args| args.first()).map_or_else(|| "(none)".to_owned(), |arg| format!("`{arg}`"))
}

/// Closes what the shim's other processes left open here: a program would lose it with its `execve`, which we never do.
fn leave_host(code: Option<&Entry>) -> Result<()> {
    // The log is one of these files.
    log::set_max_level(log::LevelFilter::Off);
    let kept = code.map(|code| code.as_fd().as_raw_fd());
    for (first, last) in gaps(kept) {
        // SAFETY: the process has one thread, which from here on uses no file opened before but stdin, stdout, stderr and `kept`,
        // and ends without dropping any owner of another.
        let closed = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        ensure!(closed == 0, "cannot close the shim's files: {}", std::io::Error::last_os_error());
    }
    Ok(())
}

/// All files but the first three and `kept`, as ranges.
fn gaps(kept: Option<RawFd>) -> Vec<(libc::c_uint, libc::c_uint)> {
    let all = 3..=libc::c_uint::MAX;
    match kept.map(RawFd::cast_unsigned) {
        None => vec![(*all.start(), *all.end())],
        Some(kept) => [(*all.start(), kept - 1), (kept + 1, *all.end())]
            .into_iter()
            .filter(|(first, last)| first <= last)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_closed_but_the_first_three_and_the_kept_one() {
        const MAX: libc::c_uint = libc::c_uint::MAX;
        assert_eq!(gaps(None), [(3, MAX)]);
        assert_eq!(gaps(Some(3)), [(4, MAX)]);
        assert_eq!(gaps(Some(7)), [(3, 6), (8, MAX)]);
    }
}
