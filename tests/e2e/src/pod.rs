//! Pods of their own, which no Deployment owns.

use std::fmt;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::testbed::{self, Testbed, find, text};

/// A pod to apply. It has the security settings that the namespace asks for, if a test does not replace them.
#[derive(Clone)]
pub struct Pod {
    /// Its name.
    pub name: String,
    object: Value,
}

impl Pod {
    /// A pod with a component, under its RuntimeClass; it listens on port 8080.
    pub fn for_component(name: &str, image: &str) -> Self {
        let health = json!({"httpGet": {"path": "/.well-known/spin/health", "port": 8080}, "periodSeconds": 1});
        Self::for_program(name, image, &["/"])
            .with("/spec/runtimeClassName", json!("wasmtime-spin"))
            .with("/spec/containers/0/readinessProbe", health)
            .env("SPIN_HTTP_LISTEN_ADDR", "0.0.0.0:8080")
    }

    /// A pod with an ordinary Linux program.
    pub fn for_program(name: &str, image: &str, command: &[&str]) -> Self {
        let object = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": testbed::NAMESPACE, "labels": {"of": "tests"}},
            "spec": {
                "restartPolicy": "Never",
                // Nothing here needs time to end.
                "terminationGracePeriodSeconds": 2,
                "automountServiceAccountToken": false,
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [container(name, image, command)],
            }
        });
        Self { name: name.to_owned(), object }
    }

    /// Sets the value at a JSON pointer (RFC 6901), where `-` appends to a list. Objects and lists on the way to it are made.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let mut place = &mut self.object;
        for key in pointer.split('/').skip(1) {
            place = match place {
                Value::Array(list) => {
                    let index = key.parse().unwrap_or(list.len());
                    list.resize(list.len().max(index + 1), Value::Null);
                    &mut list[index]
                }
                object => &mut object[key],
            };
        }
        *place = value;
        self
    }

    /// Sets an environment variable of the first container.
    pub fn env(self, name: &str, value: &str) -> Self {
        let mut variables = self.spec()["containers"][0]["env"].as_array().cloned().unwrap_or_default();
        variables.retain(|variable| variable["name"] != name);
        variables.push(json!({"name": name, "value": value}));
        self.with("/spec/containers/0/env", json!(variables))
    }

    /// Assigns it to a node.
    pub fn on(self, node: &str) -> Self {
        self.with("/spec/nodeName", json!(node))
    }

    /// Its object.
    pub fn into_object(self) -> Value {
        self.object
    }

    /// Its `spec`, for a template.
    pub fn spec(&self) -> Value {
        self.object["spec"].clone()
    }

    /// Applies it, waits until it is ready, calls `act` with its object of the API server, and deletes it.
    pub fn while_ready<T>(&self, testbed: &Testbed, act: impl FnOnce(&Value) -> Result<T>) -> Result<T> {
        testbed.cluster.apply(&self.to_string())?;
        let outcome = (|| {
            testbed.kubectl(&["wait", &format!("pod/{}", self.name), "--for=condition=Ready", "--timeout=60s"])?;
            act(&self.state(testbed)?)
        })();
        self.delete(testbed)?;
        outcome
    }

    /// Applies it, waits until its first container has ended, and deletes it. Returns the container's `terminated` state, and its log.
    pub fn until_ended(&self, testbed: &Testbed) -> Result<(Value, String)> {
        testbed.cluster.apply(&self.to_string())?;
        let outcome = self.ended(testbed, 0);
        self.delete(testbed)?;
        outcome
    }

    /// Waits until the container of that number has ended. Returns its `terminated` state, and its log.
    pub fn ended(&self, testbed: &Testbed, container: usize) -> Result<(Value, String)> {
        let end = find(&format!("a container of pod {} has ended", self.name), || {
            let status = &self.state(testbed)?["status"]["containerStatuses"][container];
            Ok(Some(status["state"]["terminated"].clone()).filter(|end| !end.is_null()))
        })?;
        let name = text(&self.object, &format!("/spec/containers/{container}/name"))?;
        Ok((end, testbed.kubectl(&["logs", &self.name, "--container", name])?))
    }

    /// Waits until the message of an event about it contains this text, and returns the message.
    pub fn event(&self, testbed: &Testbed, expected: &str) -> Result<String> {
        testbed::event(testbed, &format!("involvedObject.name={}", self.name), expected)
    }

    /// Its object of the API server.
    pub fn state(&self, testbed: &Testbed) -> Result<Value> {
        testbed.get(&["pod", &self.name])
    }

    /// Deletes it, if it is there. Does not wait.
    pub fn delete(&self, testbed: &Testbed) -> Result<()> {
        testbed.kubectl(&["delete", "pod", &self.name, "--ignore-not-found", "--wait=false"]).map(drop)
    }
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}

/// A container with as few rights as a container can have.
pub fn container(name: &str, image: &str, command: &[&str]) -> Value {
    json!({
        "name": name,
        "image": image,
        "command": command,
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]}
        }
    })
}

/// Sends `GET path` to the pod's own address and port 8080, and returns the status.
pub fn get_status(testbed: &Testbed, state: &Value, path: &str) -> Result<u16> {
    let ip = text(state, "/status/podIP")?.parse().context("a pod's address")?;
    Ok(testbed.send(ip, 8080, testbed::HOSTNAME, path, "")?.status)
}
