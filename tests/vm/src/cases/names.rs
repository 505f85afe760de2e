//! A library of the image that glibc would load, in a process that has not given up its rights yet.

use anyhow::{Result, ensure};
use test_hostile as hostile;

use super::application::{GRACE, healthy};
use crate::{node::Node, pod::Container};

pub fn of_a_program(node: &Node) -> Result<()> {
    let end = node.pod()?.run_to_end(Container::of_program(hostile::NAMES, &["/busybox", "true"]))?;
    ensure!(!end.log.contains(hostile::MARK) && end.code == 0, "{end:?}");
    Ok(())
}

pub fn of_an_application(node: &Node) -> Result<()> {
    let container = node.pod()?.run(Container::of_component(hostile::APPLICATION_NAMES, node.port()))?;
    healthy(node)?;
    let end = container.stop(GRACE)?;
    ensure!(!end.log.contains(hostile::MARK), "{end:?}");
    Ok(())
}
