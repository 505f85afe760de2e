//! What the process gives up once it serves: files, and every system call but these. So an attacker who runs code in it cannot
//! start a program, connect to another machine, open a file, look into another process or make code of data.
//!
//! A system call that is not listed fails with EPERM. It does not kill the process: a call that was forgotten, since another
//! kernel or C library makes it, then costs a request and not every connection, and an attacker gains nothing by it.
//!
//! The list was recorded: `strace -f -p PID` from the line `Serving` to the end of a drain, while the contract ran. All tests of the
//! runtime run under it, those of limits and of the wire, too. A system call is added by one line here.
//!
//! Only if telemetry is sent, one thread of its own may look up names, and connect to the ports of the collectors.

use std::path::PathBuf;

use anyhow::{Context, Result};
use landlock::{
    ABI, Access, AccessFs, AccessNet, NetPort, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, Scope,
    path_beneath_rules,
};

use crate::syscall_filter::{self, Allowed, BASICS, Condition, Otherwise, Threads, any, only};

/// What a server needs after it is bound, beside [`BASICS`].
const SERVING: &[Allowed] = &[
    // Connections: accepted, read, written and closed. None is made: there is no `socket` and no `connect`.
    any(libc::SYS_accept4),
    any(libc::SYS_recvfrom),
    any(libc::SYS_recvmsg),
    any(libc::SYS_sendto),
    any(libc::SYS_sendmsg),
    any(libc::SYS_shutdown),
    any(libc::SYS_close),
    any(libc::SYS_getsockname),
    any(libc::SYS_getpeername),
    any(libc::SYS_getsockopt),
    any(libc::SYS_setsockopt),
    any(libc::SYS_fstat),
    only(libc::SYS_ioctl, &[Condition::Is(1, FIONBIO)]),
    // How much is in the queue of a connection.
    only(libc::SYS_ioctl, &[Condition::Is(1, TIOCOUTQ)]),
    // The executors.
    #[cfg(target_arch = "x86_64")]
    any(libc::SYS_epoll_wait),
    any(libc::SYS_epoll_pwait),
    any(libc::SYS_epoll_ctl),
    any(libc::SYS_epoll_create1),
    any(libc::SYS_eventfd2),
    #[cfg(target_arch = "x86_64")]
    any(libc::SYS_poll),
    any(libc::SYS_ppoll),
    only(libc::SYS_fcntl, &[Condition::Is(1, libc::F_GETFL as u64)]),
    only(libc::SYS_fcntl, &[Condition::Is(1, libc::F_SETFL as u64)]),
    only(libc::SYS_fcntl, &[Condition::Is(1, libc::F_GETFD as u64)]),
    only(libc::SYS_fcntl, &[Condition::Is(1, libc::F_SETFD as u64)]),
    only(libc::SYS_fcntl, &[Condition::Is(1, libc::F_DUPFD_CLOEXEC as u64)]),
    // The first instance makes a file in memory, of what the memory of each instance is at first.
    any(libc::SYS_memfd_create),
    any(libc::SYS_ftruncate),
    only(libc::SYS_fcntl, &[Condition::Is(1, libc::F_ADD_SEALS as u64)]),
    // Threads of this process, and what a thread does at its start.
    only(libc::SYS_clone, &[A_THREAD]),
    any(libc::SYS_set_robust_list),
    any(libc::SYS_rseq),
    any(libc::SYS_sched_getaffinity),
    only(libc::SYS_prctl, &[Condition::Is(0, libc::PR_SET_NAME as u64)]),
    // Timers.
    any(libc::SYS_nanosleep),
    any(libc::SYS_clock_nanosleep),
    any(libc::SYS_clock_getres),
    any(libc::SYS_gettimeofday),
    any(libc::SYS_restart_syscall),
    // The thread that waits for signals.
    any(libc::SYS_rt_sigtimedwait),
    // Metrics: /proc/self/stat and the folder of the open files, which are open already, are read from their beginning.
    any(libc::SYS_lseek),
    any(libc::SYS_getdents64),
];

