//! How the cases ended on one target.

use std::fmt;

use crate::Outcome;
use crate::target::Skip;

/// How the cases ended on one target.
#[derive(Default)]
pub struct Summary {
    /// How many cases passed.
    pub passed: u32,
    /// The cases that failed, each with what was not as expected.
    pub failed: Vec<String>,
    /// The cases that did not run because no server was there for them, each with the reason.
    pub without_server: Vec<String>,
    /// The cases that cannot run on such a target, each with the table's reason.
    pub excluded: Vec<String>,
}

impl Summary {
    pub(crate) fn add(&mut self, case: &str, outcome: Result<Outcome, String>) {
        match outcome {
            Ok(Outcome::Passed) => self.passed += 1,
            Ok(Outcome::Skipped(Skip::NoServer(reason))) => self.without_server.push(format!("{case}: {reason}")),
            Ok(Outcome::Skipped(Skip::Excluded(reason))) => self.excluded.push(format!("{case}: {reason}")),
            Err(reason) => self.failed.push(format!("{case}: {reason}")),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not_run = self.without_server.len() + self.excluded.len();
        write!(f, "{} passed, {} failed, {not_run} not run", self.passed, self.failed.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_without_a_server_is_not_run_and_not_passed() {
        let mut summary = Summary::default();
        summary.add("one", Ok(Outcome::Passed));
        summary.add("two", Ok(Outcome::Skipped(Skip::NoServer("no server".to_owned()))));
        summary.add("three", Ok(Outcome::Skipped(Skip::Excluded("a proxy in front".to_owned()))));
        summary.add("four", Err("status 500".to_owned()));
        assert_eq!(summary.to_string(), "1 passed, 1 failed, 2 not run");
        assert_eq!(
            (summary.without_server, summary.failed),
            (vec!["two: no server".into()], vec!["four: status 500".into()])
        );
    }
}
