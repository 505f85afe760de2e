//! The chart and the manifests are one product: for each set of values the chart has the objects of its counterpart.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::objects::{self, Objects};
use crate::rendering;

/// Values, and what kustomize makes the same objects of.
pub struct Equal {
    /// Files in `charts/httpserver/ci`.
    pub values: &'static [&'static str],
    counterpart: Counterpart,
}

enum Counterpart {
    Overlay(&'static str),
    /// The base with these components.
    Components(&'static [&'static str]),
}

use Counterpart::{Components, Overlay};

pub const EQUAL: [Equal; 6] = [
    Equal { values: &[], counterpart: Overlay("production") },
    Equal { values: &["base"], counterpart: Components(&[]) },
    Equal { values: &["base", "local"], counterpart: Overlay("local") },
    Equal { values: &["base", "gateway"], counterpart: Components(&["gateway"]) },
    Equal { values: &["base", "podmonitor"], counterpart: Components(&["metrics", "podmonitor"]) },
    Equal { values: &["base", "telemetry"], counterpart: Components(&["telemetry"]) },
];

/// What a chart cannot have of its own: Helm keeps its records of a release in the namespace, so the namespace is there before;
/// and a Gateway is for many applications, so a chart names one.
pub const OF_THE_CLUSTER: [&str; 2] = ["Namespace", "Gateway"];

/// Labels that each of the two sets by itself: who manages the object, and by Helm's custom which chart it is of.
const OF_THE_TOOL: [&str; 2] = ["app.kubernetes.io/managed-by", "helm.sh/chart"];

/// By this annotation Helm lets an old ConfigMap be. `kubectl apply` does so without one.
pub const KEEP: &str = "helm.sh/resource-policy";

/// A defect that is put into the chart's rendering: a text of it and what replaces it, and the difference that this makes.
const DEFECTS: [(&str, &str, &str); 5] = [
    (
        "minReadySeconds: 3\n",
        "minReadySeconds: 4\n",
        "Deployment httpserver: /spec/minReadySeconds is 4 in the chart, 3 in",
    ),
    ("  minReadySeconds: 3\n", "", "Deployment httpserver: /spec/minReadySeconds is nothing in the chart, 3 in"),
    (
        "runAsNonRoot: true",
        "runAsNonRoot: true\n        supplementalGroups: [0]",
        "supplementalGroups is [0] in the chart, nothing in",
    ),
    ("kind: PodDisruptionBudget", "kind: PodDisruptionBudgets", "PodDisruptionBudget httpserver is not in the chart"),
    (
        "SPIN_VARIABLE_METRICS: \"on\"",
        "SPIN_VARIABLE_METRICS: \"off\"",
        "/data/SPIN_VARIABLE_METRICS is \"off\" in the chart",
    ),
];

fn is_of_the_cluster(object: &Value) -> bool {
    OF_THE_CLUSTER.iter().any(|kind| object["kind"] == *kind)
}

pub fn trials() -> Vec<Trial> {
    let equal = EQUAL.iter().map(|equal| {
        let name = format!("helm: {} has the objects of {}", super::name(equal.values), equal.counterpart.name());
        Trial::test(name, || {
            let chart = super::render(&super::files(equal.values))?;
            compare(&chart, &equal.counterpart.render()?).map_err(Failed::from)
        })
    });
    equal.chain([Trial::test("helm: a difference from the manifests is found", defects)]).collect()
}

impl Counterpart {
    fn name(&self) -> String {
        match self {
            Overlay(name) => format!("overlays/{name}"),
            Components(names) => format!("the base {}", names.join(" ")).trim_end().to_owned(),
        }
    }

    fn render(&self) -> Result<String, String> {
        match self {
            Overlay(name) => rendering::build(&Path::new("manifests/overlays").join(name)),
            Components(names) => rendering::components(names).text,
        }
    }
}

fn defects() -> Result<(), Failed> {
    let (chart, manifests) = (super::render(&[])?, EQUAL[0].counterpart.render()?);
    for (there, instead, expected) in DEFECTS {
        let found = chart.matches(there).count();
        if found != 1 {
            return Err(format!("stands {found} times in the rendering, expected once: {there:?}").into());
        }
        match compare(&chart.replace(there, instead), &manifests) {
            Err(message) if message.contains(expected) => {}
            other => return Err(format!("expected {expected:?}, got {other:?}").into()),
        }
    }
    Ok(())
}

/// All differences in one message.
fn compare(chart: &str, manifests: &str) -> Result<(), String> {
    let [chart, manifests] = [comparable(chart)?, comparable(manifests)?];
    let mut differences = Vec::new();
    for object in &manifests {
        let name = objects::name(object);
        match chart.iter().find(|other| objects::name(other) == name) {
            Some(other) => compare_values(&mut differences, &name, "", other, object),
            None => differences.push(format!("{name} is not in the chart")),
        }
    }
    for name in chart.iter().map(objects::name) {
        if !manifests.iter().any(|other| objects::name(other) == name) {
            differences.push(format!("{name} is only in the chart"));
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}

/// The objects without what may differ.
fn comparable(rendered: &str) -> Result<Vec<Value>, String> {
    let mut rendered = rendered.to_owned();
    // The hash in the name is of the content, and each of the two has its own way to make it. The content is compared.
    for map in Objects::parse(&rendered)?.environments()? {
        rendered = rendered.replace(&map.metadata.name.unwrap_or_default(), "httpserver-HASH");
    }
    let objects = Objects::parse(&rendered)?;
    let ours = objects.values().iter().filter(|object| !is_of_the_cluster(object)).cloned();
    Ok(ours.map(without_the_tool).collect())
}

fn without_the_tool(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let is_of_tool = |name: &String| OF_THE_TOOL.contains(&name.as_str()) || name == KEEP;
            let rest = fields.into_iter().filter(|(name, _)| !is_of_tool(name));
            let rest = rest.map(|(name, value)| (name.clone(), ordered(&name, without_the_tool(value))));
            // What had only such annotations has none.
            rest.filter(|(name, value)| name != "annotations" || *value != Value::Object(Default::default())).collect()
        }
        Value::Array(items) => items.into_iter().map(without_the_tool).collect(),
        other => other,
    }
}

/// The order of a container's variables matters only where one has another's `$(NAME)`, which our rules check.
fn ordered(name: &str, mut value: Value) -> Value {
    if let ("env", Value::Array(variables)) = (name, &mut value) {
        variables.sort_by_key(|variable| variable["name"].to_string());
    }
    value
}

fn compare_values(differences: &mut Vec<String>, name: &str, path: &str, chart: &Value, manifests: &Value) {
    match (chart, manifests) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let mut keys: Vec<_> = ours.keys().chain(theirs.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                compare_values(differences, name, &format!("{path}/{key}"), &chart[key], &manifests[key]);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compare_values(differences, name, &format!("{path}/{number}"), ours, theirs);
            }
        }
        _ if chart == manifests => {}
        _ => {
            let [chart, manifests] =
                [chart, manifests].map(|value| if value.is_null() { "nothing".to_owned() } else { value.to_string() });
            differences.push(format!("{name}: {path} is {chart} in the chart, {manifests} in the manifests"));
        }
    }
}
