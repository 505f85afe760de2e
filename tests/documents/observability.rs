//! What docs/observability.md says about metrics and alerts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use regex::Regex;
use test_support::{Connection, Scraped, artifacts};

use crate::document::Document;

const PAGE: &str = "docs/observability.md";

/// The names and types in the rows below that heading; a row may have several names.
fn told(below: &str) -> BTreeMap<String, String> {
    let pair = |row: Vec<String>| {
        let names: Vec<_> = row[0].split(", ").map(str::to_owned).collect();
        names.into_iter().map(move |name| (name, row[1].clone()))
    };
    // What something else has to turn on is not served here.
    let is_always_there = |row: &Vec<String>| !row.last().is_some_and(|meaning| meaning.contains("; only with "));
    Document::read(PAGE).table(below).into_iter().filter(is_always_there).flat_map(pair).collect()
}

#[test]
fn the_page_has_what_both_endpoints_serve() {
    let scraped = Scraped::start("v1");
    let [application, metrics] = scraped.endpoints();
    let family = Regex::new(r"(?m)^# TYPE (\S+) (\S+)$").expect("a valid pattern");
    for (endpoint, heading) in [(application, "The component's figures"), (metrics, "The runtime's figures")] {
        let text = Connection::open(endpoint).get("/metrics").text().to_owned();
        let served: BTreeMap<_, _> =
            family.captures_iter(&text).map(|found| (found[1].to_owned(), found[2].to_owned())).collect();
        assert_eq!(told(heading), served, "{heading}");
    }
}

#[test]
fn the_pages_scrape_configuration_is_valid() {
    let blocks = Document::read(PAGE).blocks("yaml");
    let [configuration] = &blocks[..] else { panic!("one configuration, not {}", blocks.len()) };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("prometheus.yml");
    fs::write(&file, configuration).expect("a temporary folder takes files");
    let output = Command::new(artifacts::tool("promtool")).args(["check", "config"]).arg(&file).output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_page_has_the_alerts_and_each_alert_has_a_test() {
    let rules = fs::read_to_string("manifests/components/alerts/prometheusrule.yaml").expect("the alerts");
    let alert = Regex::new(r"- alert: (\w+)").expect("a valid pattern");
    let alerts: BTreeSet<_> = alert.captures_iter(&rules).map(|found| found[1].to_owned()).collect();
    let page: BTreeSet<_> = told("Alerts").into_keys().collect();
    assert_eq!(page, alerts);
    let tests = fs::read_to_string("tests/manifests/alerts.yaml").expect("their tests");
    for alert in alerts {
        assert!(tests.contains(&alert), "tests/manifests/alerts.yaml has no test of {alert}");
    }
}
