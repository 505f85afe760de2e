//! The program in the virtual machine: runs each case with each runtime under each driver of control groups, and prints it
//! as a test program of cargo does. `README.md` in this folder explains how the program gets there.

mod cases;
mod cri;
mod images;
mod machine;
mod node;
mod pod;

use std::{
    fs,
    process::ExitCode,
    sync::{Arc, PoisonError, RwLock},
};

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Trial};

use cases::Case;
use cri::Cri;
use node::{HANDLERS, Node};

/// The arguments after `--` of `cargo xtask vm test`, one on each line.
const ARGUMENTS: &str = "/usr/local/etc/arguments";

/// How many cases run at the same time: some of them only wait.
const THREADS: usize = 4;

/// Taken by a case that changes the machine for all others, and shared by these.
static MACHINE: RwLock<()> = RwLock::new(());

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode> {
    let words = fs::read_to_string(ARGUMENTS).with_context(|| format!("cannot read {ARGUMENTS}"))?;
    let mut arguments = Arguments::from_iter(["test-vm"].into_iter().chain(words.lines()));
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    println!("{}", machine::description()?);
    images::import(cri::SOCKET)?;
    Ok(libtest_mimic::run(&arguments, trials(&Arc::new(Cri::connect(cri::SOCKET)?))).exit_code())
}

/// Each case on each handler that it is for.
fn trials(cri: &Arc<Cri>) -> Vec<Trial> {
    let pods = HANDLERS.map(|_| Arc::default());
    let handlers = || HANDLERS.into_iter().zip(&pods);
    let pairs = cases::ALL.iter().flat_map(|case| handlers().map(move |handler| (case, handler)));
    let pairs = pairs.filter(|(case, (handler, _))| case.is_for(*handler));
    let trial = |(number, (case, (handler, shared)))| {
        let case: &Case = case;
        let node = Node { cri: Arc::clone(cri), handler, number, shared: Arc::clone(shared) };
        let run = case.run;
        let alone = case.alone;
        Trial::test(format!("vm {handler}: {}", case.name), move || {
            // After a case that panicked, the others run as if it had returned an error.
            let _reader = (!alone).then(|| MACHINE.read().unwrap_or_else(PoisonError::into_inner));
            let _writer = alone.then(|| MACHINE.write().unwrap_or_else(PoisonError::into_inner));
            run(&node).map_err(|error| format!("{error:#}").into())
        })
    };
    (1..).zip(pairs).map(trial).collect()
}
