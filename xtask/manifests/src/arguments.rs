//! The flags of the program. `cargo xtask manifests` has them too and includes this file, which therefore needs nothing but clap.

use std::path::PathBuf;

use clap::Args;

/// What to render. The values are checked by the program.
#[derive(Args)]
pub struct Arguments {
    /// An overlay: the name of a folder in manifests/overlays/
    pub overlay: String,

    /// The image, with a tag that is not `latest`, or a digest
    #[arg(long, value_name = "NAME:TAG|NAME@DIGEST")]
    pub image: String,

    /// The version to serve and to label everything with [default: the image's tag]
    #[arg(long)]
    pub version: Option<String>,

    /// The host to serve [default: the overlay's]
    #[arg(long)]
    pub host: Option<String>,

    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
