//! The objects of a rendering.

use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
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

    /// The ConfigMaps that become the environment of a container.
    pub fn environments(&self) -> Result<Vec<ConfigMap>, String> {
        let pods = self.all::<Deployment>()?.into_iter().filter_map(|deployment| deployment.spec.template.spec);
        let sources = pods.flat_map(|pod| pod.containers).flat_map(|container| container.env_from.unwrap_or_default());
        let names: Vec<_> = sources.filter_map(|source| source.config_map_ref).map(|map| map.name).collect();
        let is_named = |map: &ConfigMap| map.metadata.name.as_ref().is_some_and(|name| names.contains(name));
        Ok(self.all::<ConfigMap>()?.into_iter().filter(is_named).collect())
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
