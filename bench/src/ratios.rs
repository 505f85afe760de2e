//! What a setting, or another build, costs: one contender against another one of the same run.

use crate::contenders::{Contender, OURS};
use crate::results::{Metric, Ratio, Row};

/// What changed, and the contenders with and without the change, as what follows the name of the runtime.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("a line a request, to /dev/null", "", "-quiet"),
    ("log to a file", "-file", ""),
    ("log to a pipe", "-pipe", ""),
    ("component's metrics", "-metrics", ""),
    ("host metrics", "-host-metrics", ""),
    ("OpenTelemetry, 1 % traced", "-otel-1-percent", ""),
    ("OpenTelemetry, all traced", "-otel-all", ""),
];

/// All ratios that these rows allow.
pub fn all(rows: &[Row], programs: &[String], contenders: &[Contender]) -> Vec<Ratio> {
    let mut pairs = Vec::new();
    for name in [OURS].into_iter().chain(programs.iter().filter_map(|program| Some(program.split_once('=')?.0))) {
        for (what, with, without) in SETTINGS {
            let what = if name == OURS { (*what).to_owned() } else { format!("{name}: {what}") };
            pairs.push((what, format!("{name}{with}"), format!("{name}{without}")));
        }
        if name != OURS {
            pairs.push((format!("{name} / {OURS}"), name.to_owned(), OURS.to_owned()));
        }
    }
    for Contender { name, .. } in contenders.iter().filter(|contender| !contender.is_ours()) {
        pairs.push((format!("{OURS} / {name}"), OURS.to_owned(), name.clone()));
    }
    let mut ratios = Vec::new();
    for (what, with, without) in &pairs {
        for row in rows.iter().filter(|row| row.contender == *with) {
            let base = rows.iter().find(|base| base.contender == *without && base.scenario == row.scenario);
            let metrics = [Metric::Rate, Metric::Cpu].into_iter();
            ratios.extend(metrics.filter_map(|metric| Ratio::of(what, metric, row, base?)));
        }
    }
    ratios
}
