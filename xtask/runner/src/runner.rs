//! Runs commands with one line of progress each. Their output appears only if they fail, or with `-v`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cargo_output::{CargoOutput, Status};
use crate::progress::{Progress, TICK};

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
        let is_cargo = CargoOutput::is_from(command);
        if is_cargo {
            CargoOutput::prepare(command);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let progress = Progress::start(what, hint);
        let (status, took, output) = match observe(command, is_cargo, progress) {
            Ok(ended) => ended,
            Err(error) => {
                eprintln!();
                return Err(error).with_context(|| cannot_run(command));
            }
        };
        if !status.success() {
            io::stderr().write_all(&output)?;
        }
        self.ended(what, command, status, took)
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
        self.ended(what, command, status, took)
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
        self.ended(what, command, status, took)
    }

    /// What was run so far and how long each took, in order.
    pub fn timings(&self) -> &[(String, Duration)] {
        &self.timings
    }

    fn ended(&mut self, what: &str, command: &Command, status: ExitStatus, took: Duration) -> Result<()> {
        self.timings.push((what.to_owned(), took));
        if !status.success() {
            bail!("{what} failed after {}: {} ended with {status}", seconds(took), line(command));
        }
        Ok(())
    }
}

/// Runs `command`, shows how far it is, and returns what is worth showing if it fails: standard output, then standard error.
fn observe(
    command: &mut Command,
    is_cargo: bool,
    mut progress: Progress,
) -> io::Result<(ExitStatus, Duration, Vec<u8>)> {
    let mut child = command.spawn()?;
    let (sender, parts) = mpsc::channel();
    let stdout = child.stdout.take().expect("its standard output is a pipe");
    let stderr = child.stderr.take().expect("its standard error is a pipe");
    forward(stdout, false, sender.clone());
    forward(stderr, true, sender);
    let mut cargo = CargoOutput::default();
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    loop {
        match parts.recv_timeout(TICK) {
            Ok((true, part)) if is_cargo => cargo.read(&part),
            Ok((true, part)) => errors.extend(part),
            Ok((false, part)) => output.extend(part),
            Err(RecvTimeoutError::Timeout) => {}
            // Both pipes are closed.
            Err(RecvTimeoutError::Disconnected) => break,
        }
        progress.update(if is_cargo { cargo.status() } else { &Status::Unknown });
    }
    let status = child.wait()?;
    let took = progress.end(status.success());
    output.extend(cargo.messages());
    output.extend(errors);
    Ok((status, took, output))
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

/// A duration as the lines of progress show it: `61.2 s`.
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
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
    fn what_a_failing_command_printed_is_kept_whole() {
        let mut command = sh("echo out; echo err >&2; exit 1");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (status, _, output) = observe(&mut command, false, Progress::start("printing", "")).unwrap();
        assert!(!status.success());
        assert_eq!(output, b"out\nerr\n");
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
