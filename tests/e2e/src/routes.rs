//! The ways into the cluster: Ingress, HTTPS, HTTPRoute, Service; and the client's address that arrives.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::Value;
use tempfile::NamedTempFile;
use test_cluster::address;
use test_support::artifacts;
use test_support::tls::Identity;

use crate::images::BUSYBOX;
use crate::observe;
use crate::pod::Pod;
use crate::testbed::{GATEWAY_HOSTNAME, HOSTNAME, IMAGE, Testbed, kustomize, runtime_class_without_exec, text, until};

/// The README's commands, one after the other; then the components that the other tests need.
pub fn first_response(testbed: &Testbed) -> Result<String> {
    testbed.cluster.apply(&kustomize("runtimeclass/base".as_ref())?)?;
    let rendered = artifacts::xtask().args(["manifests", "local", "--version", "v1", "--image", IMAGE]).output()?;
    ensure!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let start = Instant::now();
    testbed.cluster.apply(&String::from_utf8(rendered.stdout)?)?;
    until("the Ingress responds", || {
        let response = testbed.get_path(1, "/")?;
        Ok(response.status == 200 && response.header("version") == Some("v1"))
    })?;
    let took = start.elapsed();
    certificate(testbed)?;
    testbed.cluster.apply(&runtime_class_without_exec()?)?;
    testbed.deploy("v1")?;
    Ok(format!("{:.1} s from apply to 200", took.as_secs_f64()))
}

/// Makes the Secret that the component `ingress-tls` needs, as a person would.
fn certificate(testbed: &Testbed) -> Result<()> {
    let identity = Identity::generate();
    let (certificate, key) = (identity.certificate(), identity.key());
    let files = [format!("--cert={}", certificate.display()), format!("--key={}", key.display())];
    let create =
        ["create", "secret", "tls", "httpserver-tls", &files[0], &files[1], "--dry-run=client", "--output=yaml"];
    testbed.cluster.apply(&testbed.kubectl(&create)?)
}

/// Each node responds by HTTP, HTTPS and HTTPRoute.
pub fn every_node_responds(testbed: &Testbed) -> Result<String> {
    let nodes = testbed.cluster.nodes();
    for node in &nodes {
        let plain = testbed.send(node.ip, 80, HOSTNAME, "/", "x-echoed: yes\r\n")?;
        ensure!(plain.status == 200 && plain.header("x-echoed") == Some("yes"), "{}: {plain:?}", node.name);
        let curl = curl(node.ip, "/healthz").args(["--output", "/dev/null", "--write-out", "%{http_code}"]).output()?;
        ensure!(curl.stdout == b"200", "{}: {curl:?}", node.name);
    }
    for node in &nodes {
        until("the HTTPRoute responds", || {
            let response = testbed.send(node.ip, 80, GATEWAY_HOSTNAME, "/healthz", "")?;
            Ok(response.header("version") == Some("v1"))
        })?;
    }
    Ok(format!("{} nodes, each by HTTP, HTTPS and HTTPRoute", nodes.len()))
}

/// curl over HTTPS, which means HTTP/2 if the server has it.
fn curl(node: Ipv4Addr, path: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--insecure", "--resolve", &format!("{HOSTNAME}:443:{node}")]);
    curl.arg(format!("https://{HOSTNAME}{path}"));
    curl
}

/// The rest of a request's body arrives while the response is on its way. Over HTTP/1 Traefik drops it: Go's net/http discards the
/// rest of a body when the response begins, unless `ResponseController.EnableFullDuplex` is called.
pub fn bodies(testbed: &Testbed) -> Result<String> {
    const TIMES: usize = 20;
    const SIZE: usize = 1 << 20;
    // The period is a prime number: no two blocks are equal, so that a missing one is seen.
    let body: Vec<u8> = (0..SIZE).map(|number| (number % 251) as u8).collect();
    let file = NamedTempFile::new()?;
    fs::write(&file, &body)?;
    for number in 1..=TIMES {
        let mut curl = curl(testbed.node(1).ip, "/echo");
        // Otherwise curl starts with HTTP/1, and sends the body before the response can begin.
        curl.args(["--http2", "--header", "Expect:", "--request", "POST", "--upload-file"]);
        let output = curl.arg(file.path()).output()?;
        let (errors, length) = (String::from_utf8_lossy(&output.stderr), output.stdout.len());
        ensure!(output.status.success() && output.stdout == body, "body {number}: {length} bytes came back; {errors}");
    }
    Ok(format!("{TIMES} bodies of 1 MiB, each whole"))
}

/// No request from outside gets a page of the runtime under `/.well-known/spin/`.
pub fn well_known_stays_inside(testbed: &Testbed) -> Result<String> {
    // Paths that a proxy, or the runtime behind it, might treat as the same.
    let paths = ["health", "info", ""].map(|page| format!("/.well-known/spin/{page}"));
    let tricks =
        ["//.well-known/spin/info", "/x/../.well-known/spin/info", "/%2ewell-known/spin/info"].map(str::to_owned);
    for path in paths.iter().chain(&tricks) {
        for hostname in [HOSTNAME, GATEWAY_HOSTNAME] {
            let response = testbed.send(testbed.node(1).ip, 80, hostname, path, "")?;
            // A response of the component has a version; the runtime's pages have none.
            let refused = response.status >= 400 || response.header("version").is_some();
            ensure!(refused, "{hostname}{path}: {response:?}");
            ensure!(tricks.contains(path) || response.status >= 400, "{hostname}{path}: {response:?}");
        }
    }
    Ok("neither by Ingress nor by HTTPRoute, nor by paths that mean the same".to_owned())
}

/// A request from a pod, by the Service's name.
pub fn by_name(testbed: &Testbed) -> Result<String> {
    let url = "http://httpserver.httpserver.svc.cluster.local/healthz";
    let pod = Pod::for_program("asking", BUSYBOX, &["/busybox", "wget", "-q", "-O", "-", url]);
    let (end, log) = pod.until_ended(testbed)?;
    ensure!(end["exitCode"] == 0 && log.contains("200 ok"), "{end}: {log}");
    Ok(format!("{url}: {}", log.trim()))
}

/// The address in `/ip` and in the access log is the client's, whatever the client's headers say.
pub fn client_address(testbed: &Testbed) -> Result<String> {
    let forged = "x-forwarded-for: 6.6.6.6\r\nx-real-ip: 6.6.6.6\r\nspin-client-addr: 6.6.6.6:1\r\n";
    let response = testbed.send(testbed.node(1).ip, 80, HOSTNAME, "/ip", forged)?;
    let seen: Value = serde_json::from_slice(&response.body)?;
    let client = text(&seen, "/client")?;
    ensure!(client == address::MACHINE.to_string(), "expected this machine, {}, got {seen}", address::MACHINE);
    testbed.send(testbed.node(1).ip, 80, HOSTNAME, "/forged", forged)?;
    let line = observe::log_line(testbed, "/forged")?;
    ensure!(line["client"] == client, "the access log has another client: {line}");
    Ok(format!("{client} by /ip and in the access log, not the forged 6.6.6.6"))
}
