//! Our own rules over typed objects: what no tool knows.

mod exec;
mod labels;
mod network;
mod references;
mod routes;
mod scraping;
mod security;
mod variables;
mod workload;

use crate::objects::Objects;

pub use network::closed;

/// What is wrong by one rule: a sentence for each fault.
type Faults = Result<Vec<String>, String>;

/// Every rule; all faults in one message.
pub fn check(rendered: &str) -> Result<(), String> {
    let objects = Objects::parse(rendered)?;
    let rules: [fn(&Objects) -> Faults; 9] = [
        references::check,
        routes::check,
        variables::check,
        workload::check,
        security::check,
        exec::check,
        labels::check,
        network::check,
        scraping::check,
    ];
    let mut faults = Vec::new();
    for rule in rules {
        faults.extend(rule(&objects)?);
    }
    verdict(&faults)
}

fn verdict(faults: &[String]) -> Result<(), String> {
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// A fault, unless `holds`.
fn require(faults: &mut Vec<String>, holds: bool, fault: impl FnOnce() -> String) {
    if !holds {
        faults.push(fault());
    }
}
