//! The programs of the cluster: which there are, where each runs, and how it is started.

use std::path::PathBuf;

use crate::{address, cgroup, layout, layout::pki};

/// A program of the cluster that can be restarted on its own; nodes are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
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

impl Component {
    /// What runs on a cluster of `nodes` nodes, in the order in which it starts.
    pub fn all(nodes: u8) -> Vec<Self> {
        let control = [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler];
        control.into_iter().chain((1..=nodes).flat_map(Self::of_node)).collect()
    }

    /// What runs on node `number`, in the order in which it starts.
    pub fn of_node(number: u8) -> [Self; 3] {
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
                vec![kubeconfig("kube-scheduler"), "--bind-address=127.0.0.1".into(), "--leader-elect=false".into()]
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

/// The configuration file of a component that has one.
pub fn configuration(component: Component) -> PathBuf {
    let extension = if matches!(component, Component::Containerd(_)) { "toml" } else { "yaml" };
    layout::machine(&component.machine()).join(component.program()).with_extension(extension)
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

/// The settings of node `number`'s kubelet.
pub fn kubelet_configuration(number: u8) -> String {
    let name = format!("node{number}");
    let [ca, certificate, key] =
        [pki("ca", "crt"), pki(&name, "crt"), pki(&name, "key")].map(|path| path.display().to_string());
    format!(
        "\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {{anonymous: {{enabled: false}}, webhook: {{enabled: true}}, x509: {{clientCAFile: {ca}}}}}
authorization: {{mode: Webhook}}
tlsCertFile: {certificate}
tlsPrivateKeyFile: {key}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /{root}/{name}
# Also on a machine that still has version 1 of control groups.
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
clusterDNS: [{dns}]
clusterDomain: cluster.local
# This machine's own name servers are none of the pods' business.
resolvConf: \"\"
# By default in /usr/libexec, which is not ours.
volumePluginDir: /var/lib/kubelet/volume-plugins
# The nodes share this machine's disk: only a full one is a reason to evict, and no image is ever collected.
evictionHard: {{memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}}
imageGCHighThresholdPercent: 100
",
        root = cgroup::ROOT,
        dns = address::DNS,
    )
}

/// The settings of a node's containerd. `spin`: whether there is a shim for what the RuntimeClass names so;
/// `restrict_oom`: whether this machine lacks `CAP_SYS_RESOURCE`, without which nothing may lower an `oom_score_adj`.
pub fn containerd_configuration(cni: &str, spin: bool, restrict_oom: bool) -> String {
    let spin = if spin {
        "[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.spin]\n  \
         runtime_type = \"io.containerd.wasmtime-spin.v1\"\n"
    } else {
        ""
    };
    format!(
        "\
version = 3
root = \"/var/lib/containerd\"
state = \"/run/containerd\"
[grpc]
  address = \"/run/containerd/containerd.sock\"
[plugins.\"io.containerd.internal.v1.opt\"]
  path = \"/var/lib/containerd/opt\"
[plugins.\"io.containerd.cri.v1.images\".pinned_images]
  sandbox = \"localhost/pause:1\"
[plugins.\"io.containerd.cri.v1.runtime\"]
  restrict_oom_score_adj = {restrict_oom}
[plugins.\"io.containerd.cri.v1.runtime\".containerd]
  default_runtime_name = \"runc\"
[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.runc]
  runtime_type = \"io.containerd.runc.v2\"
{spin}[plugins.\"io.containerd.cri.v1.runtime\".cni]
  bin_dirs = [\"{cni}\"]
  conf_dir = \"/var/lib/cni/net.d\"
"
    )
}

/// How node `number`'s pods get their network.
pub fn cni_configuration(number: u8) -> String {
    let subnet = address::pods(number);
    format!(
        r#"{{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {{"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
   "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "{subnet}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}}},
  {{"type": "portmap", "capabilities": {{"portMappings": true}}}}]}}
"#
    )
}

fn kubeconfig(name: &str) -> String {
    format!("--kubeconfig={}", pki(name, "kubeconfig").display())
}
