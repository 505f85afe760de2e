//! The configuration files of the cluster's programs: what their command lines in [`crate::daemon`] do not say.

use crate::layout::pki;
use crate::{address, cgroup};

/// The settings of the scheduler.
pub fn scheduler() -> String {
    format!(
        "\
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection: {{kubeconfig: {kubeconfig}}}
leaderElection: {{leaderElect: false}}
profiles:
- schedulerName: default-scheduler
  pluginConfig:
  # By default it spreads all pods, which would hide whether their manifests ask for it.
  - name: PodTopologySpread
    args: {{defaultingType: List, defaultConstraints: []}}
",
        kubeconfig = pki("kube-scheduler", "kubeconfig").display(),
    )
}

/// The settings of node `number`'s kubelet.
pub fn kubelet(number: u8) -> String {
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

/// The settings of a node's containerd. `restrict_oom`: whether this machine lacks `CAP_SYS_RESOURCE`, without which
/// nothing may lower an `oom_score_adj`.
pub fn containerd(cni: &str, restrict_oom: bool) -> String {
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
[plugins.\"io.containerd.cri.v1.runtime\".cni]
  bin_dirs = [\"{cni}\"]
  conf_dir = \"/var/lib/cni/net.d\"
"
    )
}

/// How node `number`'s pods get their network.
pub fn cni(number: u8) -> String {
    let subnet = address::pods(number);
    format!(
        r#"{{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {{"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
   "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "{subnet}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}}},
  {{"type": "portmap", "capabilities": {{"portMappings": true}}}}]}}
"#
    )
}
