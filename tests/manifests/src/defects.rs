//! Defects that are put into a rendering, one at a time: the check that is there for it refuses each.

use std::path::Path;

use libtest_mimic::{Failed, Trial};

use crate::{Check, readiness, rendering, rules, tools};

struct Defect {
    /// What is wrong.
    name: &'static str,
    /// An overlay; a component, if no overlay has it.
    overlay: &'static str,
    /// A text of the rendering, and what replaces it.
    change: [&'static str; 2],
    refused_by: Check,
    /// A part of the check's message.
    message: &'static str,
}

const DEFECTS: [Defect; 39] = [
    Defect {
        name: "`annotation:` instead of `annotations:`",
        overlay: "local",
        change: ["  annotations:\n    traefik", "  annotation:\n    traefik"],
        refused_by: tools::kubernetes_validate,
        message: "'annotation' was unexpected",
    },
    Defect {
        name: "a kind that does not exist",
        overlay: "local",
        change: ["kind: PodDisruptionBudget", "kind: PodDisruptionsBudget"],
        refused_by: tools::kubernetes_validate,
        message: "schema for kind PodDisruptionsBudget",
    },
    Defect {
        name: "the Ingress in another namespace than its Service",
        overlay: "local",
        change: [
            "  name: httpserver\n  namespace: httpserver\nspec:\n  ingressClassName",
            "  name: httpserver\n  namespace: traefik\nspec:\n  ingressClassName",
        ],
        refused_by: rules::check,
        message: "Ingress httpserver: the Service \"httpserver\" with port",
    },
    Defect {
        name: "the deprecated annotation for the ingress class",
        overlay: "local",
        change: [
            "  annotations:\n    traefik",
            "  annotations:\n    kubernetes.io/ingress.class: traefik\n    traefik",
        ],
        refused_by: rules::check,
        message: "kubernetes.io/ingress.class is deprecated; use ingressClassName",
    },
    Defect {
        name: "a drain that takes longer than the grace period",
        overlay: "production",
        change: ["          value: \"12\"\n", "          value: \"13\"\n"],
        refused_by: rules::check,
        message: "a grace period of 30 s: expected at least 31 s",
    },
    Defect {
        name: "a drain of the shim's default, which takes longer than the grace period",
        overlay: "local",
        change: ["        - name: HTTPSERVER_DRAIN_TIMEOUT\n          value: \"12\"\n", ""],
        refused_by: rules::check,
        message: "expected at least 38 s, which are preStop.sleep 15 s, HTTPSERVER_DRAIN_TIMEOUT 20 s and 3 s",
    },
    Defect {
        name: "a drain that cuts the longest request",
        overlay: "local",
        change: ["          value: \"12\"\n", "          value: \"9\"\n"],
        refused_by: rules::check,
        message: "HTTPSERVER_DRAIN_TIMEOUT 9 s: a request of 10 s would be cut",
    },
    Defect {
        name: "production's door open to every pod",
        overlay: "production",
        change: [
            concat!(
                "  - from:\n    - namespaceSelector:\n        matchExpressions:\n        - key: kubernetes.io/metadata.name\n",
                "          operator: In\n          values:\n          - kube-system\n          - traefik\n",
                "      podSelector:\n        matchLabels:\n          app.kubernetes.io/name: traefik\n    ports:"
            ),
            "  - ports:",
        ],
        refused_by: rules::closed,
        message: "the NetworkPolicy lets everybody in: expected the ingress controller, found []",
    },
    Defect {
        name: "production's door open to every address",
        overlay: "production",
        change: [
            "  - from:\n    - namespaceSelector:\n        matchExpressions:\n",
            "  - from:\n    - ipBlock:\n        cidr: 0.0.0.0/0\n    - namespaceSelector:\n        matchExpressions:\n",
        ],
        refused_by: rules::closed,
        message: "the NetworkPolicy lets everybody in",
    },
    Defect {
        name: "production's door open to every namespace",
        overlay: "production",
        change: [
            "  - from:\n    - namespaceSelector:\n        matchExpressions:\n",
            "  - from:\n    - namespaceSelector: {}\n    - namespaceSelector:\n        matchExpressions:\n",
        ],
        refused_by: rules::closed,
        message: "the NetworkPolicy lets everybody in",
    },
    Defect {
        name: "production's metrics open to every pod",
        overlay: "production",
        change: [
            concat!(
                "  - from:\n    - namespaceSelector:\n        matchLabels:\n          kubernetes.io/metadata.name: monitoring\n",
                "      podSelector:\n        matchLabels:\n          app.kubernetes.io/name: prometheus\n    ports:\n"
            ),
            "  - ports:\n",
        ],
        refused_by: rules::closed,
        message: "the NetworkPolicy lets everybody in",
    },
    Defect {
        name: "an annotation with another port than that of the metrics",
        overlay: "production",
        change: ["prometheus.io/port: \"9090\"", "prometheus.io/port: \"9091\""],
        refused_by: rules::check,
        message: "the pod's annotation prometheus.io/port is Some(\"9091\"); expected \"9090\"",
    },
    Defect {
        name: "annotations for metrics that nothing serves",
        overlay: "production",
        change: ["        - name: HTTPSERVER_METRICS_LISTEN\n          value: '[::]:9090'\n", ""],
        refused_by: rules::check,
        message: "the pod has annotations for Prometheus, but no HTTPSERVER_METRICS_LISTEN",
    },
    Defect {
        name: "metrics on another port than the container's",
        overlay: "production",
        change: ["- containerPort: 9090\n", "- containerPort: 9091\n"],
        refused_by: rules::check,
        message: "HTTPSERVER_METRICS_LISTEN has port 9090, but the container's port \"metrics\" is Some(9091)",
    },
    Defect {
        name: "a PodMonitor with a misspelled field",
        overlay: "podmonitor",
        change: ["  podTargetLabels:\n", "  podTargetLabel:\n"],
        refused_by: rules::check,
        message: "PodMonitor: unknown field `podTargetLabel`",
    },
    Defect {
        name: "a PodMonitor for a port that no pod has",
        overlay: "podmonitor",
        change: ["    port: metrics\n  - path: /metrics\n", "    port: figures\n  - path: /metrics\n"],
        refused_by: rules::check,
        message: "the PodMonitor scrapes /metrics of port \"figures\"",
    },
    Defect {
        name: "a NetworkPolicy that keeps Prometheus out of a port",
        overlay: "podmonitor",
        change: ["    - port: metrics\n    - port: http\n", "    - port: metrics\n"],
        refused_by: rules::check,
        message: "no rule of the NetworkPolicy lets Prometheus in to each port that it scrapes",
    },
    Defect {
        name: "a way out",
        overlay: "local",
        change: ["  egress: []", "  egress: [{}]"],
        refused_by: rules::check,
        message: "the NetworkPolicy lets connections out",
    },
    Defect {
        name: "a way out to everybody",
        overlay: "telemetry",
        change: [
            concat!(
                "    to:\n    - namespaceSelector:\n        matchLabels:\n          kubernetes.io/metadata.name: monitoring\n",
                "      podSelector:\n        matchLabels:\n          app.kubernetes.io/name: opentelemetry-collector\n"
            ),
            "",
        ],
        refused_by: rules::check,
        message: "the NetworkPolicy lets connections out to everybody",
    },
    Defect {
        name: "a collector on a port that the NetworkPolicy does not let out",
        overlay: "telemetry",
        change: ["http://opentelemetry-collector.monitoring:4318", "http://opentelemetry-collector.monitoring:4317"],
        refused_by: rules::check,
        message: "does not let the pods reach http://opentelemetry-collector.monitoring:4317: expected [(\"TCP\", 4317)]",
    },
    Defect {
        name: "no way to the DNS server over UDP",
        overlay: "telemetry",
        change: ["      protocol: UDP\n", "      protocol: SCTP\n"],
        refused_by: rules::check,
        message: "expected [(\"UDP\", 53)]",
    },
    Defect {
        name: "a value that refers to a variable that does not exist",
        overlay: "telemetry",
        change: ["$(SPIN_VARIABLE_POD_NAME)", "$(POD_NAME)"],
        refused_by: rules::check,
        message: "OTEL_RESOURCE_ATTRIBUTES has $(POD_NAME), which is no variable that comes before it",
    },
    Defect {
        name: "every port open",
        overlay: "local",
        change: ["  - ports:\n    - port: http\n", "  - {}\n"],
        refused_by: rules::check,
        message: "the NetworkPolicy lets connections in to any port",
    },
    Defect {
        name: "an exec hook",
        overlay: "local",
        change: [
            "            sleep:\n              seconds: 15",
            "            exec:\n              command: [killall, httpserver]",
        ],
        refused_by: rules::check,
        message: "Deployment httpserver has an exec probe or hook; use httpGet, tcpSocket, grpc or sleep",
    },
    Defect {
        name: "an exec probe",
        overlay: "production",
        change: [
            "          httpGet:\n            path: /readyz\n            port: http",
            "          exec:\n            command: [cat, /healthy]",
        ],
        refused_by: rules::check,
        message: "Deployment httpserver has an exec probe or hook",
    },
    Defect {
        name: "a key in the ConfigMap that is not a variable",
        overlay: "local",
        change: ["  SPIN_VARIABLE_LOG:", "  SPIN_VARIABLE_LOGS:"],
        refused_by: rules::check,
        message: "SPIN_VARIABLE_LOGS in the ConfigMap is not a variable of spin.toml",
    },
    Defect {
        name: "a log level that does not exist",
        overlay: "local",
        change: ["SPIN_VARIABLE_LOG: json", "SPIN_VARIABLE_LOG: json:loud"],
        refused_by: readiness::check,
        message: "/readyz answers 503",
    },
    Defect {
        name: "a variable of an earlier version",
        overlay: "local",
        change: ["SPIN_VARIABLE_LOG: json", "SPIN_VARIABLE_LOG_LEVEL: warn"],
        refused_by: readiness::check,
        message: "expected the variable log instead, such as log=json:warn",
    },
    Defect {
        name: "VERSION in the environment",
        overlay: "local",
        change: [
            "        - name: SPIN_HTTP_LISTEN_ADDR\n",
            "        - name: VERSION\n          value: v2\n        - name: SPIN_HTTP_LISTEN_ADDR\n",
        ],
        refused_by: rules::check,
        message: "VERSION in the environment is neither a variable of spin.toml nor the shim's",
    },
    Defect {
        name: "a Service that selects nothing",
        overlay: "local",
        change: [
            "  selector:\n    app.kubernetes.io/instance: httpserver\n    app.kubernetes.io/name: httpserver\n  traffic",
            "  selector:\n    app: httpserver\n  traffic",
        ],
        refused_by: rules::check,
        message: "the Service selects no pod",
    },
    Defect {
        name: "a port name that does not exist",
        overlay: "local",
        change: ["    targetPort: http\n", "    targetPort: web\n"],
        refused_by: rules::check,
        message: "the Service's port String(\"web\") is not a port of the pods that it selects",
    },
    Defect {
        name: "replicas in addition to an autoscaler",
        overlay: "production",
        change: ["  revisionHistoryLimit:", "  replicas: 3\n  revisionHistoryLimit:"],
        refused_by: rules::check,
        message: "the Deployment has replicas as well as a HorizontalPodAutoscaler",
    },
    Defect {
        name: "a version in the labels that is not the ConfigMap's",
        overlay: "local",
        change: ["  SPIN_VARIABLE_VERSION: v0.1.0", "  SPIN_VARIABLE_VERSION: v0.2.0"],
        refused_by: rules::check,
        message: "labelled with version \"v0.1.0\", but the ConfigMap has \"v0.2.0\"",
    },
    Defect {
        name: "no limit for the memory",
        overlay: "local",
        change: ["            memory: 256Mi\n", ""],
        refused_by: tools::kube_score,
        message: "Memory limit is not set",
    },
    Defect {
        name: "privilege escalation",
        overlay: "production",
        change: ["allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"],
        refused_by: rules::check,
        message: "the container httpserver can gain rights: allowPrivilegeEscalation is not false",
    },
    Defect {
        name: "a capability",
        overlay: "production",
        change: ["            drop:\n            - ALL\n", "            add: [NET_RAW]\n            drop: [ALL]\n"],
        refused_by: rules::check,
        message: "adds Some([\"NET_RAW\"]); expected ALL and none",
    },
    Defect {
        name: "the network of the node",
        overlay: "production",
        change: ["      runtimeClassName:", "      hostNetwork: true\n      runtimeClassName:"],
        refused_by: rules::check,
        message: "the pod shares a namespace of the node",
    },
    Defect {
        name: "a key to the API server",
        overlay: "production",
        change: ["      automountServiceAccountToken: false\n      containers", "      containers"],
        refused_by: rules::check,
        message: "the pod gets a key to the API server",
    },
    Defect {
        name: "a namespace that admits any pod",
        overlay: "local",
        change: ["security.kubernetes.io/enforce: restricted", "security.kubernetes.io/enforce: privileged"],
        refused_by: rules::check,
        message: "expected restricted",
    },
];

pub fn trials() -> Vec<Trial> {
    DEFECTS.iter().map(|defect| Trial::test(format!("refused: {}", defect.name), || defect.is_refused())).collect()
}

impl Defect {
    fn is_refused(&self) -> Result<(), Failed> {
        let overlay = Path::new("manifests/overlays").join(self.overlay);
        let good =
            if overlay.is_dir() { rendering::build(&overlay)? } else { rendering::component(self.overlay).text? };
        let [there, instead] = self.change;
        if good.matches(there).count() != 1 {
            return Err(format!(
                "stands {} times in the rendering, expected once: {there:?}",
                good.matches(there).count()
            )
            .into());
        }
        match (self.refused_by)(&good.replace(there, instead)) {
            Ok(()) => Err("the check did not see it".into()),
            Err(message) if message.contains(self.message) => Ok(()),
            Err(message) => Err(format!("expected {:?} in what the check says: {message}", self.message).into()),
        }
    }
}
