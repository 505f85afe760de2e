//! `cargo xtask image`: builds the component, then makes its image.

use std::ffi::OsString;

use anyhow::Result;

use crate::{build, project, step::Steps, toolchain::Toolchain};

/// Builds the component and the program that makes images, and lets that one do the rest with `arguments`.
pub fn run(steps: &mut Steps, arguments: &[OsString]) -> Result<()> {
    let program = build::image_maker(steps)?;
    // A question is not worth a build.
    if !arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        let (toolchain, flavour) = Toolchain::best(steps)?;
        build::component(steps, &toolchain, flavour)?;
    }
    steps.lines("image", project::command(program).args(arguments), |_| ())
}
