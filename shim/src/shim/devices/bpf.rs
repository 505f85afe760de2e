//! The parts of the system call bpf(2) that a program for devices needs.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};

use super::program::Instruction;

/// Commands (linux/bpf.h, `enum bpf_cmd`).
const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_QUERY: libc::c_int = 16;

/// The type of the program, and the type of its attachment (`BPF_PROG_TYPE_CGROUP_DEVICE`, `BPF_CGROUP_DEVICE`).
const TYPE: u32 = 15;
const ATTACHED_AS: u32 = 6;

/// Allows more programs at the same group; each of them must allow an access (`BPF_F_ALLOW_MULTI`).
const ALLOW_MULTI: u32 = 2;

/// The most programs at one control group, a limit of the kernel (linux/bpf-cgroup-defs.h, `BPF_CGROUP_MAX_PROGS`).
const MAX_PROGRAMS: usize = 64;

/// The start of `union bpf_attr` for each of the three commands; the kernel reads the rest as zeros.
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
    /// Fills the structure up to a multiple of eight bytes.
    padding: u32,
}

/// Loads `program` into the kernel, which checks it.
///
/// # Errors
/// The kernel refuses it.
pub fn load(program: &[Instruction]) -> Result<OwnedFd> {
    // The program calls no function of the kernel that would require another licence.
    let licence = c"Apache-2.0";
    let mut load = Load {
        program_type: TYPE,
        instructions: u32::try_from(program.len())?,
        first: program.as_ptr() as u64,
        licence: licence.as_ptr() as u64,
    };
    // SAFETY: the pointers are those of `program`, whose length is right, and of `licence`, which ends with a NUL; both are alive.
    let descriptor = unsafe { bpf(PROG_LOAD, &mut load) }?;
    // SAFETY: the kernel has just made it for this process, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Attaches `program` to the control group, which keeps it until the group is removed.
///
/// # Errors
/// The kernel refuses it, for example if a program that is attached allows no other.
pub fn attach(program: &OwnedFd, group: &File) -> Result<()> {
    let mut attach = Attach {
        target: group.as_raw_fd().cast_unsigned(),
        program: program.as_raw_fd().cast_unsigned(),
        attached_as: ATTACHED_AS,
        flags: ALLOW_MULTI,
    };
    // SAFETY: it contains no pointer.
    unsafe { bpf(PROG_ATTACH, &mut attach) }?;
    Ok(())
}

/// The numbers of the programs for devices at the control group.
///
/// # Errors
/// The kernel gives no answer.
pub fn attached(group: &File) -> Result<Vec<u32>> {
    let mut programs = vec![0_u32; MAX_PROGRAMS];
    let mut query = Query {
        target: group.as_raw_fd().cast_unsigned(),
        attached_as: ATTACHED_AS,
        query_flags: 0,
        attach_flags: 0,
        programs: programs.as_mut_ptr() as u64,
        number: u32::try_from(programs.len())?,
        padding: 0,
    };
    // SAFETY: the pointer is that of `programs`, which is alive and whose length is right.
    unsafe { bpf(PROG_QUERY, &mut query) }.context("cannot ask which programs a control group has")?;
    programs.truncate(usize::try_from(query.number)?);
    Ok(programs)
}

/// The kernel's number of `program` (proc(5), `/proc/PID/fdinfo`).
///
/// # Errors
/// The kernel gives no answer.
pub fn id(program: &OwnedFd) -> Result<u32> {
    let path = format!("/proc/self/fdinfo/{}", program.as_raw_fd());
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let id = text.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok());
    id.with_context(|| format!("{path} has no line `prog_id`"))
}

/// # Safety
/// `attributes` has the layout that the kernel expects for `command`, and its pointers are valid.
unsafe fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the caller guarantees it, and the size is that of the structure.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(i32::try_from(result).unwrap_or_default()) }
}
