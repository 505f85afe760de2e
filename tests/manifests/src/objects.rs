//! The objects of a rendering.

use k8s_openapi::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Objects, each as it is written.
pub struct Objects(Vec<Value>);

impl Objects {
    /// Reads YAML documents.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_multiple(text).map(Self).map_err(|error| error.to_string())
    }

    /// All objects of one kind, typed.
    pub fn all<T: Resource + DeserializeOwned>(&self) -> Result<Vec<T>, String> {
        let found = self.0.iter().filter(|object| object["apiVersion"] == T::API_VERSION && object["kind"] == T::KIND);
        found
            .map(|object| serde_json::from_value(object.clone()).map_err(|error| format!("{}: {error}", name(object))))
            .collect()
    }

    /// Every object, as it is written.
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    /// Every object as text, in an order that does not depend on the kustomization's.
    pub fn sorted(&self) -> Vec<String> {
        let mut all: Vec<_> = self.0.iter().map(Value::to_string).collect();
        all.sort();
        all
    }
}

/// `Deployment httpserver`.
pub fn name(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}
