//! The programs of the cluster: which there are, where each runs, and how it is started.

use std::path::PathBuf;

use crate::layout::pki;
use crate::{address, layout};

/// A program of the cluster that can be restarted on its own; nodes are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// Where the API server keeps everything.
    Etcd,
    /// The API server.
    ApiServer,
    /// The controllers.
    ControllerManager,
    /// The scheduler.
    Scheduler,
    /// A node's container runtime. What it started goes on without it.
    Containerd(u8),
    /// What gives a node the addresses of services.
    KubeProxy(u8),
    /// A node's agent.
    Kubelet(u8),
}

impl Daemon {
    /// What runs on a cluster of `nodes` nodes, in the order in which it starts.
    pub fn all(nodes: u8) -> Vec<Self> {
        let control = [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler];
        control.into_iter().chain((1..=nodes).flat_map(Self::for_node)).collect()
    }

    /// What runs on node `number`, in the order in which it starts.
    pub fn for_node(number: u8) -> [Self; 3] {
        [Self::Containerd(number), Self::KubeProxy(number), Self::Kubelet(number)]
    }

    /// The file name of its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Containerd(_) => "containerd",
            Self::KubeProxy(_) => "kube-proxy",
            Self::Kubelet(_) => "kubelet",
        }
    }

    /// The machine that it runs on: `control`, `node1` …
    pub fn machine(self) -> String {
        match self {
            Self::Containerd(number) | Self::KubeProxy(number) | Self::Kubelet(number) => format!("node{number}"),
            _ => "control".to_owned(),
        }
    }

    /// What it is called in the run folder and in `status`: `control-etcd`, `node2-kubelet` …
    pub fn name(self) -> String {
        format!("{}-{}", self.machine(), self.program())
    }

    /// Its arguments.
    pub fn arguments(self) -> Vec<String> {
        match self {
            Self::Etcd => etcd(),
            Self::ApiServer => api_server(),
            Self::ControllerManager => controller_manager(),
            Self::Scheduler => {
                vec![format!("--config={}", configuration(self).display()), "--bind-address=127.0.0.1".into()]
            }
            Self::Containerd(_) => vec![format!("--config={}", configuration(self).display())],
            Self::KubeProxy(number) => kube_proxy(number),
            Self::Kubelet(number) => vec![
                format!("--config={}", configuration(self).display()),
                kubeconfig(&self.machine()),
                format!("--hostname-override={}", self.machine()),
                format!("--node-ip={}", address::node(number)),
                // node1 is in zone-a, node2 in zone-b …
                format!("--node-labels=topology.kubernetes.io/zone=zone-{}", char::from(b'a' + number - 1)),
            ],
        }
    }
}

/// The configuration file of a daemon that has one.
pub fn configuration(daemon: Daemon) -> PathBuf {
    let folder = layout::machine(&daemon.machine());
    match daemon {
        // Where whoever installs a shim looks for it.
        Daemon::Containerd(_) => folder.join("etc/containerd/config.toml"),
        _ => folder.join(daemon.program()).with_extension("yaml"),
    }
}

/// On the control plane's own loopback, which nobody else sees.
fn etcd() -> Vec<String> {
    vec![
        format!("--data-dir={}", layout::machine("control").join("etcd").display()),
        "--listen-client-urls=http://127.0.0.1:2379".into(),
        "--advertise-client-urls=http://127.0.0.1:2379".into(),
        "--listen-peer-urls=http://127.0.0.1:2380".into(),
        // What a crash of the whole machine would lose is a test's cluster.
        "--unsafe-no-fsync".into(),
    ]
}

fn api_server() -> Vec<String> {
    let address = address::CONTROL;
    let file = |flag: &str, name: &str, extension: &str| format!("--{flag}={}", pki(name, extension).display());
    vec![
        "--etcd-servers=http://127.0.0.1:2379".into(),
        format!("--bind-address={address}"),
        format!("--advertise-address={address}"),
        format!("--service-cluster-ip-range={}", address::SERVICES),
        "--authorization-mode=Node,RBAC".into(),
        "--enable-admission-plugins=NodeRestriction".into(),
        // Else it waits a minute at its end for clients that watch, who all know how to watch the next one.
        "--shutdown-watch-termination-grace-period=1s".into(),
        // What a privileged pod meets is Pod Security, as elsewhere.
        "--allow-privileged=true".into(),
        file("client-ca-file", "ca", "crt"),
        file("tls-cert-file", "apiserver", "crt"),
        file("tls-private-key-file", "apiserver", "key"),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        file("service-account-key-file", "sa", "pub"),
        file("service-account-signing-key-file", "sa", "key"),
        // To the kubelets, for logs and exec; nothing resolves the names of nodes.
        "--kubelet-preferred-address-types=InternalIP".into(),
        file("kubelet-certificate-authority", "ca", "crt"),
        file("kubelet-client-certificate", "apiserver-kubelet", "crt"),
        file("kubelet-client-key", "apiserver-kubelet", "key"),
        // To metrics-server, at its pod's address: no kube-proxy runs beside the API server.
        "--enable-aggregator-routing=true".into(),
        file("proxy-client-cert-file", "front-proxy", "crt"),
        file("proxy-client-key-file", "front-proxy", "key"),
        file("requestheader-client-ca-file", "ca", "crt"),
        "--requestheader-allowed-names=front-proxy".into(),
        "--requestheader-username-headers=X-Remote-User".into(),
        "--requestheader-group-headers=X-Remote-Group".into(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
    ]
}

fn controller_manager() -> Vec<String> {
    vec![
        kubeconfig("kube-controller-manager"),
        "--bind-address=127.0.0.1".into(),
        "--leader-elect=false".into(),
        "--use-service-account-credentials".into(),
        // By default in /usr/libexec, which is not ours.
        format!("--flex-volume-plugin-dir={}", layout::machine("control").join("volume-plugins").display()),
        format!("--root-ca-file={}", pki("ca", "crt").display()),
        format!("--service-account-private-key-file={}", pki("sa", "key").display()),
    ]
}

fn kube_proxy(number: u8) -> Vec<String> {
    vec![
        kubeconfig("kube-proxy"),
        "--proxy-mode=nftables".into(),
        format!("--hostname-override=node{number}"),
        format!("--cluster-cidr={}", address::PODS),
        // The kernel's limits belong to the whole machine.
        "--conntrack-max-per-core=0".into(),
    ]
}

fn kubeconfig(name: &str) -> String {
    format!("--kubeconfig={}", pki(name, "kubeconfig").display())
}
