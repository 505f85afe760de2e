//! Twice as many requests as a server can do.

use std::thread;

use anyhow::Result;

use super::Bench;
use crate::contenders::Contender;
use crate::oha::{Oha, Pace};
use crate::results::{Metric, Sample};
use crate::scenarios::Load;
use crate::server::{Manner, Server, Surroundings};

/// Seconds in which the peak is looked for.
const PEAK: u32 = 5;

/// Finds the server's peak rate, then sends requests at twice that rate for `seconds` seconds.
///
/// The client has cores of its own: otherwise it would take the time that the server needs, and the goodput would be the client's.
pub fn sample(bench: &Bench, contender: &Contender, load: &Load, seconds: u32) -> Result<Sample> {
    let cores = thread::available_parallelism()?.get();
    let (servers, clients) = halves(cores);
    let surroundings = &bench.surroundings;
    let surroundings = Surroundings { cores: surroundings.cores.clone().or(Some(servers)), ..surroundings.clone() };
    let oha = Oha { cores: bench.oha.cores.clone().or(Some(clients)), program: bench.oha.program.clone() };
    let server = Server::start(contender, &surroundings, Manner::default())?;
    let run = |rate, seconds| oha.run(&server.url(), load, Pace { rate, streams: None, seconds });
    run(None, bench.effort.warm_up)?;
    let peak = run(None, PEAK)?.all_good()?.sample[&Metric::Rate];
    let answers = run(Some(2.0 * peak), seconds)?;
    let all = (answers.count() + answers.missing()) as f64;
    let (good, refused) = (answers.with_status(200) as f64, answers.with_status(503) as f64);
    let mut sample = answers.sample;
    sample.extend([
        (Metric::Goodput, good / f64::from(seconds) / peak),
        (Metric::Refused, refused / all),
        (Metric::Failed, (all - good - refused) / all),
    ]);
    Ok(sample)
}

/// The first half of the cores and the rest, as taskset(1) takes them. One core is both.
fn halves(cores: usize) -> (String, String) {
    let half = cores / 2;
    if half == 0 {
        ("0".to_owned(), "0".to_owned())
    } else {
        (format!("0-{}", half - 1), format!("{half}-{}", cores - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_and_client_have_different_cores() {
        assert_eq!(halves(1), ("0".to_owned(), "0".to_owned()));
        assert_eq!(halves(2), ("0-0".to_owned(), "1-1".to_owned()));
        assert_eq!(halves(5), ("0-1".to_owned(), "2-4".to_owned()));
    }
}
