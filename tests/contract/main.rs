//! The HTTP contract: one table of cases, `tests/contract.toml`, asked of every host that there is.
//!
//! The hosts are the embedded runtime with either flavour of the component, real Spin where `spin` is on the path or `SPIN`
//! names it, and, instead of all those, whatever answers at `HTTPSERVER_URL`. A host that is not there, and a case that a
//! host cannot run, is reported as ignored with the reason, never as passed.
//!
//! `HTTPSERVER_URL` is a server with the default variables. Servers with others, for the cases that need them, are in the
//! file that `HTTPSERVER_SERVERS` names: `[{"variables": {"trusted_hops": "2"}, "url": "http://HOST[:PORT]"}, …]`. Where
//! the names in all these URLs are no addresses, `HTTPSERVER_CONNECT=HOST:PORT` is where to connect.

mod case;
mod check;
mod group;
mod host;

use std::collections::HashMap;
use std::env;
use std::process::ExitCode;
use std::sync::Arc;

use case::Case;
use group::Group;
use host::Host;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases: Vec<_> = case::table().into_iter().map(Arc::new).collect();
    let hosts = host::all();
    // The report of a trial has the message; printed at once as well, it would stand between those of other trials.
    std::panic::set_hook(Box::new(|_| {}));
    let mut trials = Vec::new();
    for host in hosts {
        eprintln!("{host}");
        trials.extend(trials_on(&Arc::new(host), &cases));
    }
    trials.push(Trial::test("what differs on a host takes the place of what is expected", differences_replace));
    // Whoever gives a URL has built nothing.
    if env::var_os("HTTPSERVER_URL").is_none() {
        trials.push(Trial::test("the log is found where real Spin has it", the_log_is_found_where_spin_has_it));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// One trial for each case; those that need the same variables share a server, which starts with the first and ends with
/// the last of them.
fn trials_on(host: &Arc<Host>, cases: &[Arc<Case>]) -> Vec<Trial> {
    let mut groups = HashMap::new();
    let mut trials = Vec::new();
    for case in cases {
        let group = groups.entry(&case.variables).or_insert_with(|| Arc::new(Group::new(host, &case.variables)));
        trials.push(trial(host, case, Arc::clone(group)));
    }
    trials
}

fn trial(host: &Arc<Host>, case: &Arc<Case>, group: Arc<Group>) -> Trial {
    let name = format!("{}: {}", host.name, case.name);
    let (host, case) = (Arc::clone(host), Arc::clone(case));
    Trial::ignorable_test(name, move || match host.unable(&case) {
        Some(reason) => Ok(Completion::ignored_with(reason)),
        None => group.run(&case).map(|()| Completion::Completed),
    })
}

/// Most cases that run on real Spin never run where it is not installed; one is enough to see that the log is looked for on
/// the right stream.
fn the_log_is_found_where_spin_has_it() -> Result<(), Failed> {
    let case = case::table().into_iter().find(|case| case.variables.is_empty()).ok_or("the table is empty")?;
    Group::new(&Arc::new(host::stand_in()), &case.variables).run(&case)
}

/// By the example of a host that is not on every machine.
fn differences_replace() -> Result<(), Failed> {
    const NAMED: &str = "a field that connection names does not come back";
    let case = case::table().into_iter().find(|case| case.name == NAMED).ok_or("the case has another name")?;
    let (here, spin) = (case.expected_on("embedded"), case.expected_on("spin"));
    assert_eq!((here.absent, here.fields.get("x-secret")), (Some(vec!["x-secret".to_owned()]), None));
    assert_eq!(spin.absent, Some(vec!["connection".to_owned()]));
    assert_eq!((&*spin.fields["x-secret"], &*spin.fields["x-open"]), ("1", "2"));
    Ok(())
}
