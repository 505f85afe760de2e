//! The system call bpf(2), as far as a program for devices needs it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};

use super::program::Instruction;

/// What is wanted of the kernel (linux/bpf.h, `enum bpf_cmd`).
const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_QUERY: libc::c_int = 16;

/// What the program is, and what it is attached as (`BPF_PROG_TYPE_CGROUP_DEVICE`, `BPF_CGROUP_DEVICE`).
const TYPE: u32 = 15;
const ATTACHED_AS: u32 = 6;

/// Beside the programs of others: each of them has to allow what is asked for (`BPF_F_ALLOW_MULTI`).
const BESIDE_OTHERS: u32 = 2;

/// Programs at one control group: the kernel's own limit (linux/bpf-cgroup-defs.h, `BPF_CGROUP_MAX_PROGS`).
const MOST: usize = 64;

/// The start of `union bpf_attr` for each of the three; the kernel takes the rest for zeros.
#[repr(C)]
struct Load {
    program_type: u32,
    instructions: u32,
    first: u64,
    licence: u64,
}

#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    attached_as: u32,
    flags: u32,
}

#[repr(C)]
struct Query {
    target: u32,
    attached_as: u32,
    query_flags: u32,
    attach_flags: u32,
    programs: u64,
    number: u32,
    /// Up to the eight bytes that the structure is aligned to.
    end: u32,
}

/// Gives the kernel `program`, which it checks.
///
/// # Errors
/// It refuses.
pub fn load(program: &[Instruction]) -> Result<OwnedFd> {
    // No function of the kernel is called that would ask for another one.
    let licence = c"Apache-2.0";
    let mut load = Load {
        program_type: TYPE,
        instructions: u32::try_from(program.len())?,
        first: program.as_ptr() as u64,
        licence: licence.as_ptr() as u64,
    };
    // SAFETY: the pointers are of `program` and `licence`, which are alive, the first as long as is said, the second with an end.
    let descriptor = unsafe { bpf(PROG_LOAD, &mut load) }?;
    // SAFETY: the kernel has just made it for this process.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Attaches `program` to the control group, which keeps it until it is removed itself.
///
/// # Errors
/// The kernel refuses, as where a program of another allows none beside it.
pub fn attach(program: &OwnedFd, group: &File) -> Result<()> {
    let mut attach = Attach {
        target: group.as_raw_fd().cast_unsigned(),
        program: program.as_raw_fd().cast_unsigned(),
        attached_as: ATTACHED_AS,
        flags: BESIDE_OTHERS,
    };
    // SAFETY: there is no pointer in it.
    unsafe { bpf(PROG_ATTACH, &mut attach) }?;
    Ok(())
}

/// The numbers of the programs for devices at the control group.
///
/// # Errors
/// The kernel does not tell.
pub fn attached(group: &File) -> Result<Vec<u32>> {
    let mut programs = vec![0_u32; MOST];
    let mut query = Query {
        target: group.as_raw_fd().cast_unsigned(),
        attached_as: ATTACHED_AS,
        query_flags: 0,
        attach_flags: 0,
        programs: programs.as_mut_ptr() as u64,
        number: u32::try_from(programs.len())?,
        end: 0,
    };
    // SAFETY: the pointer is of `programs`, which is alive and as long as is said.
    unsafe { bpf(PROG_QUERY, &mut query) }.context("cannot ask which programs a control group has")?;
    programs.truncate(usize::try_from(query.number)?);
    Ok(programs)
}

/// The kernel's number of `program` (proc(5), `/proc/PID/fdinfo`).
///
/// # Errors
/// The kernel does not tell.
pub fn id(program: &OwnedFd) -> Result<u32> {
    let path = format!("/proc/self/fdinfo/{}", program.as_raw_fd());
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let id = text.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok());
    id.with_context(|| format!("{path} has no line `prog_id`"))
}

/// # Safety
/// `attributes` is laid out as the kernel wants it for `command`, and its pointers are valid.
unsafe fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the caller's promise; the size is that of the structure.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(i32::try_from(result).unwrap_or_default()) }
}