/// What a server with TLS needs as well: one thread reads the certificate again when that changes. Landlock leaves it the folders of the
/// certificate. The threads that serve do not have this.
const READING: &[Allowed] = &[only(libc::SYS_openat, &[Condition::Bits(2, OTHER_THAN_READING, 0)])];

/// The flags of `open` for a file that is changed or made.
const OTHER_THAN_READING: u64 =
    (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND | libc::O_TMPFILE) as u64;

/// What is needed beside these to send telemetry: names are looked up, and collectors connected to. The threads that serve do not have
/// this.
const SENDING: &[Allowed] = &[
    only(libc::SYS_socket, &[Condition::Is(0, libc::AF_INET as u64)]),
    only(libc::SYS_socket, &[Condition::Is(0, libc::AF_INET6 as u64)]),
    any(libc::SYS_connect),
    // The C library asks a name server from a port of the kernel's choice.
    any(libc::SYS_bind),
    // Files for names are read. Landlock says which ones.
    #[cfg(target_arch = "x86_64")]
    only(libc::SYS_open, &[Condition::Bits(1, OTHER_THAN_READING, 0)]),
    only(libc::SYS_openat, &[Condition::Bits(2, OTHER_THAN_READING, 0)]),
    // The same by glibc, which reads sizes and times of files, and asks for both families in one call.
    any(libc::SYS_newfstatat),
    any(libc::SYS_lseek),
    any(libc::SYS_sendmmsg),
    only(libc::SYS_ioctl, &[Condition::Is(1, FIONREAD)]),
];

/// What the thread needs that gives up [`READING`] and [`SENDING`] for those that serve.
const RESTRICTING: &[Allowed] =
    &[any(libc::SYS_seccomp), only(libc::SYS_prctl, &[Condition::Is(0, libc::PR_SET_NO_NEW_PRIVS as u64)])];

/// The second argument of `ioctl`.
#[allow(clippy::unnecessary_cast, reason = "glibc has them as u64, musl as i32")]
const FIONBIO: u64 = libc::FIONBIO as u64;
#[allow(clippy::unnecessary_cast, reason = "as above")]
const TIOCOUTQ: u64 = libc::TIOCOUTQ as u64;
#[allow(clippy::unnecessary_cast, reason = "as above")]
const FIONREAD: u64 = libc::FIONREAD as u64;

/// The first argument of `clone`: in this process, and in no new namespace (clone(2)).
const A_THREAD: Condition = Condition::Bits(
    0,
    (SHARED | libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWNET) as u64,
    SHARED as u64,
);
const SHARED: libc::c_int = libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_THREAD;

/// The newest interface of Landlock that is asked for. An older kernel does less, and one without Landlock nothing.
const LANDLOCK: ABI = ABI::V6;

/// Takes the file system away from this thread and those that it starts, and with it ports and other processes: a second time,
/// beside the filter of system calls. What is open stays usable. To be called when the server is bound and its component is loaded,
/// and before its threads are started: those that exist by then count epochs, write the log, wait for signals, and look after the
/// certificate (`keep_folders`).
///
/// # Errors
/// The kernel has Landlock, and refuses.
pub fn leave_files() -> Result<()> {
    // Without a rule nothing is allowed.
    restrict_to(landlock()?)
}

/// As [`leave_files`], but this thread may read the files below `folders`.
///
/// # Errors
/// The kernel has Landlock, and refuses.
pub(crate) fn keep_folders(folders: &[PathBuf]) -> Result<()> {
    restrict_to(landlock()?.add_rules(path_beneath_rules(folders, AccessFs::ReadFile))?)
}

/// What the C library reads to find the address of a name.
const FILES_FOR_NAMES: [&str; 5] =
    ["/etc/gai.conf", "/etc/host.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf"];

/// The port of name servers: a long answer comes over TCP.
const NAME_SERVER: u16 = 53;

