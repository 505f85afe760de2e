//! The compiler's process, seen from the shim: started, asked, watched and ended. Nothing that it sends is trusted.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use containerd_shim::monitor::{Subscription, Topic, monitor_subscribe, wait_pid};

use super::pod_group::PodGroup;
use crate::cgroup::Groups;
use crate::compiler::{ARGUMENT, CPU_TIME, ERROR, MEMORY, OK};
use crate::forks::Deadline;
use crate::process::{Process, SIGKILL};

/// The most bytes of machine code: eight times the largest component.
const LARGEST_CODE: u64 = 64 << 20;

/// The longest path and the longest text of an error that are read: `PATH_MAX` of Linux.
const LONGEST_TEXT: u64 = 4096;

/// Why a component is refused.
#[derive(Debug)]
pub struct TooMuch(String);

impl Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the component cannot be compiled: {}; use a smaller or simpler component", self.0)
    }
}

impl std::error::Error for TooMuch {}

/// The process. It ends when this is dropped.
pub struct Compiler {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    process: Arc<Process>,
    /// The shim reaps all children and reports them here, unless [`Child::wait`] is first. None after the end.
    reaped: Option<Subscription>,
    /// The exit code after the end, or 128 plus the number of the signal that ended it.
    status: Option<i32>,
    /// Ends the watch when it is dropped.
    watch: Option<Sender<Infallible>>,
    deadline: Arc<Deadline>,
    /// Whether the deadline has ended it.
    is_late: Arc<AtomicBool>,
    group: Option<PodGroup>,
}

impl Compiler {
    /// Starts the process. It lives until the `deadline` of the creation that it is for, at most.
    pub fn start(deadline: &Arc<Deadline>) -> Result<Self> {
        // The shim's own program, also if another one is installed by now.
        let mut compiler = Command::new("/proc/self/exe");
        compiler.arg0("httpserver-compiler").arg(ARGUMENT).env_clear().stderr(Stdio::null());
        Self::watch(compiler, deadline)
    }

    fn watch(mut program: Command, deadline: &Arc<Deadline>) -> Result<Self> {
        let reaped = Some(monitor_subscribe(Topic::Pid)?);
        let child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.context("cannot start the compiler")?;
        let process = Process::open(child.id().cast_signed()).map(Arc::new).context("cannot watch the compiler")?;
        let ((watch, ended), is_late) = (channel(), Arc::new(AtomicBool::new(false)));
        let (watched, late) = (Arc::clone(&process), Arc::clone(&is_late));
        let deadline = Arc::clone(deadline);
        let wait = Arc::clone(&deadline);
        thread::spawn(move || {
            if wait.must_end_before(&ended) {
                late.store(true, Ordering::Relaxed);
                let _ = watched.send(SIGKILL);
            }
        });
        let (input, output) = (child.stdin.take().context("piped")?, child.stdout.take().context("piped")?);
        let watch = Some(watch);
        Ok(Self { child, input, output, process, reaped, status: None, watch, deadline, is_late, group: None })
    }

    /// The path of the component, as `manifest` has it.
    pub fn source(&mut self, manifest: &[u8]) -> Result<PathBuf> {
        let mut path = Vec::new();
        self.ask(manifest, LONGEST_TEXT, &mut path)?;
        Ok(PathBuf::from(OsString::from_vec(path)))
    }

    /// Takes what it needs from now on from the pod of the container with these `groups`.
    pub fn join_pod(&mut self, groups: &Groups) -> Result<()> {
        self.group = Some(PodGroup::join(groups, self.process.pid())?);
        Ok(())
    }

    /// Writes the machine code of `wasm` to `code`.
    pub fn compile(&mut self, wasm: &[u8], code: &mut dyn Write) -> Result<()> {
        self.ask(wasm, LARGEST_CODE, code)
    }

    /// Sends a piece of input, and writes the result, of at most `largest` bytes, to `result`.
    fn ask(&mut self, input: &[u8], largest: u64, result: &mut dyn Write) -> Result<()> {
        match self.try_ask(input, largest, result) {
            Err(error) if is_end(&error) => Err(self.end().unwrap_or(error)),
            result => result,
        }
    }

