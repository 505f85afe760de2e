//! What the compiler gives up before it reads its input: files, rights, its share of processor and memory, system calls.

use std::{env, fs};

use anyhow::{Context, Result};
use httpserver_runtime::syscall_filter::{self, BASICS, Otherwise, Threads};
use rustix::process::{
    Gid, Resource, Rlimit, Signal, Uid, set_parent_process_death_signal, setpriority_process, setrlimit,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use crate::descriptors;

/// The user and group of processes that own nothing.
const NOBODY: u32 = 65_534;

/// The processor's time, seconds. A component of 2 MB took 2 s where this was measured, so the largest that is compiled here, 8 MiB,
/// takes some 8 s, and on a slow processor several times that.
pub const CPU_TIME: u64 = 30;

/// The memory, bytes of address space. The allocator takes half of it when the program starts, and gives it out piece by piece; what the
/// program itself takes is less than a tenth of the rest.
pub const MEMORY: u64 = 2 << 30;

/// The last in the order of the kernel's scheduler (sched(7)), and the first that the kernel kills if memory runs out (proc(5)).
const NICE: i32 = 19;
const OOM_SCORE: &str = "1000";

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
    // Everything else that it would do is an attack, or an error that must not be retried.
    syscall_filter::install(&[BASICS], Otherwise::Kills, Threads::All)
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
