//! `cargo xtask image`: this repository's image as an archive, and into a registry.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use httpserver_image::image::Built;
use httpserver_image::product::{self, Provenance};
use httpserver_image::{archive, registry};
use oci_client::Reference;

/// Makes the image of the component: FROM scratch, linux/amd64 and linux/arm64, the same input the same digest.
#[derive(Parser)]
#[command(bin_name = "cargo xtask image", version)]
struct Cli {
    /// The repository, with the component built in it
    #[arg(long, default_value = ".", hide = true)]
    root: PathBuf,

    /// The archive to write
    #[arg(short, long, value_name = "FILE", default_value = "target/httpserver.oci.tar")]
    output: PathBuf,

    /// What an import of the archive calls the image
    #[arg(long, value_name = "NAME:TAG", default_value = concat!("localhost/httpserver:", env!("CARGO_PKG_VERSION")))]
    name: Reference,

    /// Push the image under this name, too, as the user of the Docker configuration file
    #[arg(long, value_name = "REGISTRY/NAME:TAG")]
    push: Option<Reference>,

    /// The address of the sources, for the image's labels [default: the checkout's origin, if it is a https address]
    #[arg(long, value_name = "URL")]
    source: Option<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let named = cli.push.as_ref().unwrap_or(&cli.name);
    let version = named.tag().unwrap_or(env!("CARGO_PKG_VERSION")).to_owned();
    let provenance = Provenance::of_checkout(&cli.root, version, cli.source);
    let image = product::image(&cli.root, provenance)?.build()?;
    let output = cli.root.join(&cli.output);
    archive::write(&image, &cli.name.whole(), &output)?;
    describe(&image, &cli.output);
    if let Some(reference) = cli.push {
        println!("pushed {}", registry::push(&image, &reference)?);
    }
    Ok(())
}

fn describe(image: &Built, output: &Path) {
    println!("{}: {} bytes in {} blobs", output.display(), image.size(), image.all().count());
    println!("{}", image.digest());
}
