//! The programs of the cluster: which there are, where each runs, and how it is started.

use std::path::PathBuf;

use crate::layout::pki;
use crate::{address, layout};

/// A program of the cluster that can be restarted on its own; nodes are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// The database of the API server.
    Etcd,
    /// The API server.
    ApiServer,
    /// The controllers.
    ControllerManager,
    /// The scheduler.
    Scheduler,
    /// A node's container runtime. Its containers go on without it.
    Containerd(u8),
    /// Makes the addresses of services work on a node.
    KubeProxy(u8),
    /// A node's agent.
    Kubelet(u8),
}

impl Daemon {
    /// All daemons of a cluster of `nodes` nodes, in the order in which they start.
    pub fn all(nodes: u8) -> Vec<Self> {
        let control = [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler];
        control.into_iter().chain((1..=nodes).flat_map(Self::for_node)).collect()
    }

    /// The daemons of node `number`, in the order in which they start.
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

    /// Its name in the run folder and in `status`: `control-etcd`, `node2-kubelet` …
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
        // The path where the installer of a shim looks for it.
        Daemon::Containerd(_) => folder.join("etc/containerd/config.toml"),
        _ => folder.join(daemon.program()).with_extension("yaml"),
    }
}

/// etcd listens on the control plane's own loopback, which no other machine sees.
fn etcd() -> Vec<String> {
    vec![
        format!("--data-dir={}", layout::machine("control").join("etcd").display()),
        "--listen-client-urls=http://127.0.0.1:2379".into(),
        "--advertise-client-urls=http://127.0.0.1:2379".into(),
        "--listen-peer-urls=http://127.0.0.1:2380".into(),
        // A crash of the whole machine may lose the cluster, which exists only for tests.
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
        // By default it waits a minute for clients that watch. All of ours reconnect by themselves.
        "--shutdown-watch-termination-grace-period=1s".into(),
        // Pod Security decides about privileged pods, as in other clusters.
        "--allow-privileged=true".into(),
        file("client-ca-file", "ca", "crt"),
        file("tls-cert-file", "apiserver", "crt"),
        file("tls-private-key-file", "apiserver", "key"),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        file("service-account-key-file", "sa", "pub"),
        file("service-account-signing-key-file", "sa", "key"),
        // The address of a kubelet, for logs and exec: no DNS resolves the names of nodes.
        "--kubelet-preferred-address-types=InternalIP".into(),
        file("kubelet-certificate-authority", "ca", "crt"),
        file("kubelet-client-certificate", "apiserver-kubelet", "crt"),
        file("kubelet-client-key", "apiserver-kubelet", "key"),
        // Reaches metrics-server at its pod's address: no kube-proxy runs next to the API server.
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
        // By default it is in /usr/libexec, which belongs to the machine.
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
        // Does not change the kernel's limits, which the whole machine shares.
        "--conntrack-max-per-core=0".into(),
    ]
}

fn kubeconfig(name: &str) -> String {
    format!("--kubeconfig={}", pki(name, "kubeconfig").display())
}
