//! Runs commands with one line of progress each. Their output appears only if they fail, or with `-v`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cargo_output::CargoOutput;
use crate::progress::{Progress, TICK, seconds};

/// Runs commands and remembers how long each took.
pub struct Runner {
    verbose: bool,
    timings: Vec<(String, Duration)>,
}

impl Runner {
    /// With `verbose` every command is shown, and its output as it comes.
    pub fn new(verbose: bool) -> Self {
        Self { verbose, timings: Vec::new() }
    }

    /// Whether every command is shown, and its output as it comes.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Runs `command` behind a line of progress; its output appears only if it fails.
    ///
    /// `hint` says what to expect: how long it takes, and when.
    ///
    /// # Errors
    /// If the command cannot be run, or fails.
    pub fn run(&mut self, what: &str, hint: &str, command: &mut Command) -> Result<()> {
        if self.verbose {
            return self.pass_through(what, command);
        }
        let mut running = Running::start(command)?;
        let (status, took) = running.follow(Progress::start(what, hint))?;
        self.ended(what, &line(command), status, took)
    }

    /// The same for a command that is usually done at once, which then has no line: cargo, where nothing has changed.
    ///
    /// # Errors
    /// If the command cannot be run, or fails.
    pub fn run_usually_fast(&mut self, what: &str, hint: &str, command: &mut Command) -> Result<()> {
        if self.verbose {
            return self.pass_through(what, command);
        }
        let mut running = Running::start(command)?;
        let (status, took) = running.follow(Progress::only_if_slow(running.start, what, hint))?;
        self.ended(what, &line(command), status, took)
    }

    /// Starts `command`, which [`Self::finish`] waits for: the next commands run at the same time. It ends when the result is dropped.
    ///
    /// # Errors
    /// If the command cannot be run.
    pub fn start(&self, what: &str, hint: &str, mut command: Command) -> Result<Started> {
        // With `verbose` it runs only when it is waited for, since its output would be mixed with that of others.
        let running = if self.verbose { None } else { Some(Running::start(&mut command)?) };
        Ok(Started { what: what.to_owned(), hint: hint.to_owned(), command, running })
    }

    /// Waits for a command behind a line of progress; its output appears only if it fails.
    ///
    /// # Errors
    /// If the command fails.
    pub fn finish(&mut self, started: Started) -> Result<()> {
        let Started { what, hint, mut command, running } = started;
        let Some(mut running) = running else { return self.pass_through(&what, &mut command) };
        let (status, took) = running.follow(Progress::since(running.start, &what, &hint))?;
        self.ended(&what, &line(&command), status, took)
    }

    /// Runs a command that shows its own progress.
    ///
    /// # Errors
    /// If the command cannot be run, or fails.
    pub fn pass_through(&mut self, what: &str, command: &mut Command) -> Result<()> {
        if self.verbose {
            eprintln!("{what}: {}", line(command));
        }
        let start = Instant::now();
        let status = command.stdin(Stdio::null()).status().with_context(|| cannot_run(command))?;
        let took = start.elapsed();
        if self.verbose {
            eprintln!("{what}: {}", seconds(took));
        }
        self.ended(what, &line(command), status, took)
    }

    /// Runs `command` with its output shown as it comes, and each line of its standard output given to `on_line` too.
    ///
    /// # Errors
    /// If the command cannot be run, or fails.
    pub fn run_streaming(&mut self, what: &str, command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<()> {
        eprintln!("{what}:");
        let start = Instant::now();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| cannot_run(command))?;
        let output = child.stdout.take().expect("its standard output is a pipe");
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            on_line(&line);
        }
        let status = child.wait()?;
        let took = start.elapsed();
        eprintln!("{what}: {}", seconds(took));
        self.ended(what, &line(command), status, took)
    }

    /// What was run so far and how long each took, in order.
    pub fn timings(&self) -> &[(String, Duration)] {
        &self.timings
    }

    fn ended(&mut self, what: &str, line: &str, status: ExitStatus, took: Duration) -> Result<()> {
        self.timings.push((what.to_owned(), took));
        if !status.success() {
            bail!("{what} failed after {}: {line} ended with {status}", seconds(took));
        }
        Ok(())
    }
}

