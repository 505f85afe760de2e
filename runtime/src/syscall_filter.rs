//! Filters of system calls (seccomp(2)): a process gives up what it will not use, so that an attacker who runs code in it cannot
//! use it either.

use anyhow::{Context, Result};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// The processor's name for the kernel; each has numbers of its own.
const ARCHITECTURE: &str = std::env::consts::ARCH;

/// A system call that is allowed.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// The number, of `libc::SYS_…`.
    pub number: libc::c_long,
    /// All of these must hold for its arguments.
    pub only: &'static [Condition],
}

/// What must hold for an argument of a system call.
#[derive(Debug, Clone, Copy)]
pub enum Condition {
    /// The argument with this index, from 0, is this number, in its lower 32 bits.
    Is(u8, u64),
    /// Of the bits in the second number the argument has exactly those in the third.
    Bits(u8, u64, u64),
}

/// What happens at a system call that is not allowed.
#[derive(Debug, Clone, Copy)]
pub enum Otherwise {
    /// It fails with EPERM.
    Fails,
    /// The process is killed by SIGSYS.
    Kills,
}

/// What a Rust program does by itself, whatever it is for.
pub const BASICS: &[Allowed] = &[
    // Reads and writes what is open.
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
    // Locks, clocks and the random keys of hash tables.
    any(libc::SYS_futex),
    any(libc::SYS_clock_gettime),
    any(libc::SYS_getrandom),
    any(libc::SYS_sched_yield),
    // Signals: a trap of a guest is one. Only a process that ends itself sends one.
    any(libc::SYS_sigaltstack),
    any(libc::SYS_rt_sigaction),
    any(libc::SYS_rt_sigprocmask),
    any(libc::SYS_rt_sigreturn),
    any(libc::SYS_gettid),
    any(libc::SYS_getpid),
    only(libc::SYS_tkill, &[Condition::Is(1, libc::SIGABRT as u64)]),
    only(libc::SYS_tgkill, &[Condition::Is(2, libc::SIGABRT as u64)]),
    any(libc::SYS_exit),
    any(libc::SYS_exit_group),
];

/// The third argument of `mmap` and `mprotect`.
const NOT_EXECUTABLE: Condition = Condition::Bits(2, libc::PROT_EXEC as u64, 0);

/// Which threads a filter is for. A thread gets those of the thread that starts it.
#[derive(Debug, Clone, Copy)]
pub enum Threads {
    /// All of the process.
    All,
    /// The one that asks for it.
    This,
}

/// Allows a system call whatever its arguments are.
#[must_use]
pub const fn any(number: libc::c_long) -> Allowed {
    Allowed { number, only: &[] }
}

/// Allows a system call with such arguments.
#[must_use]
pub const fn only(number: libc::c_long, only: &'static [Condition]) -> Allowed {
    Allowed { number, only }
}

/// Restricts `threads` to the system calls that `lists` allow. A system call that is listed several times needs the conditions of
/// one place. The threads can gain no rights by an `execve` any more (`no_new_privs`).
///
/// # Errors
/// The kernel has no filters, or another thread has one that this thread does not have.
pub fn install(lists: &[&[Allowed]], otherwise: Otherwise, threads: Threads) -> Result<()> {
    let otherwise = match otherwise {
        Otherwise::Fails => SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        Otherwise::Kills => SeccompAction::KillProcess,
    };
    apply(&compile(lists, otherwise, SeccompAction::Allow)?, threads)
}

/// Lets a system call fail as if the kernel did not have it, so that the C library takes an older one, whose arguments a filter sees.
///
/// # Errors
/// As for [`install`].
pub fn hide(number: libc::c_long, threads: Threads) -> Result<()> {
    let missing = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    apply(&compile(&[&[any(number)]], SeccompAction::Allow, missing)?, threads)
}

fn apply(program: &BpfProgram, threads: Threads) -> Result<()> {
    let applied = match threads {
        Threads::All => seccompiler::apply_filter_all_threads(program),
        Threads::This => seccompiler::apply_filter(program),
    };
    applied.context("cannot restrict this process to the system calls that it needs")
}

fn compile(lists: &[&[Allowed]], otherwise: SeccompAction, matching: SeccompAction) -> Result<BpfProgram> {
    let mut rules = std::collections::BTreeMap::<_, Vec<_>>::new();
    for Allowed { number, only } in lists.iter().copied().flatten() {
        let of_call = rules.entry(*number).or_default();
        // A system call without rules is allowed whatever its arguments are.
        if !only.is_empty() {
            of_call.push(SeccompRule::new(only.iter().map(condition).collect::<Result<_>>()?)?);
        }
    }
    let architecture = ARCHITECTURE.try_into().with_context(|| format!("no filter for {ARCHITECTURE}"))?;
    Ok(SeccompFilter::new(rules, otherwise, matching, architecture)?.try_into()?)
}

fn condition(condition: &Condition) -> Result<SeccompCondition> {
    let (argument, length, operator, value) = match *condition {
        Condition::Is(argument, value) => (argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value),
        Condition::Bits(argument, mask, bits) => {
            (argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), bits)
        }
    };
    Ok(SeccompCondition::new(argument, length, operator, value)?)
}
