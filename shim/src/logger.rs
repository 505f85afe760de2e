//! The shim's log: the named pipe `log` in the bundle, which containerd copies into its own log.
//!
//! `containerd-shim` has such a logger, but only for one process: the processes that build containers log, too.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, OnceLock};

use chrono::{SecondsFormat, Utc};
use log::{LevelFilter, Log, Metadata, Record};

/// In the folder in which containerd starts the shim.
const PIPE: &str = "log";

/// The container of this process, if it has one.
static CONTAINER: OnceLock<String> = OnceLock::new();

struct Logger(Mutex<File>);

/// Starts to log, also in the processes that are forked later. If there is no pipe, or nobody reads it, nothing is logged, and
/// containers start all the same.
pub fn init(debug: bool) {
    // Nonblocking: if containerd hangs, its containers must not.
    let Ok(pipe) = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(PIPE) else {
        return;
    };
    let level = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::Info);
    log::set_max_level(if debug { level.max(LevelFilter::Debug) } else { level });
    log::set_boxed_logger(Box::new(Logger(Mutex::new(pipe)))).expect("there is no logger yet");
}

/// Adds the container `id` to each line that this process logs.
pub fn name_container(id: &str) {
    CONTAINER.get_or_init(|| id.to_owned());
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = line(record, CONTAINER.get().map(String::as_str));
            // One write, so that lines of several processes never mix. While containerd restarts, nobody reads, and the line is lost.
            let _ = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

/// A line in the format of containerd's log.
fn line(record: &Record<'_>, container: Option<&str>) -> String {
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Nanos, true);
    let level = record.level().as_str().to_lowercase();
    let container = container.map(|id| format!(" instance={id:?}")).unwrap_or_default();
    format!("time=\"{time}\" level={level}{container} msg={:?}\n", record.args().to_string())
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    #[test]
    fn an_entry_is_one_line_with_its_container() {
        let logged = |container| {
            line(&Record::builder().level(Level::Warn).args(format_args!("two\nlines, \"quoted\"")).build(), container)
        };
        let end = |line: String| line.split_once("Z\" ").unwrap().1.to_owned();
        assert_eq!(end(logged(None)), "level=warn msg=\"two\\nlines, \\\"quoted\\\"\"\n");
        assert_eq!(end(logged(Some("c1"))), "level=warn instance=\"c1\" msg=\"two\\nlines, \\\"quoted\\\"\"\n");
    }
}