/// A command that was started, and what it says of itself.
pub struct Started {
    what: String,
    hint: String,
    command: Command,
    running: Option<Running>,
}

/// A process whose output is collected. It is killed when this is dropped.
struct Running {
    start: Instant,
    child: Child,
    parts: Receiver<(bool, Vec<u8>)>,
    /// Whether its standard error has cargo's progress.
    is_cargo: bool,
}

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        let is_cargo = CargoOutput::is_from(command);
        if is_cargo {
            CargoOutput::prepare(command);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| cannot_run(command))?;
        let (sender, parts) = mpsc::channel();
        forward(child.stdout.take().expect("its standard output is a pipe"), false, sender.clone());
        forward(child.stderr.take().expect("its standard error is a pipe"), true, sender);
        Ok(Self { start: Instant::now(), child, parts, is_cargo })
    }

    /// Shows how far it is until it ends. If it fails, shows what it printed: standard output, then standard error.
    fn follow(&mut self, mut progress: Progress) -> Result<(ExitStatus, Duration)> {
        let mut cargo = CargoOutput::default();
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        loop {
            match self.parts.recv_timeout(TICK) {
                Ok((true, part)) if self.is_cargo => cargo.read(&part),
                Ok((true, part)) => errors.extend(part),
                Ok((false, part)) => output.extend(part),
                Err(RecvTimeoutError::Timeout) => {}
                // Both pipes are closed.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            progress.update(cargo.status());
        }
        let status = self.child.wait()?;
        let took = progress.end(status.success());
        if !status.success() {
            output.extend(cargo.messages());
            output.extend(errors);
            io::stderr().write_all(&output)?;
        }
        Ok((status, took))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Errors mean that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends what `pipe` gives, each part with `mark`, until its end.
fn forward(mut pipe: impl Read + Send + 'static, mark: bool, sender: Sender<(bool, Vec<u8>)>) {
    thread::spawn(move || {
        let mut part = vec![0; 1 << 16];
        while let Ok(length @ 1..) = pipe.read(&mut part) {
            if sender.send((mark, part[..length].to_vec())).is_err() {
                return;
            }
        }
    });
}

fn cannot_run(command: &Command) -> String {
    format!("cannot run `{}`", command.get_program().display())
}

/// The command as typed, without its environment.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    format!("`{}`", words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let error = Runner::new(false).run("trying", "", &mut sh("exit 3")).unwrap_err().to_string();
        assert!(error.starts_with("trying failed after 0."), "{error}");
        assert!(error.ends_with("`sh -c exit 3` ended with exit status: 3"), "{error}");
    }

    #[test]
    fn a_missing_program_is_an_error_that_names_it() {
        let error = Runner::new(false).run("trying", "", &mut Command::new("no-such-program")).unwrap_err();
        assert_eq!(error.to_string(), "cannot run `no-such-program`");
    }

    #[test]
    fn a_started_command_runs_while_others_do() {
        let mut runner = Runner::new(false);
        // Each ends only if the other one runs.
        let folder = std::env::temp_dir().join(format!("httpserver-xtask-runner-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let meet = |own: &str, other: &str| {
            let mut command = sh(&format!("touch {own}; until [ -e {other} ]; do sleep 0.01; done"));
            command.current_dir(&folder);
            command
        };
        let started = runner.start("one", "", meet("one", "two")).unwrap();
        runner.run("two", "", &mut meet("two", "one")).unwrap();
        runner.finish(started).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(runner.timings().iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>(), ["two", "one"]);
    }

    #[test]
    fn lines_are_passed_on_also_of_a_command_that_fails() {
        let mut runner = Runner::new(false);
        let mut lines = Vec::new();
        let outcome =
            runner.run_streaming("printing", &mut sh("echo one; echo two; exit 1"), |line| lines.push(line.to_owned()));
        outcome.unwrap_err();
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(runner.timings()[0].0, "printing");
    }
}
