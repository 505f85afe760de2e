//! `cargo xtask manifests`, from its command line to what it prints.

use std::process::Output;

use libtest_mimic::{Failed, Trial};
use test_support::artifacts;

use crate::rules;

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("command: image, version and host arrive everywhere", image_version_and_host),
        Trial::test("command: a bad overlay, image, version or host is refused with nothing on stdout", refused),
    ]
}

fn image_version_and_host() -> Result<(), Failed> {
    for overlay in ["local", "production"] {
        let output = xtask(&[overlay, "--image", "example.com/a:v9", "--version", "v2", "--host", "a.example.com"]);
        let rendered = String::from_utf8(output.stdout)?;
        rules::check(&rendered)?;
        for expected in ["image: example.com/a:v9", "SPIN_VARIABLE_VERSION: v2", "- host: a.example.com"] {
            if !rendered.contains(expected) {
                return Err(format!("{overlay}: no {expected:?} in {rendered}").into());
            }
        }
        if rendered.contains("httpserver.localhost") {
            return Err(format!("{overlay}: the overlay's own host is still there: {rendered}").into());
        }
    }
    Ok(())
}

fn refused() -> Result<(), Failed> {
    let digest = format!("a/b@sha256:{}", "0".repeat(64));
    let cases: [(&[&str], &str); 7] = [
        (
            &["staging", "--image", "a:v2"],
            "invalid overlay \"staging\": expected a folder in manifests/overlays: local, production",
        ),
        (&["local", "--image", "a"], "expected NAME:TAG or NAME@sha256:DIGEST"),
        (&["local", "--image", "A:v2"], "expected NAME:TAG or NAME@sha256:DIGEST"),
        (&["local", "--image", &digest], "add `--version VERSION`"),
        (&["local", "--image", "a:v2", "--version", "v 2"], "expected 1 to 63 letters"),
        (&["local", "--image", "a:v2", "--host", "http://a"], "expected a hostname in lower case without scheme"),
        (&["local"], "--image <NAME:TAG|NAME@DIGEST>"),
    ];
    for (arguments, expected) in cases {
        let output = xtask(arguments);
        let said = String::from_utf8(output.stderr)?;
        if output.status.success() || !output.stdout.is_empty() || !said.contains(expected) {
            let printed = output.stdout.len();
            return Err(format!("{arguments:?}: {}, {printed} bytes on stdout, {said}", output.status).into());
        }
    }
    Ok(())
}

fn xtask(arguments: &[&str]) -> Output {
    artifacts::xtask().arg("manifests").args(arguments).output().expect("it runs")
}
