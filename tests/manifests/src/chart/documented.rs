//! The table of values in the chart's README.

use std::collections::BTreeMap;
use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::{CHART, values};

pub fn trials() -> Vec<Trial> {
    vec![Trial::test("helm: the README has each value with its default", table)]
}

/// Each row has a name in the first column, and the default in the second.
fn table() -> Result<(), Failed> {
    let text = fs::read_to_string(format!("{CHART}/README.md"))?;
    let (_, table) = text.split_once("\n| value | default |").ok_or("README.md has no table of values")?;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    // A `|` within a cell has a `\` before it.
    let cell = |text: Option<&str>| text.unwrap_or_default().replace('`', "").replace(r"\|", "|");
    let row = |line: &str| {
        let mut cells = line.trim_start_matches("| ").split(" | ");
        (cell(cells.next()), cell(cells.next()))
    };
    let told: BTreeMap<_, _> = rows.map(row).collect();
    let expected: BTreeMap<_, _> =
        values::leaves()?.iter().map(|(name, value)| (name.clone(), default(value))).collect();
    let missing = expected.iter().filter(|row| told.get(row.0) != Some(row.1)).map(|row| format!("expected {row:?}"));
    let wrong = told.iter().filter(|row| expected.get(row.0) != Some(row.1)).map(|row| format!("found {row:?}"));
    let faults: Vec<_> = missing.chain(wrong).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

/// As the table has it: text without quotes; what takes more than a word stands in the file.
fn default(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "empty".into(),
        Value::String(text) => text.clone(),
        Value::Object(fields) if !fields.is_empty() => "values.yaml".into(),
        Value::Array(items) if items.iter().any(Value::is_object) => "values.yaml".into(),
        other => other.to_string().replace('"', ""),
    }
}
