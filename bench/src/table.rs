//! The results as tables of text.

use std::fmt::Write;

use crate::against::Change;
use crate::results::{Metric, Ratio, Results, Row};
use crate::scenarios::SCENARIOS;
use crate::statistics::range;

/// All of it.
pub fn whole(results: &Results) -> String {
    let mut text = String::new();
    for (name, value) in results.machine.iter().chain(&results.settings) {
        writeln!(text, "{name}: {value}").expect("a String takes text");
    }
    for scenario in SCENARIOS {
        let rows: Vec<_> = results.rows.iter().filter(|row| row.scenario == scenario.name).collect();
        if !rows.is_empty() {
            write!(text, "\n{}: {}\n{}", scenario.name, scenario.what, of_scenario(&rows))
                .expect("a String takes text");
        }
    }
    if !results.ratios.is_empty() {
        write!(text, "\nratios of this run: median of the rounds (least to greatest)\n{}", of_ratios(&results.ratios))
            .expect("a String takes text");
    }
    text
}

/// The rows of one scenario.
fn of_scenario(rows: &[&Row]) -> String {
    let columns: Vec<_> =
        Metric::ALL.into_iter().filter(|metric| rows.iter().any(|row| row.medians.contains_key(metric))).collect();
    let mut lines = vec![vec!["contender".to_owned()]];
    lines[0].extend(columns.iter().map(|metric| metric.label().to_owned()));
    for row in rows {
        let mut line = vec![row.contender.clone()];
        line.extend(columns.iter().map(|metric| cell(row, *metric)));
        line.extend(row.failure.as_ref().map(|reason| format!("failed: {reason}")));
        lines.push(line);
    }
    aligned(&lines)
}

fn cell(row: &Row, metric: Metric) -> String {
    let Some(median) = row.medians.get(&metric) else { return "-".to_owned() };
    let median = metric.shown(*median);
    match range(&row.values(metric)) {
        Some((least, greatest)) if metric.is_primary() => {
            format!("{median} ({}–{})", metric.shown(least), metric.shown(greatest))
        }
        _ => median,
    }
}

/// What changed since another run.
pub fn of_changes(changes: &[Change]) -> String {
    let mut lines = vec![["scenario", "contender", "figure", "change", "by chance", ""].map(str::to_owned).to_vec()];
    for change in changes {
        let verdict = match (change.is_worse(), change.is_real()) {
            (true, _) => "worse",
            (false, true) => "better",
            (false, false) => "",
        };
        lines.push(vec![
            change.scenario.clone(),
            change.contender.clone(),
            change.metric.label().to_owned(),
            format!("{:+.1} %", (change.ratio - 1.0) * 100.0),
            format!("{:.3}", change.chance),
            verdict.to_owned(),
        ]);
    }
    aligned(&lines)
}

fn of_ratios(ratios: &[Ratio]) -> String {
    let mut lines = vec![["scenario", "what", "figure", "ratio"].map(str::to_owned).to_vec()];
    for Ratio { scenario, what, metric, median, least, greatest } in ratios {
        let ratio = format!("{median:.3} ({least:.3}–{greatest:.3})");
        lines.push(vec![scenario.clone(), what.clone(), metric.label().to_owned(), ratio]);
    }
    aligned(&lines)
}

/// Lines whose cells stand below each other.
fn aligned(lines: &[Vec<String>]) -> String {
    let width = |column: usize| lines.iter().filter_map(|line| Some(line.get(column)?.chars().count())).max();
    let widths: Vec<_> = (0..).map_while(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells: Vec<_> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(text, "  {}", cells.join("  ").trim_end()).expect("a String takes text");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_scenario_shows_medians_and_spread() {
        let samples = [900.0, 1100.0, 1000.0].map(|rate| BTreeMap::from([(Metric::Rate, rate), (Metric::P50, 0.5)]));
        let row = Row::new("root-32", "runtime", samples.into(), None);
        let failed = Row::new("root-32", "go", Vec::new(), Some("no response".to_owned()));
        let expected = "  contender  req/s            p50 ms\n  runtime    1000 (900–1100)  0.500\n  go         -                -       failed: no response\n";
        assert_eq!(of_scenario(&[&row, &failed]), expected);
    }
}
