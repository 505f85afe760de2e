//! Runs commands with one progress line each; shows their output only if they fail, or with `-v`.

use std::{
    io::{self, BufRead, BufReader, Write},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

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

    /// Runs `command` behind one progress line; its output appears only if it fails.
    ///
    /// `hint` says what to expect: how long it takes, and when.
    pub fn run(&mut self, what: &str, hint: &str, command: &mut Command) -> Result<()> {
        let announced = if hint.is_empty() { what.to_owned() } else { format!("{what} ({hint})") };
        let start = Instant::now();
        command.stdin(Stdio::null());
        if self.verbose {
            eprintln!("{announced}: {}", line(command));
            let status = command.status().with_context(|| cannot_run(command))?;
            return self.ended(what, command, status, start.elapsed());
        }
        eprint!("{announced} … ");
        // Of cargo's output only what went wrong is worth reading afterwards.
        let output = command.env("CARGO_TERM_QUIET", "true").output().with_context(|| cannot_run(command))?;
        if !output.status.success() {
            eprintln!("failed");
            io::stderr().write_all(&output.stdout).and_then(|()| io::stderr().write_all(&output.stderr))?;
        }
        self.ended(what, command, output.status, start.elapsed())
    }

    /// Runs `command` with its output shown as it comes, and each line of its standard output given to `on_line` too.
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
        eprint!("{what}: ");
        self.ended(what, command, status, start.elapsed())
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
        eprintln!("{}", seconds(took));
        Ok(())
    }
}

/// A duration as the progress lines show it: `61.2 s`.
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
    fn lines_are_passed_on_also_of_a_command_that_fails() {
        let mut runner = Runner::new(false);
        let mut lines = Vec::new();
        runner
            .run_streaming("printing", &mut sh("echo one; echo two; exit 1"), |line| lines.push(line.to_owned()))
            .unwrap_err();
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(runner.timings()[0].0, "printing");
    }
}
