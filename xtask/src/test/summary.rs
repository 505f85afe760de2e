//! What ran where, counted from what the test binaries print.

use std::collections::BTreeMap;
use std::fmt;

/// Counts per host or flavour. A test that runs on several is named `HOST: CASE` on each; all others count as [`OWN`].
#[derive(Default)]
pub struct Summary(BTreeMap<String, Counts>);

/// Unit and documentation tests, and integration tests that start what they need themselves.
const OWN: &str = "all other tests";

#[derive(Default)]
struct Counts {
    passed: u32,
    failed: u32,
    /// How many did not run, by reason.
    ignored: BTreeMap<String, u32>,
}

impl Summary {
    /// Counts one line of output if it is a test's result: `test NAME ... ok`, or `FAILED`, or `ignored (REASON)`.
    pub fn add(&mut self, line: &str) {
        let Some((name, outcome)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) else {
            return;
        };
        let host = name.split_once(": ").map_or(OWN, |(host, _)| host);
        let counts = self.0.entry(host.to_owned()).or_default();
        if outcome == "ok" {
            counts.passed += 1;
        } else if let Some(reason) = outcome.strip_prefix("ignored") {
            // In parentheses from libtest-mimic, after a comma from libtest.
            let reason = reason.trim_start_matches([' ', ',']);
            let reason = reason.strip_prefix('(').and_then(|reason| reason.strip_suffix(')')).unwrap_or(reason);
            let reason = reason.trim_start_matches("not run: ");
            let reason = if reason.is_empty() { "marked as ignored" } else { reason };
            *counts.ignored.entry(reason.to_owned()).or_default() += 1;
        } else {
            counts.failed += 1;
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>8}{:>8}{:>9}  where", "passed", "failed", "not run")?;
        for (host, counts) in &self.0 {
            let ignored: u32 = counts.ignored.values().sum();
            writeln!(f, "{:>8}{:>8}{ignored:>9}  {host}", counts.passed, counts.failed)?;
        }
        for (host, counts) in &self.0 {
            for (reason, count) in &counts.ignored {
                writeln!(f, "not run: {count} of {host}: {reason}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn results_count_where_they_ran() {
        let output = "\
            running 8 tests\n\
            test router::tests::known_paths ... ok\n\
            test src/lib.rs - respond (line 12) ... ok\n\
            test drain::slow ... ignored\n\
            test memory::grows ... ignored, takes minutes\n\
            test embedded: GET /: echoes ... ok\n\
            test embedded: GET /ip       ... FAILED\n\
            test spin: GET /    ... ignored (not run: SPIN is not set (or wrong))\n\
            test spin: GET /ip  ... ignored (not run: SPIN is not set (or wrong))\n\
            test result: ok. 3 passed; 1 failed; 1 ignored\n";
        let mut summary = Summary::default();
        output.lines().for_each(|line| summary.add(line));
        let expected = "  \
  passed  failed  not run  where
       2       0        2  all other tests
       1       1        0  embedded
       0       0        2  spin
not run: 1 of all other tests: marked as ignored
not run: 1 of all other tests: takes minutes
not run: 2 of spin: SPIN is not set (or wrong)
";
        assert_eq!(summary.to_string(), expected);
    }
}
