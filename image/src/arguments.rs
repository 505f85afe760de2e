//! The flags of the program. `cargo xtask image` has them too and includes this file, which therefore needs nothing but clap.

use std::path::PathBuf;

use clap::Args;

/// What the image is called, and where it goes. The values are checked by the program.
#[derive(Args)]
pub struct Arguments {
    /// The archive to write
    #[arg(short, long, value_name = "FILE", default_value = "target/httpserver.oci.tar")]
    pub output: PathBuf,

    /// What an import of the archive calls the image
    #[arg(long, value_name = "NAME:TAG", default_value = concat!("localhost/httpserver:", env!("CARGO_PKG_VERSION")))]
    pub name: String,

    /// Push the image under this name, too, as the user of the Docker configuration file
    #[arg(long, value_name = "REGISTRY/NAME:TAG")]
    pub push: Option<String>,

    /// The address of the sources, for the image's labels [default: the checkout's origin, if it is a https address]
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
}
