//! The end of the container. The reason is written to its log and into the pod's termination message.

use std::fs::OpenOptions;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::process;

use anyhow::Result;
use httpserver_runtime::log;

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

/// Writes `reason` into the file of the termination message, if there is one.
fn write_termination_message(reason: &str) {
    let reason = &reason.as_bytes()[..reason.len().min(TERMINATION_LOG_LENGTH)];
    // Outside Kubernetes there is no such file, and nobody would look for one inside the container.
    if let Ok(mut file) = OpenOptions::new().write(true).truncate(true).open(TERMINATION_LOG) {
        let _ = file.write_all(reason);
    }
}
