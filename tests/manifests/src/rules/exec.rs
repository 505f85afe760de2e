//! No command in a container: a component has no programs, and no shim an exec.

use serde_json::Value;

use super::Faults;
use crate::objects::{Objects, name};

pub fn check(objects: &Objects) -> Faults {
    let mut faults = Vec::new();
    for object in objects.values() {
        // The policy that refuses them has to name them.
        if object["kind"] != "ValidatingAdmissionPolicy" && has_exec(object) {
            faults.push(format!("{} has an exec probe or hook; use httpGet, tcpSocket, grpc or sleep", name(object)));
        }
    }
    Ok(faults)
}

fn has_exec(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| key == "exec" || has_exec(value)),
        Value::Array(items) => items.iter().any(has_exec),
        _ => false,
    }
}