    fn try_ask(&mut self, input: &[u8], largest: u64, result: &mut dyn Write) -> Result<()> {
        self.input.write_all(&(input.len() as u64).to_le_bytes())?;
        self.input.write_all(input)?;
        let (mut kind, mut length) = ([0], [0; size_of::<u64>()]);
        self.output.read_exact(&mut kind)?;
        self.output.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        match kind[0] {
            OK if length > largest => {
                Err(TooMuch(format!("its code has {length} bytes, at most {largest} may be")).into())
            }
            OK => {
                let copied = io::copy(&mut self.output.by_ref().take(length), result)?;
                if copied < length { Err(io::Error::from(ErrorKind::UnexpectedEof).into()) } else { Ok(()) }
            }
            ERROR => {
                let mut text = Vec::new();
                self.output.by_ref().take(length.min(LONGEST_TEXT)).read_to_end(&mut text)?;
                bail!("{}", String::from_utf8_lossy(&text))
            }
            other => bail!("the compiler sent {other}, expected a result"),
        }
    }

    /// Why it ended by itself.
    fn end(&mut self) -> Option<anyhow::Error> {
        let status = self.wait()?;
        let too_much = |text: String| Some(TooMuch(text).into());
        if self.is_late.load(Ordering::Relaxed) {
            if self.deadline.is_given_up() {
                return Some(anyhow!("the container was killed or deleted meanwhile"));
            }
            let limit = self.deadline.limit().as_secs_f64();
            return too_much(format!("that takes longer than {limit:.1} s with the processor of its pod"));
        }
        match status - 128 {
            libc::SIGXCPU => too_much(format!("that takes more than {CPU_TIME} s of a processor's time")),
            libc::SIGABRT => too_much(format!("that takes more than {} MiB of memory", MEMORY >> 20)),
            libc::SIGKILL => too_much("that takes more memory than its pod may have, or somebody ended it".to_owned()),
            _ => Some(anyhow!("the compiler ended with {status}")),
        }
    }

    /// Waits until it has ended, and returns its `status`.
    fn wait(&mut self) -> Option<i32> {
        if let Some(reaped) = self.reaped.take() {
            self.status = match self.child.wait() {
                Ok(status) => status.code().or(status.signal().map(|signal| 128 + signal)),
                // The shim's reaper was first.
                Err(_) => Some(wait_pid(self.process.pid(), reaped)),
            };
        }
        self.status
    }
}

/// Whether `error` says that the process is gone.
fn is_end(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind.is_some_and(|kind| matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe))
}

impl Drop for Compiler {
    fn drop(&mut self) {
        let _ = self.process.send(SIGKILL);
        self.wait();
        self.watch.take();
        // Before the group is removed.
        self.group.take();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// A compiler that never replies, for a creation with that time.
    fn silent(limit: Duration) -> (Compiler, Arc<Deadline>) {
        let deadline = Arc::new(Deadline::after(limit));
        let mut program = Command::new("sleep");
        program.arg("1000");
        (Compiler::watch(program, &deadline).unwrap(), deadline)
    }

    #[test]
    fn a_creation_that_is_given_up_ends_its_compiler() {
        let (mut compiler, deadline) = silent(Duration::from_secs(60));
        let start = Instant::now();
        thread::scope(|scope| {
            let asked = scope.spawn(|| compiler.source(b"").unwrap_err());
            deadline.give_up();
            let error = asked.join().unwrap().to_string();
            assert!(error.contains("killed or deleted meanwhile"), "{error}");
        });
        assert!(start.elapsed() < Duration::from_secs(20), "after {:?}", start.elapsed());
    }

    #[test]
    fn a_compiler_ends_when_the_time_of_its_creation_is_over() {
        let (mut compiler, _deadline) = silent(Duration::from_millis(200));
        let error = compiler.source(b"").unwrap_err();
        assert!(error.is::<TooMuch>() && error.to_string().contains("that takes longer than 0.2 s"), "{error}");
    }
}
