//! Ways in: Ingress, HTTPS, HTTPRoute, and who is seen at the other end.

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

use crate::bed::{Bed, GATEWAY_HOST, HOST, IMAGE, kustomize, runtime_class_without_exec, text, until};
use crate::images::BUSYBOX;
use crate::look;
use crate::pod::Pod;

/// The README's commands, one after the other.
pub fn first_answer(bed: &Bed) -> Result<String> {
    bed.cluster.apply(&kustomize("runtimeclass/base".as_ref())?)?;
    let rendered = artifacts::xtask().args(["manifests", "local", "--version", "v1", "--image", IMAGE]).output()?;
    ensure!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let start = Instant::now();
    bed.cluster.apply(&String::from_utf8(rendered.stdout)?)?;
    let answers = || {
        let answer = bed.ask(1, "/")?;
        Ok(answer.status == 200 && answer.header("version") == Some("v1"))
    };
    until("the Ingress answers", answers)?;
    let took = start.elapsed();
    certificate(bed)?;
    bed.cluster.apply(&runtime_class_without_exec()?)?;
    bed.deploy("v1")?;
    Ok(format!("{:.1} s from apply to 200", took.as_secs_f64()))
}

/// The Secret that component `ingress-tls` wants, as a person would make it.
fn certificate(bed: &Bed) -> Result<()> {
    let identity = Identity::generate();
    let (certificate, key) = (identity.certificate(), identity.key());
    let files = [format!("--cert={}", certificate.display()), format!("--key={}", key.display())];
    let create =
        ["create", "secret", "tls", "httpserver-tls", &files[0], &files[1], "--dry-run=client", "--output=yaml"];
    bed.cluster.apply(&bed.kubectl(&create)?)
}

pub fn every_node_answers(bed: &Bed) -> Result<String> {
    let nodes = bed.cluster.nodes();
    for node in &nodes {
        let plain = bed.send(node.ip, 80, HOST, "/", "x-asked: yes\r\n")?;
        ensure!(plain.status == 200 && plain.header("x-asked") == Some("yes"), "{}: {plain:?}", node.name);
        let curl = curl(node.ip, "/healthz").args(["--output", "/dev/null", "--write-out", "%{http_code}"]).output()?;
        ensure!(curl.stdout == b"200", "{}: {curl:?}", node.name);
    }
    for node in &nodes {
        let answers = || Ok(bed.send(node.ip, 80, GATEWAY_HOST, "/healthz", "")?.header("version") == Some("v1"));
        until("the HTTPRoute answers", answers)?;
    }
    Ok(format!("{} nodes, each by HTTP, HTTPS and HTTPRoute", nodes.len()))
}

/// curl over HTTPS, and so over HTTP/2 where the other side has it.
fn curl(node: Ipv4Addr, path: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--insecure", "--resolve", &format!("{HOST}:443:{node}")]);
    curl.arg(format!("https://{HOST}{path}"));
    curl
}

/// While the answer is on its way the rest of a body still comes. Over HTTP/1 Traefik drops that: Go's net/http reads a body
/// away once the answer begins, unless it is told not to (`ResponseController.EnableFullDuplex`).
pub fn bodies(bed: &Bed) -> Result<String> {
    const TIMES: usize = 20;
    const SIZE: usize = 1 << 20;
    // A prime period: no two blocks alike, so that a missing one is seen.
    let body: Vec<u8> = (0..SIZE).map(|number| (number % 251) as u8).collect();
    let file = NamedTempFile::new()?;
    fs::write(&file, &body)?;
    for number in 1..=TIMES {
        let mut curl = curl(bed.node(1).ip, "/echo");
        // Else curl would ask first over HTTP/1, and the body would come when the answer cannot yet.
        curl.args(["--http2", "--header", "Expect:", "--request", "POST", "--upload-file"]);
        let output = curl.arg(file.path()).output()?;
        let (said, length) = (String::from_utf8_lossy(&output.stderr), output.stdout.len());
        ensure!(output.status.success() && output.stdout == body, "body {number}: {length} bytes came back; {said}");
    }
    Ok(format!("{TIMES} bodies of 1 MiB, each whole"))
}

pub fn the_hosts_own_pages_stay_inside(bed: &Bed) -> Result<String> {
    // The last three: what a proxy might make the same of, or let through to a host that does.
    let paths = ["health", "info", ""].map(|page| format!("/.well-known/spin/{page}"));
    let tricks =
        ["//.well-known/spin/info", "/x/../.well-known/spin/info", "/%2ewell-known/spin/info"].map(str::to_owned);
    for path in paths.iter().chain(&tricks) {
        for host in [HOST, GATEWAY_HOST] {
            let answer = bed.send(bed.node(1).ip, 80, host, path, "")?;
            // What the component answers has a version; the host's own pages have none.
            let refused = answer.status >= 400 || answer.header("version").is_some();
            ensure!(refused, "{host}{path}: {answer:?}");
            ensure!(tricks.contains(path) || answer.status >= 400, "{host}{path}: {answer:?}");
        }
    }
    Ok("by Ingress and HTTPRoute alike, also in disguise".to_owned())
}

/// As other pods ask: by the Service's name, from a pod.
pub fn by_name(bed: &Bed) -> Result<String> {
    let url = "http://httpserver.httpserver.svc.cluster.local/healthz";
    let pod = Pod::of_program("asking", BUSYBOX, &["/busybox", "wget", "-q", "-O", "-", url]);
    let (end, log) = pod.until_ended(bed)?;
    ensure!(end["exitCode"] == 0 && log.contains("200 ok"), "{end}: {log}");
    Ok(format!("{url}: {}", log.trim()))
}

pub fn client_address(bed: &Bed) -> Result<String> {
    let forged = "x-forwarded-for: 6.6.6.6\r\nx-real-ip: 6.6.6.6\r\nspin-client-addr: 6.6.6.6:1\r\n";
    let answer = bed.send(bed.node(1).ip, 80, HOST, "/ip", forged)?;
    let seen: Value = serde_json::from_slice(&answer.body)?;
    let client = text(&seen, "/client")?;
    ensure!(client == address::HOST.to_string(), "expected this machine, {}, got {seen}", address::HOST);
    bed.send(bed.node(1).ip, 80, HOST, "/forged", forged)?;
    let line = look::log_line(bed, "/forged")?;
    ensure!(line["client"] == client, "the access log has another client: {line}");
    Ok(format!("{client} by /ip and in the access log, asked as 6.6.6.6"))
}
