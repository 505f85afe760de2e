//! The alerts and the dashboard: valid, tested, and about series that a real server has.

mod expressions;
mod picture;
mod rollout;
mod scrape;

use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use test_support::artifacts;

/// The alerts, as an object of Prometheus's operator.
const ALERTS: &str = "manifests/components/alerts/prometheusrule.yaml";

/// The dashboard, as Grafana imports it.
const DASHBOARD: &str = "manifests/components/dashboard/dashboard.json";

/// Makes a rule file of the object: its `spec`, which stands last, without the indentation. The page has the same command.
const RULE_FILE: &str = "sed '1,/^spec:/d; s/^  //' manifests/components/alerts/prometheusrule.yaml";

/// Grafana divides the width of a dashboard so.
const COLUMNS: u64 = 24;

/// What a trial does.
type Test = fn() -> Result<()>;

pub fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 5] = [
        ("promtool: the alerts are valid, and come when they should", alerts),
        ("monitoring: the page has the command that makes a rule file", documented),
        ("monitoring: the panels of the dashboard have ids and places of their own", panels),
        ("promtool: what both endpoints serve is clean", scrape::clean),
        ("prometheus: a real server has every series of the alerts and the dashboard", scrape::series),
    ];
    let trial =
        |(name, test): (&str, Test)| Trial::test(name, move || test().map_err(|error| format!("{error:#}").into()));
    // No test: it makes the picture of docs/observability.md.
    let picture: Option<(&str, Test)> =
        env::var_os(rollout::FILE).map(|_| ("dashboard: a picture", rollout::picture as Test));
    tests.into_iter().chain(picture).map(trial).collect()
}

/// The alerts as a rule file.
fn rule_file() -> Result<String> {
    let output = Command::new("sh").args(["-c", RULE_FILE]).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

fn alerts() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let rules = folder.path().join("rules.yaml");
    fs::write(&rules, rule_file()?)?;
    let tests = folder.path().join("tests.yaml");
    fs::copy("tests/manifests/alerts.yaml", &tests)?;
    promtool(&["check", "rules", "--lint=all", "--lint-fatal"], Some(&rules), "")?;
    promtool(&["test", "rules"], Some(&tests), "")
}

fn documented() -> Result<()> {
    let page = fs::read_to_string("docs/observability.md")?;
    ensure!(page.contains(RULE_FILE), "docs/observability.md has no {RULE_FILE:?}");
    Ok(())
}

/// Two panels with one id, or in one place, are a slip of copying: Grafana shows one of them, or moves them.
fn panels() -> Result<()> {
    let panels = expressions::panels()?;
    for (number, panel) in panels.iter().enumerate() {
        for other in &panels[..number] {
            let is_apart = panel.id != other.id && !panel.overlaps(other);
            ensure!(is_apart, "{panel:?} has the id or the place of {other:?}");
        }
        ensure!(panel.x + panel.w <= COLUMNS, "{panel:?} does not fit into the {COLUMNS} columns of a dashboard");
    }
    Ok(())
}

/// Runs promtool, with this on its stdin; what it prints is the error.
fn promtool(arguments: &[&str], file: Option<&Path>, input: &str) -> Result<()> {
    let stdin = tempfile::tempfile()?;
    std::io::Write::write_all(&mut &stdin, input.as_bytes())?;
    std::io::Seek::rewind(&mut &stdin)?;
    let mut command = Command::new(artifacts::tool("promtool"));
    let output = command.args(arguments).args(file).stdin(Stdio::from(stdin)).output()?;
    let printed = [output.stdout, output.stderr].map(|stream| String::from_utf8_lossy(&stream).into_owned());
    ensure!(output.status.success(), "promtool {arguments:?}: {}", printed.concat());
    Ok(())
}
