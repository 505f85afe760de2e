//! The rounds: for each measurement a server that is started for it, and ends after it.

mod idle;
mod large;
mod memory;
mod overload;

use anyhow::{Context, Result};
use test_support::Memory;

use crate::clocks::Clocks;
use crate::contenders::Contender;
use crate::oha::{Oha, Pace};
use crate::plan::{Effort, Entry, order};
use crate::request;
use crate::results::{Metric, Row, Sample};
use crate::scenarios::{Kind, Scenario};
use crate::server::{Manner, Server, Surroundings};
use crate::wrk::Wrk;

/// What measures.
pub struct Bench {
    /// How long and how often.
    pub effort: Effort,
    /// What the servers share.
    pub surroundings: Surroundings,
    /// The load generator for closed loops.
    pub wrk: Wrk,
    /// The one for open loops and HTTP/2.
    pub oha: Oha,
}

impl Bench {
    /// Checks that each contender responds as it has to.
    pub fn check(&self, entry: &Entry) -> Result<()> {
        for contender in &entry.contenders {
            let server = Server::start(contender, &self.surroundings, Manner::default())?;
            let response = server.ask(&request::text(&entry.scenario.load))?;
            request::check(&response, &entry.scenario.load).with_context(|| format!("{} is wrong", contender.name))?;
        }
        Ok(())
    }

    /// Measures each contender as often as there are rounds, one round after the other.
    pub fn run(&self, entry: &Entry, mut progress: impl FnMut(&str)) -> Vec<Row> {
        let rounds = if entry.scenario.is_long { 1 } else { self.effort.rounds as usize };
        let mut samples: Vec<Vec<_>> = entry.contenders.iter().map(|_| Vec::new()).collect();
        let mut failures: Vec<Option<String>> = entry.contenders.iter().map(|_| None).collect();
        for round in 0..rounds {
            for index in order(entry.contenders.len(), round) {
                let contender = entry.contenders[index];
                progress(&format!("{} {}: round {} of {rounds}", entry.scenario.name, contender.name, round + 1));
                match self.sample(entry.scenario, contender) {
                    Ok(sample) => samples[index].push(sample),
                    Err(error) => failures[index] = Some(format!("{error:#}")),
                }
            }
        }
        let outcomes = entry.contenders.iter().zip(samples).zip(failures);
        let row = |((contender, samples), failure): ((&&Contender, _), _)| {
            Row::new(entry.scenario.name, &contender.name, samples, failure)
        };
        outcomes.map(row).collect()
    }

    fn sample(&self, scenario: &Scenario, contender: &Contender) -> Result<Sample> {
        if let Kind::Overload(seconds) = scenario.kind {
            return overload::sample(self, contender, &scenario.load, seconds);
        }
        let manner = Manner { tls: scenario.load.tls, cold: scenario.kind == Kind::Start { is_cold: true } };
        let server = Server::start(contender, &self.surroundings, manner)?;
        match scenario.kind {
            Kind::Start { .. } => Ok(start(&server)),
            Kind::Memory(requests) => memory::sample(&self.wrk, &server, &scenario.load, requests),
            Kind::Large(bytes) => large::sample(&server, &scenario.load, bytes),
            Kind::Idle(connections) => {
                let idle = idle::Connections::open(&server, connections)?;
                let mut sample = Sample::from([(Metric::Connection, idle.memory(&server))]);
                sample.extend(self.loaded(scenario, &server)?);
                drop(idle);
                Ok(sample)
            }
            _ => self.loaded(scenario, &server),
        }
    }

    /// The load, after a warm-up.
    fn loaded(&self, scenario: &Scenario, server: &Server) -> Result<Sample> {
        self.load(scenario, server, self.effort.warm_up).context("warm-up")?;
        let before = Clocks::read(server)?;
        let (responses, mut sample) = self.load(scenario, server, self.effort.seconds)?;
        sample.extend(before.until_now(server, responses)?);
        Ok(sample)
    }

    fn load(&self, scenario: &Scenario, server: &Server, seconds: u32) -> Result<(u64, Sample)> {
        let (rate, streams) = match scenario.kind {
            Kind::Open(rate) => (Some(f64::from(rate)), None),
            Kind::Streams(streams) => (None, Some(streams)),
            _ => return self.wrk.run(&server.url(), &scenario.load, seconds),
        };
        let answers = self.oha.run(&server.url(), &scenario.load, Pace { rate, streams, seconds })?.all_good()?;
        Ok((answers.count(), answers.sample))
    }
}

/// The start is over when there is a server. Its CPU time is too short for the kernel's clock, which ticks each hundredth of a second.
fn start(server: &Server) -> Sample {
    let milliseconds = server.age().as_secs_f64() * 1e3;
    let resident = Memory::for_process(server.pid()).resident as f64 / f64::from(1 << 20);
    [(Metric::FirstResponse, milliseconds), (Metric::ResidentBefore, resident)].into()
}
