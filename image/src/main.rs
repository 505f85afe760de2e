//! `cargo xtask image`: this repository's image as an archive, and into a registry.

mod arguments;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use arguments::Arguments;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use httpserver_image::product::{self, Provenance};
use httpserver_image::registry;
use oci_client::Reference;
use oci_writer::archive;
use oci_writer::image::Built;

/// Makes the image of the component: FROM scratch, linux/amd64 and linux/arm64, the same input the same digest.
#[derive(Parser)]
#[command(bin_name = "cargo xtask image", version)]
struct Cli {
    /// The repository, with the component built in it
    #[arg(long, default_value = ".", hide = true)]
    root: PathBuf,

    #[command(flatten)]
    arguments: Arguments,
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
    let Arguments { output, name, push, source } = cli.arguments;
    let name = reference("--name", &name);
    let push = push.map(|push| reference("--push", &push));
    let version = push.as_ref().unwrap_or(&name).tag().unwrap_or(env!("CARGO_PKG_VERSION")).to_owned();
    let provenance = Provenance::of_checkout(&cli.root, version, source);
    let image = product::image(&cli.root, provenance)?.build()?;
    archive::write(&[(&name.whole(), &image)], &cli.root.join(&output))?;
    describe(&image, &output);
    if let Some(reference) = push {
        println!("pushed {}", registry::push(&image, &reference)?);
    }
    Ok(())
}

/// The name of an image, or the end of this program with what is wrong.
fn reference(flag: &str, text: &str) -> Reference {
    text.parse().unwrap_or_else(|error| {
        let message = format!("invalid value '{text}' for '{flag}': {error}");
        Cli::command().error(ErrorKind::ValueValidation, message).exit()
    })
}

fn describe(image: &Built, output: &Path) {
    println!("{}: {} bytes in {} blobs", output.display(), image.size(), image.all().count());
    println!("{}", image.digest());
}
