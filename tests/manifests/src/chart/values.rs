//! The values: the schema knows each, each has an effect, and the variables are those of `spin.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use k8s_openapi::api::apps::v1::Deployment;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use test_support::variables;

use super::CHART;
use super::equality::KEEP;
use crate::objects::Objects;

/// Helm gives it to every chart that another contains; this one reads nothing of it.
const OF_HELM: &str = "global";

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("helm: the schema has the values of values.yaml and no other", schema),
        Trial::test("helm: each value has an effect", each_has_an_effect),
        Trial::test("helm: the variables are those of spin.toml", variables),
        Trial::test("helm: a changed variable gives the ConfigMap another name, and rolls the pods", rolls),
    ]
}

/// Path and value of each leaf of `values.yaml`: what the schema does not take apart further.
pub fn leaves() -> Result<BTreeMap<String, Value>, String> {
    let mut leaves = BTreeMap::new();
    collect(&mut leaves, "", &read("values.yaml")?, &read("values.schema.json")?);
    Ok(leaves)
}

fn collect(leaves: &mut BTreeMap<String, Value>, path: &str, value: &Value, schema: &Value) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let schema = &schema["properties"][name];
        if is_branch(value, schema) {
            collect(leaves, &path, value, schema);
        } else {
            leaves.insert(path, value.clone());
        }
    }
}

fn is_branch(value: &Value, schema: &Value) -> bool {
    schema["properties"].is_object() && value.as_object().is_some_and(|fields| !fields.is_empty())
}

/// A file of the chart; JSON is YAML.
fn read(file: &str) -> Result<Value, String> {
    let text = fs::read_to_string(format!("{CHART}/{file}")).map_err(|error| format!("{file}: {error}"))?;
    serde_saphyr::from_str(&text).map_err(|error| format!("{file}: {error}"))
}

fn schema() -> Result<(), Failed> {
    let mut faults = Vec::new();
    same_names(&mut faults, "", &read("values.yaml")?, &read("values.schema.json")?);
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

fn same_names(faults: &mut Vec<String>, path: &str, value: &Value, schema: &Value) {
    let names = |value: &Value| -> BTreeSet<_> {
        value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    let (there, mut known) = (names(value), names(&schema["properties"]));
    known.remove(OF_HELM);
    if there != known {
        faults.push(format!("{path}/: values.yaml has {there:?}, the schema {known:?}"));
    }
    if schema["additionalProperties"] != json!(false) {
        faults.push(format!("{path}/: the schema takes unknown names"));
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        if is_branch(value, &schema["properties"][name]) {
            same_names(faults, &format!("{path}/{name}"), value, &schema["properties"][name]);
        }
    }
}

/// With the value of `everything.yaml`, or a switch the other way, the chart gives something else, with that value in it: with the
/// defaults, with those of the base, or with everything. Some of them may have turned off what the value is for, or refuse it. The
/// chart may also refuse the default: an HTTPRoute needs a Gateway.
fn each_has_an_effect() -> Result<(), Failed> {
    let everything = read("ci/everything.yaml")?;
    let contexts = [Vec::new(), super::files(&["base"]), super::files(&["everything"])];
    for (path, default) in leaves()? {
        let pointer = format!("/{}", path.replace('.', "/"));
        let other = everything.pointer(&pointer).filter(|value| **value != default).cloned();
        let other = match (&default, other) {
            (Value::Bool(default), _) => json!(!default),
            (_, Some(other)) => other,
            // Our rules want the default in each rendering.
            (Value::String(default), None) if path == "runtimeClassName" => json!(format!("{default}-v2")),
            (_, None) => return Err(format!("ci/everything.yaml has no other {path} than values.yaml").into()),
        };
        let set = |value: &Value| vec![format!("--set-json={path}={value}")];
        let differs = |context: &Vec<String>| {
            let with = |value| super::render(&[context.clone(), set(value)].concat());
            with(&other).is_ok_and(|rendered| {
                scalars(&other).iter().all(|text| rendered.contains(text)) && with(&default).as_ref() != Ok(&rendered)
            })
        };
        if !contexts.iter().any(differs) {
            return Err(format!("{path}: {other} changes nothing, or does not arrive").into());
        }
    }
    Ok(())
}

/// The texts and numbers in a value.
fn scalars(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(items) => items.iter().flat_map(scalars).collect(),
        Value::Object(fields) => fields.values().flat_map(scalars).collect(),
        Value::Bool(_) | Value::Null => Vec::new(),
    }
}

fn variables() -> Result<(), Failed> {
    let objects = Objects::parse(&super::render(&[])?)?;
    let of_map = objects.environments()?.into_iter().filter_map(|map| map.data).flatten().map(|(name, _)| name);
    let pods = objects.all::<Deployment>()?.into_iter().filter_map(|deployment| deployment.spec.template.spec);
    let of_pods = pods.flat_map(|pod| pod.containers).flat_map(|container| container.env.unwrap_or_default());
    let of_pods = of_pods.map(|variable| variable.name);
    let set: BTreeSet<_> = of_map.chain(of_pods).filter(|name| name.starts_with("SPIN_VARIABLE_")).collect();
    let declared: BTreeSet<_> = variables::for_operators().keys().map(|name| variables::in_environment(name)).collect();
    let [missing, unknown]: [Vec<_>; 2] = [declared.difference(&set).collect(), set.difference(&declared).collect()];
    if missing.is_empty() && unknown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the variables of the chart are not those of spin.toml: missing {missing:?}, unknown {unknown:?}; change `variables` in \
         {CHART}/values.yaml and {CHART}/values.schema.json, or for the Downward API {CHART}/templates/deployment.yaml"
    )
    .into())
}

/// The old one stays: pods of the old revision that start meanwhile read it.
fn rolls() -> Result<(), Failed> {
    let name = |hops: &str| -> Result<String, String> {
        let rendered = super::render(&[format!("--set=variables.trusted_hops={hops}")])?;
        let metadata = Objects::parse(&rendered)?.environments()?.pop().ok_or("the pods have no ConfigMap")?.metadata;
        match metadata.annotations.unwrap_or_default().get(KEEP) {
            Some(policy) if policy == "keep" => Ok(metadata.name.unwrap_or_default()),
            other => Err(format!("the ConfigMap's {KEEP} is {other:?}, expected \"keep\"")),
        }
    };
    let [one, same, other] = [name("1")?, name("1")?, name("2")?];
    if one == other || one != same {
        return Err(format!("the ConfigMap is {one:?} and {same:?} with one content, {other:?} with another").into());
    }
    Ok(())
}
