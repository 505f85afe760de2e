//! Reaps the shim's children, and reports how they ended. The reaper of `containerd-shim` loses the end of a process that a
//! real-time signal ended, because its type for signals has none of them: such a container would never end.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use containerd_shim::monitor::monitor_notify_by_pid;
use rustix::process::{WaitOptions, WaitStatus, wait};

/// How often to look for children, while there are none.
const INTERVAL: Duration = Duration::from_millis(100);

/// Starts to reap, for as long as the shim lives.
///
/// # Errors
/// No thread can be started.
pub fn start() -> Result<()> {
    let reap = || loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) => {
                if let Err(error) = monitor_notify_by_pid(pid.as_raw_nonzero().get(), code(status)) {
                    log::error!("cannot report the end of process {pid}: {error}");
                }
            }
            // The root of all forks was killed, and no container runs.
            _ => thread::sleep(INTERVAL),
        }
    };
    thread::Builder::new().name("reaper".to_owned()).spawn(reap).map(drop).context("cannot start to reap children")
}

/// The exit code, or 128 plus the number of the signal, in the notation of shells.
fn code(status: WaitStatus) -> i32 {
    status.exit_status().or_else(|| Some(128 + status.terminating_signal()?)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Pid, waitpid};

    use super::*;

    #[test]
    fn a_real_time_signal_gives_an_exit_code_as_others_do() {
        for (script, expected) in [("exit 3", 3), ("kill -TERM $$", 143), ("kill -37 $$", 165)] {
            let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
            let (_, status) = waitpid(Some(Pid::from_child(&child)), WaitOptions::empty()).unwrap().unwrap();
            assert_eq!(code(status), expected, "{script}");
            // It was reaped above.
            child.wait().unwrap_err();
        }
    }
}
