//! Which contender is measured in which scenario, and in which order.

use anyhow::{Result, bail};

use crate::arguments::Arguments;
use crate::contenders::Contender;
use crate::scenarios::{SCENARIOS, Scenario, Who};

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How often each contender is measured.
    pub rounds: u32,
    /// Seconds of load before each measurement.
    pub warm_up: u32,
    /// Seconds of load in it.
    pub seconds: u32,
}

impl Effort {
    /// What the command line asks for.
    pub fn of(arguments: &Arguments) -> Self {
        let (rounds, warm_up, seconds) = if arguments.quick { (3, 1, 2) } else { (5, 1, 4) };
        Self { rounds: arguments.rounds.unwrap_or(rounds), warm_up, seconds: arguments.seconds.unwrap_or(seconds) }
    }
}

/// A scenario with those who take part.
pub struct Entry<'a> {
    /// The scenario.
    pub scenario: &'static Scenario,
    /// Those who take part, at least one.
    pub contenders: Vec<&'a Contender>,
}

/// What the command line selects.
pub fn select<'a>(arguments: &Arguments, contenders: &'a [Contender]) -> Result<Vec<Entry<'a>>> {
    let is_scenario = |name: &str| SCENARIOS.iter().any(|scenario| scenario.name == name);
    let is_contender = |name: &str| contenders.iter().any(|contender| contender.name == name);
    if let Some(unknown) = arguments.only.iter().find(|name| !is_scenario(name) && !is_contender(name)) {
        bail!("invalid name \"{unknown}\": expected a scenario or a contender, such as root-32; `--list` has all");
    }
    let names_scenario = arguments.only.iter().any(|name| is_scenario(name));
    let names_contender = arguments.only.iter().any(|name| is_contender(name));
    let named = |name: &str| arguments.only.iter().any(|only| only == name);
    let scenarios = SCENARIOS.iter().filter(|scenario| match (names_scenario, arguments.quick) {
        (true, _) => named(scenario.name),
        (false, quick) => !quick || scenario.who == Who::AllAlsoQuick,
    });
    let takes_part = |scenario: &Scenario, contender: &Contender| match (names_contender, arguments.quick) {
        (true, _) => scenario.can(contender) && named(&contender.name),
        (false, quick) => scenario.suits(contender) && (contender.is_main || !quick || names_scenario),
    };
    let entries = scenarios.map(|scenario| Entry {
        scenario,
        contenders: contenders.iter().filter(|contender| takes_part(scenario, contender)).collect(),
    });
    Ok(entries.filter(|entry| !entry.contenders.is_empty()).collect())
}

/// The order of a round: each contender comes first once, and every other round goes backwards, so that no contender always
/// follows the same one.
pub fn order(contenders: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..contenders).collect();
    order.rotate_left(round % contenders);
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_round_has_everybody_in_another_order() {
        let orders: BTreeSet<_> = (0..4).map(|round| order(4, round)).collect();
        assert_eq!(orders.len(), 4);
        assert!(orders.iter().all(|order| order.iter().copied().collect::<BTreeSet<_>>() == (0..4).collect()));
        assert_eq!(order(1, 3), [0]);
    }
}
