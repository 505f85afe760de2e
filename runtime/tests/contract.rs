//! The HTTP contract (`tests/contract`) on the runtime, with either flavour of the component, and on real Spin where `spin` is
//! on the path or `SPIN` names it.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use test_contract::{Target, run_one, trials};
use test_support::artifacts;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let targets = vec![
        Target::runtime("runtime", artifacts::component()),
        Target::runtime("runtime, stable build", artifacts::stable_component()),
        Target::spin(),
    ];
    targets.iter().for_each(|target| eprintln!("{target}"));
    // The report of a trial has the message. Without this it would be printed twice, the first time among other trials.
    std::panic::set_hook(Box::new(|_| {}));
    let mut trials = trials(targets);
    trials.push(Trial::test("the contract finds the log where real Spin prints it", the_log_of_spin_is_found));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Real Spin is not on every machine. One case is enough to see that the log is looked for on the right stream.
fn the_log_of_spin_is_found() -> Result<(), Failed> {
    let program = artifacts::root().join("runtime/tests/contract/spin-stand-in.sh");
    Ok(run_one(Target::stand_in_for_spin(program))?)
}
