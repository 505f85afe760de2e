//! How many files this process may open, of which each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::OTHER_FILES;
use crate::log;

/// Raises the soft limit of open files as far as `connections` need it, and as the hard limit allows: containerd starts containers with a
/// soft limit of 1024. Returns how many connections there is room for.
pub(crate) fn room(connections: u32) -> u32 {
    let needed = u64::from(connections) + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` means that there is no limit.
    let (soft, hard) = (current.unwrap_or(u64::MAX), maximum.unwrap_or(u64::MAX));
    let wanted = needed.min(hard);
    let raised = soft >= wanted || setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok();
    let files = if raised { wanted } else { soft };
    let room = u32::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(u32::MAX).clamp(1, connections);
    if room < connections {
        log::line(format_args!(
            "the limit of open files is {files}: at most {room} connections, not {connections}; raise it (ulimit -n)"
        ));
    }
    room
}
