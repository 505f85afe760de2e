//! What the compiler gives up before it reads its input: files, rights, its share of processor and memory, system calls.

use std::{env, fs};

use anyhow::{Context, Result};
use httpserver_runtime::syscall_filter::{self, Allowed, Condition, Otherwise, Threads, any, only};
use rustix::process::{Gid, Uid};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setpriority_process, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use crate::descriptors;

/// The user and group of processes that own nothing.
const NOBODY: u32 = 65_534;

/// The processor's time, seconds. A component of 8 MiB, the largest that is compiled here, takes 8 s where this was measured, and a
/// slow processor several times that.
pub const CPU_TIME: u64 = 30;

/// The memory, bytes of address space: what the program itself takes is less than a tenth.
pub const MEMORY: u64 = 1 << 30;

/// The last in the order of the kernel's scheduler (sched(7)), and the first that the kernel kills if memory runs out (proc(5)).
const NICE: i32 = 19;
const OOM_SCORE: &str = "1000";

/// Everything else that it would do is an attack, or an error that must not be retried: it is killed.
const SYSTEM_CALLS: &[Allowed] = &[
    // Its input and its results.
    any(libc::SYS_read),
    any(libc::SYS_readv),
    any(libc::SYS_write),
    any(libc::SYS_writev),
    // Memory, which can never be executed.
    any(libc::SYS_brk),
    only(libc::SYS_mmap, &[NOT_EXECUTABLE]),
    only(libc::SYS_mprotect, &[NOT_EXECUTABLE]),
    any(libc::SYS_mremap),
    any(libc::SYS_munmap),
    any(libc::SYS_madvise),
    // Locks, clocks and the random keys of hash tables, all of std.
    any(libc::SYS_futex),
    any(libc::SYS_clock_gettime),
    any(libc::SYS_getrandom),
    any(libc::SYS_sched_yield),
    // Its end: in order, by a panic, or because there is no memory.
    any(libc::SYS_exit),
    any(libc::SYS_exit_group),
    any(libc::SYS_gettid),
    any(libc::SYS_getpid),
    any(libc::SYS_sigaltstack),
    any(libc::SYS_rt_sigaction),
    any(libc::SYS_rt_sigprocmask),
    any(libc::SYS_rt_sigreturn),
    only(libc::SYS_tkill, &[Condition::Is(1, libc::SIGABRT as u64)]),
    only(libc::SYS_tgkill, &[Condition::Is(2, libc::SIGABRT as u64)]),
];

/// The third argument of `mmap` and `mprotect`.
const NOT_EXECUTABLE: Condition = Condition::Bits(2, libc::PROT_EXEC as u64, 0);

/// Gives all of it up, for good. The process has one thread.
///
/// # Errors
/// It is not started by root, or the kernel refuses.
pub fn enter() -> Result<()> {
    // SAFETY: this program has opened nothing; what is open was inherited.
    unsafe { descriptors::close_where(|_| true) }?;
    env::set_current_dir("/").context("working directory")?;
    fs::write("/proc/self/oom_score_adj", OOM_SCORE).context("oom_score_adj")?;
    setpriority_process(None, NICE).context("nice")?;
    for (resource, limit) in [
        (Resource::Cpu, CPU_TIME),
        (Resource::As, MEMORY),
        // No file is written, not even that of a crash.
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) }).context("rlimit")?;
    }
    give_up_rights()?;
    // After the change of user, which resets it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    syscall_filter::install(&[SYSTEM_CALLS], Otherwise::Kills, Threads::All)
}

fn give_up_rights() -> Result<()> {
    for capability in CapabilitySet::all().iter() {
        // A kernel does not know those that are newer.
        let _ = remove_capability_from_bounding_set(capability);
    }
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[]).context("groups")?;
    set_thread_res_gid(group, group, group).context("group")?;
    set_thread_res_uid(user, user, user).context("user")?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .context("capabilities")
}
