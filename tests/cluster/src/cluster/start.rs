//! The start: control plane and nodes side by side, the add-ons as soon as the API server takes them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::{fs, thread};

use anyhow::{Context, Result, bail, ensure};

use super::{Cluster, Options, ctr};
use crate::command::output;
use crate::daemon::{self, Daemon};
use crate::layout::{self, State};
use crate::machine::Machine;
use crate::wait::{self, PATIENCE};
use crate::{MAX_NODES, addons, cgroup, configuration, network, pki, preflight, remove};

/// See [`Cluster::up`].
pub fn up(options: &Options) -> Result<Cluster> {
    ensure!((1..=MAX_NODES).contains(&options.nodes), "{} nodes; expected 1 to {MAX_NODES}", options.nodes);
    let _lock = layout::lock()?;
    if Cluster::is_running() {
        bail!("a cluster is running already; end it with `cargo xtask cluster down`");
    }
    remove::everything()?;
    network::check()?;

    fs::create_dir_all(layout::RUN).with_context(|| format!("cannot make {}", layout::RUN))?;
    // The keys are in it.
    fs::set_permissions(layout::RUN, fs::Permissions::from_mode(0o700))?;
    for folder in ["pid", "log"] {
        fs::create_dir_all(layout::path(folder))?;
    }
    let mut state = State { nodes: options.nodes, tools: options.tools.clone(), complete: false };
    state.write()?;
    pki::make(state.nodes)?;
    let cluster = Cluster { state: state.clone() };
    cluster
        .start()
        .with_context(|| format!("the cluster does not start; its logs are in {}", layout::path("log").display()))?;
    state.complete = true;
    state.write()?;
    Ok(Cluster { state })
}

impl Cluster {
    fn start(&self) -> Result<()> {
        let state = &self.state;
        let nodes = state.nodes;
        Machine::start("control", &state.tools, &keep(state), |control| network::connect_control(control, nodes))?;
        thread::scope(|scope| {
            let nodes: Vec<_> = (1..=nodes).map(|number| scope.spawn(move || node(number, state))).collect();
            self.start_control()?;
            addons::apply(self, state)?;
            nodes.into_iter().try_for_each(|node| node.join().expect("the start of a node does not panic"))
        })?;
        let mut arguments = vec!["wait", "--for=condition=Ready", "--timeout=60s"];
        let names: Vec<_> = (1..=nodes).map(|number| format!("node/node{number}")).collect();
        arguments.extend(names.iter().map(String::as_str));
        // `kubectl wait` does not wait for what is not there yet.
        wait::until("registration of the nodes", PATIENCE, || {
            Ok(self.kubectl(&["get", "nodes", "--output=name"]).is_ok_and(|list| list.lines().count() == names.len()))
        })?;
        self.kubectl(&arguments)?;
        // Not metrics-server, which is ready only when it has measured, twice 10 s later.
        for addon in ["daemonset/traefik", "deployment/coredns"] {
            self.kubectl(&["rollout", "status", addon, "--namespace=kube-system", "--timeout=60s"])?;
        }
        Ok(())
    }

    /// The API server needs etcd to start; controllers and scheduler give up on an API server that takes long.
    fn start_control(&self) -> Result<()> {
        daemon(Daemon::Etcd, &self.state)?;
        daemon(Daemon::ApiServer, &self.state)?;
        self.wait_ready(Daemon::ApiServer)?;
        daemon(Daemon::ControllerManager, &self.state)?;
        fs::write(daemon::configuration(Daemon::Scheduler), configuration::scheduler())?;
        daemon(Daemon::Scheduler, &self.state)
    }
}

/// Starts node `number`: its namespaces, containerd, the add-ons' images, kube-proxy, kubelet.
pub fn node(number: u8, state: &State) -> Result<()> {
    let name = format!("node{number}");
    let control = Machine::find("control").context("the control plane is not up")?;
    let folder = layout::machine(&name);
    cgroup::make(&name)?;
    Machine::start(&name, &state.tools, &keep(state), |node| {
        network::connect_node(control, node, number, state.nodes)
    })?;
    let containerd = daemon::configuration(Daemon::Containerd(number));
    // One that comes back has what somebody may have added: the handler of a shim.
    if !containerd.exists() {
        fs::create_dir_all(containerd.parent().expect("a file is in a folder"))?;
        fs::write(containerd, configuration::containerd(preflight::cni()?, preflight::lacks_sys_resource()))?;
    }
    fs::write(daemon::configuration(Daemon::Kubelet(number)), configuration::kubelet(number))?;
    let cni = folder.join("var/lib/cni/net.d");
    fs::create_dir_all(&cni)?;
    fs::write(cni.join("10-pods.conflist"), configuration::cni(number))?;

    daemon(Daemon::Containerd(number), state)?;
    wait::until(&format!("containerd of {name} answers"), PATIENCE, || Ok(containerd_answers(number, state)))?;
    daemon(Daemon::KubeProxy(number), state)?;
    // The kubelet looks for the sandbox image only when there is a pod: images and registration side by side.
    daemon(Daemon::Kubelet(number), state)?;
    addons::import(number, state)
}

/// Starts one daemon in its machine.
pub fn daemon(daemon: Daemon, state: &State) -> Result<()> {
    let machine = daemon.machine();
    let machine = Machine::find(&machine).with_context(|| format!("{machine} is not up"))?;
    let mut command = vec![state.tools.file(daemon.program()).display().to_string()];
    command.extend(daemon.arguments());
    let own = layout::machine(&daemon.machine()).join("usr/local/bin");
    machine.spawn(&daemon.name(), &command, &state.tools.path(Some(&own)))?;
    Ok(())
}

/// Whether the containerd of node `number` takes commands.
pub fn containerd_answers(number: u8, state: &State) -> bool {
    ctr(number, state).and_then(|mut ctr| output(ctr.arg("version"))).is_ok()
}

/// The folders that the machines go on seeing at their place.
fn keep(state: &State) -> Vec<&Path> {
    std::iter::once(Path::new(layout::RUN)).chain(state.tools.folders()).collect()
}
