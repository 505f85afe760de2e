//! The end of the container. Its reason goes to its log and into the pod's termination message.

use std::fs::OpenOptions;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::process;

use anyhow::Result;

/// Where the kubelet reads the termination message, unless the pod says otherwise: a file that it mounts.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// The kubelet shows no more of it, bytes.
const TERMINATION_LOG_LENGTH: usize = 4096;

/// Serves, then ends the process: 0 after a drain, 1 after an error or a panic, whose reason is reported.
pub fn run(serve: impl FnOnce() -> Result<()>) -> ! {
    // The shim's own hook remembers a panic for its parent, which waits for nothing here.
    panic::set_hook(Box::new(|panic| line(&on_one_line(&panic.to_string()))));
    let reason = match panic::catch_unwind(AssertUnwindSafe(serve)) {
        Ok(Ok(())) => process::exit(0),
        Ok(Err(error)) => format!("{error:#}"),
        Err(panic) => format!("panicked: {}", panic.downcast_ref::<&str>().copied().unwrap_or("see the log")),
    };
    let reason = on_one_line(&reason);
    line(&format!("error: {reason}"));
    write_termination_message(&reason);
    process::exit(1)
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One line on the container's stderr, in one write.
pub fn line(message: &str) {
    // Nowhere is left to report that stderr is gone.
    let _ = std::io::stderr().lock().write_all(format!("httpserver: {message}\n").as_bytes());
}

/// Leaves `reason` as the termination message, where there is room for one.
fn write_termination_message(reason: &str) {
    let reason = &reason.as_bytes()[..reason.len().min(TERMINATION_LOG_LENGTH)];
    // Outside Kubernetes there is no such file, and making one would only hide in the container.
    if let Ok(mut file) = OpenOptions::new().write(true).truncate(true).open(TERMINATION_LOG) {
        let _ = file.write_all(reason);
    }
}
