//! Values that the chart refuses, each with what it says.

use libtest_mimic::{Failed, Trial};

/// Values as YAML, and a part of the message.
const REFUSED: [(&str, &str); 46] = [
    ("image: {tags: v2}", "at '/image': additional properties 'tags' not allowed"),
    ("replicaCount: 2", "at '': additional properties 'replicaCount' not allowed"),
    ("metrics: null", "at '': missing property 'metrics'"),
    ("image: {tag: latest}", "invalid image.tag \"latest\": expected a tag whose image stays the same, such as v1"),
    ("image: {tag: v 2}", "at '/image/tag': 'v 2' does not match pattern"),
    ("image: {digest: sha256:12}", "at '/image/digest': 'sha256:12' does not match pattern"),
    (
        "image: {repository: \"https://example.com/a\"}",
        "at '/image/repository': 'https://example.com/a' does not match pattern",
    ),
    ("image: {repository: \"example.com/a:v2\"}", "at '/image/repository': 'example.com/a:v2' does not match pattern"),
    ("imagePullSecrets: [registry]", "at '/imagePullSecrets/0': got string, want object"),
    ("variables: {log_level: info}", "at '/variables': additional properties 'log_level' not allowed"),
    ("variables: {log: warn}", "at '/variables/log': 'warn' does not match pattern"),
    ("variables: {version: null}", "at '/variables': missing property 'version'"),
    ("variables: {version: 1.10}", "at '/variables/version': got number, want string"),
    ("variables: {version: v 2}", "at '/variables/version': 'v 2' does not match pattern"),
    ("variables: {trusted_hops: 17}", "at '/variables/trusted_hops': maximum: got 17, want 16"),
    ("variables: {hello_max_delay_ms: 10001}", "at '/variables/hello_max_delay_ms': maximum: got 10,001, want 10,000"),
    ("variables: {hello_max_delay_ms: 1.5}", "at '/variables/hello_max_delay_ms': got number, want integer"),
    ("variables: {metrics: true}", "at '/variables/metrics': value must be one of 'on', 'off'"),
    ("environment: {LOG_LEVEL: warn}", "at '/environment': additional properties 'LOG_LEVEL' not allowed"),
    (
        "environment: {SPIN_VARIABLE_METRICS: \"off\"}",
        "at '/environment': additional properties 'SPIN_VARIABLE_METRICS' not allowed",
    ),
    (
        "environment: {HTTPSERVER_DRAIN_TIMEOUT: \"5\"}",
        "at '/environment': additional properties 'HTTPSERVER_DRAIN_TIMEOUT' not allowed",
    ),
    ("environment: {SPIN_MAX_INSTANCE_COUNT: 5}", "at '/environment/SPIN_MAX_INSTANCE_COUNT': got number, want string"),
    (
        "labels: {app.kubernetes.io/name: web}",
        "invalid name \"app.kubernetes.io/name\" in labels: expected one that the chart does not set",
    ),
    (
        "podLabels: {helm.sh/chart: web}",
        "invalid name \"helm.sh/chart\" in podLabels: expected one that the chart does not set",
    ),
    ("podLabels: {team: a b}", "at '/podLabels/team': 'a b' does not match pattern"),
    ("annotations: {a: 1}", "at '/annotations/a': got number, want string"),
    ("fullnameOverride: Web", "at '/fullnameOverride': 'Web' does not match pattern"),
    ("runtimeClassName: \"\"", "at '/runtimeClassName': '' does not match pattern"),
    ("tolerations: [{effect: Never}]", "at '/tolerations/0/effect': value must be one of 'NoSchedule'"),
    ("affinity: {podAffinities: {}}", "at '/affinity': additional properties 'podAffinities' not allowed"),
    (
        "topologySpreadConstraints: [{topologyKey: zone}]",
        "at '/topologySpreadConstraints/0': missing properties 'maxSkew', 'whenUnsatisfiable'",
    ),
    ("resources: {limits: {memory: 256 MB}}", "at '/resources/limits/memory': '256 MB' does not match pattern"),
    ("replicas: -1", "at '/replicas': minimum: got -1, want 0"),
    ("autoscaling: {minReplicas: 0}", "at '/autoscaling/minReplicas': minimum: got 0, want 1"),
    (
        "autoscaling: {minReplicas: 11}",
        "invalid autoscaling.minReplicas 11: expected at most autoscaling.maxReplicas, which is 10",
    ),
    (
        "autoscaling: {behavior: {scaleDowns: {}}}",
        "at '/autoscaling/behavior': additional properties 'scaleDowns' not allowed",
    ),
    ("podDisruptionBudget: {maxUnavailable: 0}", "at '/podDisruptionBudget/maxUnavailable': minimum: got 0, want 1"),
    ("ingress: {hosts: []}", "at '/ingress/hosts': minItems: got 0, want 1"),
    (
        "ingress: {hosts: [\"https://a.example.com\"]}",
        "at '/ingress/hosts/0': 'https://a.example.com' does not match pattern",
    ),
    ("ingress: {https: {secret: a}}", "at '/ingress/https': additional properties 'secret' not allowed"),
    ("httpRoute: {enabled: true}", "at '/httpRoute/parentRefs': minItems: got 0, want 1"),
    ("httpRoute: {timeout: 15}", "at '/httpRoute/timeout': got number, want string"),
    ("networkPolicy: {clients: [{}]}", "at '/networkPolicy/clients/0': minProperties: got 0, want 1"),
    ("networkPolicy: {prometheus: []}", "at '/networkPolicy/prometheus': minItems: got 0, want 1"),
    ("networkPolicy: {egress: [{ports: [{port: 443}]}]}", "at '/networkPolicy/egress/0': missing property 'to'"),
    (
        "{metrics: {enabled: false}, podMonitor: {enabled: true}}",
        "invalid podMonitor.enabled true: expected metrics.enabled true, too",
    ),
];

pub fn trials() -> Vec<Trial> {
    let trial = |(values, message): (&'static str, &'static str)| {
        Trial::test(format!("helm: refused: {values}"), move || is_refused(values, message))
    };
    REFUSED.into_iter().map(trial).collect()
}

fn is_refused(values: &str, message: &str) -> Result<(), Failed> {
    match super::render_with(values) {
        Ok(_) => Err("the chart takes it".into()),
        Err(said) if said.contains(message) => Ok(()),
        Err(said) => Err(format!("expected {message:?} in what Helm says: {said}").into()),
    }
}
