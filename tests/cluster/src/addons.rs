//! What is in the cluster from the start: names, metrics, an Ingress controller.

use std::{fs, thread};

use anyhow::Result;

use crate::Cluster;
use crate::layout::State;
use crate::tools::{GATEWAY_API, IMAGES, archive};

const MANIFESTS: [&str; 4] = [
    include_str!("../addons/kube-proxy.yaml"),
    include_str!("../addons/coredns.yaml"),
    include_str!("../addons/metrics-server.yaml"),
    include_str!("../addons/traefik.yaml"),
];

/// Imports the add-ons' images on node `number`.
pub fn import(number: u8, state: &State) -> Result<()> {
    let archives = IMAGES.map(|(program, _)| {
        let file = state.tools.file(program);
        archive(file.parent().expect("a program is in a folder"), program)
    });
    thread::scope(|scope| {
        let imports = archives.each_ref().map(|archive| scope.spawn(|| Cluster::import(number, state, archive)));
        imports.into_iter().try_for_each(|import| import.join().expect("an import does not panic"))
    })
}

/// Applies the add-ons' manifests, and the Gateway API's CRDs before those that use them.
pub fn apply(cluster: &Cluster, state: &State) -> Result<()> {
    cluster.apply(&fs::read_to_string(state.tools.file(GATEWAY_API))?)?;
    cluster.apply(&MANIFESTS.join("---\n"))
}
