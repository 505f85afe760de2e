//! The HTTP contract: one table of requests and expected responses, `contract.toml`, for every server that serves the
//! application.
//!
//! A [`Target`] is a server under test: the runtime with a component, real Spin, or servers that run already, near or far. [`trials`] makes
//! a test of each case on each target, for a test program; [`run`] runs the cases at once and returns a [`Summary`]. A case
//! for which there is no server is reported as not run, with the reason, never as passed.

mod case;
mod check;
mod group;
mod summary;
mod target;

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use libtest_mimic::{Completion, Failed, Trial};

use case::Case;
pub use case::Variables;
use group::Group;
pub use summary::Summary;
use target::Skip;
pub use target::{NearServer, RemoteServer, Target, URL};

/// A case on a target.
struct Run {
    target: Arc<Target>,
    case: Case,
    group: Arc<Group>,
}

/// How a case ended that did not fail.
enum Outcome {
    Passed,
    Skipped(Skip),
}

impl Run {
    fn run(&self) -> Result<Outcome, String> {
        match self.target.skip_reason(&self.case) {
            Some(skip) => Ok(Outcome::Skipped(skip)),
            None => self.group.run(&self.case).map(|()| Outcome::Passed),
        }
    }
}

/// One test for each case on each target, named `TARGET: CASE`.
pub fn trials(targets: Vec<Target>) -> Vec<Trial> {
    let trial = |run: Run| {
        let name = format!("{}: {}", run.target.name, run.case.name);
        Trial::ignorable_test(name, move || match run.run().map_err(Failed::from)? {
            Outcome::Passed => Ok(Completion::Completed),
            Outcome::Skipped(Skip::NoServer(reason) | Skip::Excluded(reason)) => {
                Ok(Completion::ignored_with(format!("not run: {reason}")))
            }
        })
    };
    targets.into_iter().flat_map(runs).map(trial).collect()
}

/// Runs all cases on the target, one after the other.
pub fn run(target: Target) -> Summary {
    let mut summary = Summary::default();
    for run in runs(target) {
        // As a test harness does: a case that panics has failed, and the others run.
        let outcome = catch_unwind(AssertUnwindSafe(|| run.run()));
        let outcome = outcome.unwrap_or_else(|_| Err("it panicked; the message is on stderr".to_owned()));
        summary.add(&run.case.name, outcome);
    }
    summary
}

/// Runs one case, which needs no variables, on the target.
///
/// # Errors
/// What was not as expected, or why the case does not run there.
pub fn run_one(target: Target) -> Result<(), String> {
    let run = runs(target).into_iter().find(|run| run.case.variables.is_empty()).ok_or("the table has no such case")?;
    match run.run()? {
        Outcome::Passed => Ok(()),
        Outcome::Skipped(Skip::NoServer(reason) | Skip::Excluded(reason)) => Err(format!("not run: {reason}")),
    }
}

/// The sets of variables that a case needs, without the default ones: as many servers take part in a complete run.
pub fn variable_sets() -> BTreeSet<Variables> {
    case::table().into_iter().map(|case| case.variables).filter(|variables| !variables.is_empty()).collect()
}

/// Cases that need the same variables share a server, which starts with the first of them and ends with the last.
fn runs(target: Target) -> Vec<Run> {
    let target = Arc::new(target);
    let mut groups = HashMap::new();
    let run = |case: Case| {
        let group = groups.entry(case.variables.clone());
        let group = group.or_insert_with(|| Arc::new(Group::new(&target, &case.variables)));
        Run { target: Arc::clone(&target), group: Arc::clone(group), case }
    };
    case::table().into_iter().map(run).collect()
}
