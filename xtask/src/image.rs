//! `cargo xtask image`: builds the component, then makes its image.

use std::ffi::OsString;

use anyhow::Result;

use crate::{build, runner::Runner, toolchain::Toolchain, workspace};

/// Builds the component and the program that makes images, and lets that one do the rest with `arguments`.
pub fn run(runner: &mut Runner, arguments: &[OsString]) -> Result<()> {
    let program = build::image_tool(runner)?;
    // A question is not worth a build.
    if !arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        let (toolchain, flavour) = Toolchain::best(runner)?;
        build::component(runner, &toolchain, flavour)?;
    }
    runner.run_streaming("image", workspace::command(program).args(arguments), |_| ())
}
