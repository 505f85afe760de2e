//! Where the files of a running cluster are.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::tools::Tools;
use crate::wait;

/// Everything of the running cluster. One for the machine, wherever the checkout is: there is one range of addresses. Not
/// in `/run`, which is memory and often small: the nodes' images are here.
pub const RUN: &str = "/var/lib/httpserver-cluster";

/// A file or folder of the running cluster.
pub fn path(name: &str) -> PathBuf {
    Path::new(RUN).join(name)
}

/// How long a killed `up` may keep the lock: its child has a copy of the open file until it runs its own program.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Keeps a second `up` or `down` from removing what the first is starting. The kernel unlocks when the last copy of the
/// open file is closed, so also when its process is killed.
pub fn lock() -> Result<File> {
    // The folder around ours: it is always there, and locking it leaves nothing.
    let around = Path::new(RUN).parent().expect("the run folder is in another");
    let lock = File::open(around).with_context(|| format!("cannot open {}", around.display()))?;
    wait::until("the lock of the cluster", LOCK_PATIENCE, || match lock.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", around.display())),
    })
    .context("another `cargo xtask cluster` is at work; wait for it")?;
    Ok(lock)
}

/// The files that a machine has for itself: what a node keeps (`var`), its configuration (`etc`), and programs that only it
/// has (`usr/local/bin`).
pub fn machine(name: &str) -> PathBuf {
    path(name)
}

/// Where the id of a process is noted.
pub fn pid(name: &str) -> PathBuf {
    path("pid").join(name)
}

/// What a process wrote.
pub fn log(name: &str) -> PathBuf {
    path("log").join(name).with_extension("log")
}

/// A certificate (`crt`), key (`key`) or kubeconfig (`kubeconfig`).
pub fn pki(name: &str, extension: &str) -> PathBuf {
    path("pki").join(format!("{name}.{extension}"))
}

/// What later commands have to know about the running cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// How many nodes.
    pub nodes: u8,
    /// The cluster's programs.
    pub tools: Tools,
    /// Whether `up` has finished; false if it was killed.
    pub complete: bool,
}

impl State {
    /// What was written, if anything.
    pub fn read() -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path("state.json")).ok()?).ok()
    }

    /// Writes it.
    pub fn write(&self) -> Result<()> {
        let file = path("state.json");
        let text = serde_json::to_string_pretty(self)?;
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}
