//! A server that accepts from a socket of this process, so that another one can take its place without refusing a connection.

use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How a line of the runtime begins when it serves.
const SERVING: &str = "Serving ";

/// How long a server may take until it serves. It takes less than a second, or five with a component that it has to compile.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Passes the socket on, which comes as standard input, by systemd's protocol (sd_listen_fds(3)): it becomes file descriptor 3.
const PASS_SOCKET: &str = r#"exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@""#;

/// A running server. It is killed when this is dropped.
pub struct Server(Child);

impl Server {
    /// Starts `command` with `socket`, and waits until it serves.
    ///
    /// # Errors
    /// If it ends before that. It has said why on its standard error, which is passed on.
    pub fn start(command: &Command, socket: &TcpListener) -> Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", PASS_SOCKET, "sh"]).arg(command.get_program()).args(command.get_args());
        // Ctrl-C reaches this process alone, which then ends the servers: two signals would end a drain.
        shell.process_group(0).stdin(OwnedFd::from(socket.try_clone()?)).stderr(Stdio::piped());
        end_with_this_process(&mut shell);
        let mut server = Self(shell.spawn().context("cannot run `sh`")?);
        let stderr = server.0.stderr.take().expect("its standard error is a pipe");
        let serving = pass_on(stderr);
        match serving.recv_timeout(START_TIMEOUT) {
            Ok(()) => Ok(server),
            Err(RecvTimeoutError::Disconnected) => bail!("the server ended at once, with {}", server.0.wait()?),
            Err(RecvTimeoutError::Timeout) => bail!("the server did not serve within {} s", START_TIMEOUT.as_secs()),
        }
    }

    /// Lets the server finish what runs, then end.
    pub fn drain(&self) {
        let pid = i32::try_from(self.0.id()).expect("a process id is a pid_t");
        // SAFETY: `kill` has no memory to violate. The process is a child that was not waited for: its id belongs to it.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors mean that it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lets the kernel send SIGTERM to `command` when the thread that starts it ends, which is the main one: also when this process
/// is killed, no server stays.
fn end_with_this_process(command: &mut Command) {
    #[cfg(target_os = "linux")]
    // SAFETY: between `fork` and `exec` only async-signal-safe functions may be called, and `prctl` is one.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

/// Copies `output` to standard error, and says when the server serves; closes the channel at the end of the output.
fn pass_on(output: impl Read + Send + 'static) -> mpsc::Receiver<()> {
    let (sender, serving) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line);
            eprintln!("{line}");
            if line.starts_with(SERVING) {
                // Nobody listens after the first time.
                let _ = sender.send(());
            }
        }
    });
    serving
}
