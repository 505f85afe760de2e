//! The end of the container. The reason is written to its log and into the pod's termination message.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::sync::OnceLock;

use anyhow::Result;
use httpserver_runtime::log;
use rustix::fs::OFlags;

/// The file that the kubelet mounts for the termination message, unless the pod names another one.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// The longest message that the kubelet shows, bytes.
const TERMINATION_LOG_LENGTH: usize = 4096;

/// Serves, then ends the process: with 0 after a drain; with 1 after an error or a panic, whose reason is reported.
pub fn run(serve: impl FnOnce() -> Result<()>) -> ! {
    // Replaces the hook of `zygote`, which keeps a panic for the parent process: here no parent waits for it.
    panic::set_hook(Box::new(log::panicked));
    let reason = match panic::catch_unwind(AssertUnwindSafe(serve)) {
        Ok(Ok(())) => end(0),
        Ok(Err(error)) => format!("{error:#}"),
        Err(panic) => format!("panicked: {}", panic.downcast_ref::<&str>().copied().unwrap_or("see the log")),
    };
    // An image can put anything into an error.
    let reason = log::one_line(&reason);
    log::line(format_args!("error: {reason}"));
    write_termination_message(&reason);
    end(1)
}

fn end(code: i32) -> ! {
    log::flush();
    process::exit(code)
}

/// Opens the file of the termination message, for an end after which this process may open no file.
pub fn keep_termination_message() {
    termination_message();
}

/// Writes `reason` into the file of the termination message, if there is one.
fn write_termination_message(reason: &str) {
    let reason = &reason.as_bytes()[..reason.len().min(TERMINATION_LOG_LENGTH)];
    if let Some(mut file) = termination_message() {
        let _ = file.write_all(reason);
    }
}

/// Outside Kubernetes there is no such file, and nobody would look for one inside the container.
fn termination_message() -> Option<&'static File> {
    static FILE: OnceLock<Option<File>> = OnceLock::new();
    let open = || {
        // A pipe in its place must not keep us waiting.
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        OpenOptions::new().write(true).truncate(true).custom_flags(nonblocking).open(TERMINATION_LOG).ok()
    };
    FILE.get_or_init(open).as_ref()
}
