//! The application by itself.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Result, ensure};

use test_cluster::wait::find;

use crate::{cri::PATIENCE, images::APPLICATION, node::Node, pod::Container};

/// How long requests may still run when it is stopped; none does.
pub const GRACE: Duration = Duration::from_secs(10);

pub fn responds(node: &Node) -> Result<()> {
    let pod = node.pod()?;
    let container = pod.run(Container::of_component(APPLICATION, node.port()))?;
    healthy(node)?;
    let (is, wanted) = (container.cgroup()?, pod.cgroup_of(&container));
    ensure!(is == wanted, "its cgroup is {is}, expected {wanted}");
    let end = container.stop(GRACE)?;
    ensure!(end.code == 0, "it ended with {} after SIGTERM: {}", end.code, end.log);
    Ok(())
}

/// It is the first process of its namespace: the kernel drops a SIGTERM for which it is not prepared.
pub fn stopped_during_its_start(node: &Node) -> Result<()> {
    // With less of a processor the start takes seconds.
    let container = node.own_pod()?.run(Container::of_component(APPLICATION, node.port()).with_processor(5))?;
    let end = container.stop(GRACE)?;
    ensure!(end.code == 0, "it ended with {} after SIGTERM: {}", end.code, end.log);
    ensure!(end.log.contains("SIGTERM: ending before the server serves"), "it served already: {end:?}");
    Ok(())
}

/// Waits until the application of this case responds to `/healthz` with 200.
pub fn healthy(node: &Node) -> Result<()> {
    healthy_at(node.port())
}

/// The same for the application that listens on `port`.
pub fn healthy_at(port: u16) -> Result<()> {
    let mut last = String::new();
    let found = find("the application responds", PATIENCE, || {
        last = status(port).unwrap_or_else(|error| error.to_string());
        Ok(last.starts_with("HTTP/1.1 ").then(|| last.clone()))
    });
    let status = found.map_err(|error| error.context(last))?;
    ensure!(status.contains(" 200 "), "GET /healthz: {status}");
    Ok(())
}

/// The first line of the response.
fn status(port: u16) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    connection.read_to_string(&mut response)?;
    Ok(response.lines().next().unwrap_or_default().to_owned())
}
