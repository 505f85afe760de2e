//! The PromQL in the alerts and in the dashboard, and what it selects.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::{ALERTS, DASHBOARD};

/// One panel of the dashboard.
#[derive(Debug)]
pub struct Panel {
    /// Its number.
    pub id: u64,
    /// Its title.
    pub title: String,
    /// Its unit, by Grafana's name.
    pub unit: String,
    /// What it shows: each expression, with the pattern of the names of its lines.
    pub targets: Vec<(String, String)>,
    /// Its place, in columns and rows.
    pub x: u64,
    y: u64,
    /// Its width, columns.
    pub w: u64,
    h: u64,
}

impl Panel {
    /// Whether some place belongs to both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let apart = |a: u64, length: u64, b: u64, other: u64| a + length <= b || b + other <= a;
        !apart(self.x, self.w, other.x, other.w) && !apart(self.y, self.h, other.y, other.h)
    }
}

/// The dashboard's panels in their order, those that only head a row among them.
pub fn panels() -> Result<Vec<Panel>> {
    let text = fs::read_to_string(DASHBOARD)?;
    let dashboard: Value = serde_json::from_str(&text)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let panel = |panel: &Value| {
        let place = |name: &str| panel["gridPos"][name].as_u64().with_context(|| format!("{panel} has no {name}"));
        let targets = panel["targets"].as_array().into_iter().flatten();
        Ok(Panel {
            id: panel["id"].as_u64().with_context(|| format!("{panel} has no id"))?,
            title: text(&panel["title"]),
            unit: text(&panel["fieldConfig"]["defaults"]["unit"]),
            targets: targets.map(|target| (text(&target["expr"]), text(&target["legendFormat"]))).collect(),
            x: place("x")?,
            y: place("y")?,
            w: place("w")?,
            h: place("h")?,
        })
    };
    dashboard["panels"].as_array().into_iter().flatten().map(panel).collect()
}

/// The expressions of the dashboard, with values in the place of Grafana's variables.
pub fn of_dashboard(namespace: &str, interval: &str) -> Result<Vec<String>> {
    let fill = |text: &str| text.replace("$namespace", namespace).replace("$__rate_interval", interval);
    Ok(panels()?.iter().flat_map(|panel| &panel.targets).map(|(expression, _)| fill(expression)).collect())
}

/// The expressions of the alerts.
pub fn of_alerts() -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Object {
        spec: Spec,
    }
    #[derive(Deserialize)]
    struct Spec {
        groups: Vec<Group>,
    }
    #[derive(Deserialize)]
    struct Group {
        rules: Vec<Rule>,
    }
    #[derive(Deserialize)]
    struct Rule {
        expr: String,
    }
    let text = fs::read_to_string(ALERTS)?;
    let object: Object = serde_saphyr::from_str(&text)?;
    Ok(object.spec.groups.into_iter().flat_map(|group| group.rules).map(|rule| rule.expr).collect())
}

/// A part of an expression: which series, and which of their labels it is grouped by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selected {
    /// The selector, as PromQL.
    pub selector: String,
    /// Labels of these series.
    pub labels: BTreeSet<String>,
}

/// What an expression selects: `tree` is what Prometheus's `/api/v1/parse_query` makes of it.
pub fn selected(tree: &Value, labels: &BTreeSet<String>, found: &mut Vec<Selected>) {
    let mut labels = labels.clone();
    if tree["type"] == "aggregation" {
        labels.extend(tree["grouping"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    }
    if let Some(matchers) = tree["matchers"].as_array() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let matcher = |one: &Value| format!("{}{}{:?}", text(&one["name"]), text(&one["type"]), text(&one["value"]));
        let matchers: Vec<_> = matchers.iter().map(matcher).collect();
        found.push(Selected { selector: format!("{{{}}}", matchers.join(",")), labels });
        return;
    }
    let parts = tree.as_object().into_iter().flatten().map(|(_, part)| part);
    for part in parts.chain(tree.as_array().into_iter().flatten()) {
        selected(part, &labels, found);
    }
}