/// As [`leave_files`], for the thread that sends telemetry: files for names can be read, and `ports` of any machine connected to.
///
/// # Errors
/// The kernel has Landlock, and refuses.
pub(crate) fn leave_all_but_collectors(ports: impl Iterator<Item = u16>) -> Result<()> {
    let mut rules = landlock()?.add_rules(path_beneath_rules(FILES_FOR_NAMES, AccessFs::ReadFile))?;
    for port in ports.chain([NAME_SERVER]) {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    restrict_to(rules)
}

fn landlock() -> Result<RulesetCreated> {
    let rules = Ruleset::default().handle_access(AccessFs::from_all(LANDLOCK))?;
    Ok(rules.handle_access(AccessNet::from_all(LANDLOCK))?.scope(Scope::from_all(LANDLOCK))?.create()?)
}

fn restrict_to(rules: RulesetCreated) -> Result<()> {
    rules.restrict_self().context("cannot take the file system away from this process")?;
    Ok(())
}

/// The filter of [`syscall_filter::hide`] decides about it. Of several filters the strictest counts, so this one must allow it.
const HIDDEN: &[Allowed] = &[any(libc::SYS_clone3)];

/// Restricts all threads of this process, now and later, to what a server needs. To be called when it is bound, and its component
/// is loaded, by the thread that starts those that serve. If other threads read the certificate or send telemetry, they keep what that
/// takes; this thread and those that it starts do not have it.
///
/// # Errors
/// The kernel has no filters of system calls.
pub fn enter(reads_certificate: bool, sends_telemetry: bool) -> Result<()> {
    // Its arguments are in memory, where no filter sees them. The C library uses `clone` instead.
    syscall_filter::hide(libc::SYS_clone3, Threads::All)?;
    if reads_certificate || sends_telemetry {
        let reading = if reads_certificate { READING } else { &[] };
        let sending = if sends_telemetry { SENDING } else { &[] };
        install(&[reading, sending, RESTRICTING], Threads::All)?;
        return install(&[], Threads::This);
    }
    install(&[], Threads::All)
}

fn install(more: &[&[Allowed]], threads: Threads) -> Result<()> {
    let lists = [&[BASICS, SERVING, HIDDEN], more].concat();
    syscall_filter::install(&lists, Otherwise::Fails, threads)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;
    use std::thread;

    use rustix::fs::{CWD, Mode, OFlags, openat};

    use super::*;

    /// What `act` fails with, in a thread that may do no more than a server.
    fn confined<T: Send>(act: impl FnOnce() -> std::io::Result<T> + Send) -> std::io::Result<T> {
        confined_to(&[], act)
    }

    /// The same with `more` than that.
    fn confined_to<T: Send>(
        more: &[&[Allowed]],
        act: impl FnOnce() -> std::io::Result<T> + Send,
    ) -> std::io::Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                install(more, Threads::This).unwrap();
                act()
            });
            thread.join().unwrap()
        })
    }

    #[track_caller]
    fn refused<T: Send>(act: impl FnOnce() -> std::io::Result<T> + Send) {
        let result = confined(|| act().map(drop));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_server_starts_no_program() {
        refused(|| Command::new("/bin/true").spawn());
    }

    #[test]
    fn a_server_connects_to_nothing_and_listens_nowhere_else() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        refused(|| TcpStream::connect(address));
        refused(|| TcpListener::bind("127.0.0.1:0"));
    }

    #[test]
    fn what_sends_telemetry_connects_and_reads_and_can_give_that_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sending = thread::spawn(move || {
            install(&[SENDING, RESTRICTING], Threads::This).unwrap();
            TcpStream::connect(address).unwrap();
            File::open("/etc/hosts").unwrap();
            let refused = |result: std::io::Result<()>| {
                assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
            };
            refused(TcpListener::bind("127.0.0.1:0").map(drop));
            refused(File::create("/dev/null").map(drop));
            refused(Command::new("/bin/true").spawn().map(drop));
            install(&[], Threads::This).unwrap();
            refused(TcpStream::connect(address).map(drop));
            refused(File::open("/etc/hosts").map(drop));
        });
        sending.join().unwrap();
    }

    #[test]
    fn what_sends_telemetry_reads_files_for_names_and_connects_to_its_ports() {
        let [collector, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [allowed, refused] = [&collector, &other].map(|listener| listener.local_addr().unwrap());
        let sending = thread::spawn(move || {
            leave_all_but_collectors([allowed.port()].into_iter()).unwrap();
            File::open("/etc/hosts").unwrap();
            TcpStream::connect(allowed).unwrap();
            let denied = |result: std::io::Result<()>| {
                result.is_err_and(|error| matches!(error.kind(), ErrorKind::PermissionDenied))
            };
            [denied(File::open("/etc/passwd").map(drop)), denied(TcpStream::connect(refused).map(drop))]
        });
        // Ports came with the fourth version.
        assert_eq!(sending.join().unwrap(), [landlock_version() > 0, landlock_version() > 3]);
    }

    /// The kernel's version of Landlock; 0 or less if it has none.
    fn landlock_version() -> libc::c_long {
        // SAFETY: without pointers it only asks for the version.
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) }
    }

    #[test]
    fn a_server_opens_no_file() {
        refused(|| File::open("/dev/null"));
        refused(|| std::fs::read_dir("/"));
    }

    #[test]
    fn what_reads_the_certificate_opens_files_only_to_read_them() {
        let open = |flags| move || Ok(openat(CWD, "/dev/null", flags, Mode::empty())?);
        confined_to(&[READING], open(OFlags::RDONLY)).unwrap();
        for flags in [OFlags::WRONLY, OFlags::RDWR, OFlags::RDONLY | OFlags::CREATE, OFlags::RDONLY | OFlags::TRUNC] {
            assert_eq!(
                confined_to(&[READING], open(flags)).unwrap_err().kind(),
                ErrorKind::PermissionDenied,
                "{flags:?}"
            );
        }
        refused(open(OFlags::RDONLY));
    }

    #[test]
    fn in_kept_folders_files_can_be_read_and_nowhere_else() {
        let (kept, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = [&kept, &other].map(|folder| folder.path().join("file"));
        files.iter().for_each(|file| std::fs::write(file, "x").unwrap());
        let kept = kept.path().to_owned();
        let [kept, other] = thread::spawn(move || {
            keep_folders(&[kept]).unwrap();
            files.map(|file| File::open(file).is_ok())
        })
        .join()
        .unwrap();
        assert_eq!((kept, other), (true, landlock_version() <= 0));
    }

    #[test]
    fn without_files_nothing_can_be_opened_and_what_is_open_can_be_read() {
        use std::io::Read;

        let mut open = File::open("/dev/zero").unwrap();
        let is_refused = thread::spawn(move || {
            leave_files().unwrap();
            open.read_exact(&mut [0; 8]).unwrap();
            File::open("/dev/zero").is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        });
        assert_eq!(is_refused.join().unwrap(), landlock_version() > 0);
    }

    #[test]
    fn a_server_looks_into_no_process_and_mounts_nothing() {
        // SAFETY: these calls only change the kernel's state for this thread, which the filter prevents, and read no memory.
        refused(|| match unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
        // SAFETY: as above; all pointers are null.
        refused(|| match unsafe { libc::syscall(libc::SYS_mount, 0, 0, 0, 0, 0) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }

    #[test]
    fn a_server_makes_no_code_of_data() {
        let map = |protection: libc::c_int| {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // Without the C library, which has its own idea of the error.
            // SAFETY: a new mapping at an address of the kernel's choice changes no other.
            match unsafe { libc::syscall(libc::SYS_mmap, 0, 4096, protection, flags, -1, 0) } {
                -1 => Err(std::io::Error::last_os_error()),
                _ => Ok(()),
            }
        };
        refused(|| map(libc::PROT_READ | libc::PROT_EXEC));
        confined(|| map(libc::PROT_READ | libc::PROT_WRITE)).unwrap();
    }

    #[test]
    fn a_server_starts_threads_and_allocates_and_panics() {
        let sum = confined(|| {
            let thread = thread::Builder::new().name("later".to_owned()).spawn(|| vec![1_u8; 8 << 20].len())?;
            let panicked = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(1)));
            assert!(panicked.is_err());
            Ok(thread.join().unwrap())
        });
        assert_eq!(sum.unwrap(), 8 << 20);
    }
}
