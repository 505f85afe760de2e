//! The flags of the installer. `cargo xtask shim` has them too and includes this file, which therefore needs nothing but clap.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What to do, and on which node.
#[derive(Args)]
pub struct Arguments {
    /// Also print what an install would change on this node, and with --yes change it
    #[arg(long)]
    pub install: bool,

    /// Print what undoes --install, and with --yes do it
    #[arg(long, conflicts_with = "install")]
    pub uninstall: bool,

    /// Make the changes
    #[arg(long)]
    pub yes: bool,

    /// The node's root folder, if it is not this system's
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    pub root: PathBuf,

    /// containerd's version, if it cannot be asked
    #[arg(long, value_name = "VERSION")]
    pub containerd: Option<Version>,
}

/// A version of containerd, as far as its configuration goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Version {
    /// 1.6 and 1.7: configuration version 2
    #[value(name = "1.7")]
    V1,
    /// 2.0 and later: configuration version 3, in newer ones 4, which has this part where 3 has it
    #[value(name = "2")]
    V2,
}
