//! What the kernel knows about a process.

use procfs::process::Process;

/// The memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// What is resident now.
    pub resident: u64,
    /// The most that was ever resident.
    pub peak: u64,
}

impl Memory {
    /// The memory of the process with that id.
    ///
    /// # Panics
    /// If there is no such process.
    pub fn for_process(pid: u32) -> Self {
        let pid = pid.try_into().expect("the kernel numbers processes from 1 to 2²²");
        let status = Process::new(pid).and_then(|process| process.status()).expect("the process runs");
        let bytes = |kibibytes: Option<u64>| kibibytes.expect("a process that runs has memory") * 1024;
        Self { resident: bytes(status.vmrss), peak: bytes(status.vmhwm) }
    }
}
