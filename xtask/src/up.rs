//! `cargo xtask up`: builds what changed, then becomes the embedded runtime.

use std::env;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use xtask_runner::Runner;

use crate::toolchain::Toolchain;
use crate::{build, workspace};

/// Does not return where it succeeds: the runtime takes this process over, so that signals reach it directly.
pub fn run(runner: &mut Runner, arguments: &[OsString]) -> Result<()> {
    let (toolchain, flavour) = Toolchain::best(runner)?;
    build::component(runner, &toolchain, flavour)?;
    let binary = build::runtime(runner)?;
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    if let Some(url) = url(&words, env::var("SPIN_HTTP_LISTEN_ADDR").ok().as_deref()) {
        eprintln!("try: curl -i {url}");
    }
    let error =
        Command::new(&binary).arg("up").arg("-f").arg(workspace::root().join("spin.toml")).args(arguments).exec();
    Err(error).with_context(|| format!("cannot run {}", binary.display()))
}

/// What to give to curl for these arguments of `httpserver up`; none where only the runtime will know, as for port 0.
fn url(arguments: &[impl AsRef<str>], from_environment: Option<&str>) -> Option<String> {
    let option = |name: &str| {
        arguments.iter().enumerate().find_map(|(index, argument)| match argument.as_ref().strip_prefix(name)? {
            "" => arguments.get(index + 1).map(AsRef::as_ref),
            value => value.strip_prefix('='),
        })
    };
    let listen = option("--listen").or(from_environment).unwrap_or("127.0.0.1:3000");
    let mut address: SocketAddr = listen.parse().ok().filter(|address: &SocketAddr| address.port() != 0)?;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    // -k: a certificate made for trying is signed by nobody.
    Some(if option("--tls-cert").is_some() { format!("-k https://{address}/") } else { format!("http://{address}/") })
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn curl_gets_the_address_that_the_runtime_will_have() {
        let cases: [(&[&str], Option<&str>, Option<&str>); 8] = [
            (&[], None, Some("http://127.0.0.1:3000/")),
            (&[], Some("127.0.0.1:4000"), Some("http://127.0.0.1:4000/")),
            (&["--listen", "127.0.0.1:5000"], Some("127.0.0.1:4000"), Some("http://127.0.0.1:5000/")),
            (&["--threads", "1", "--listen=0.0.0.0:80"], None, Some("http://127.0.0.1:80/")),
            (&["--listen", "[::]:80"], None, Some("http://[::1]:80/")),
            (&["--tls-cert", "c", "--tls-key", "k"], None, Some("-k https://127.0.0.1:3000/")),
            (&["--listen", "127.0.0.1:0"], None, None),
            (&["--listen"], None, Some("http://127.0.0.1:3000/")),
        ];
        for (arguments, from_environment, expected) in cases {
            assert_eq!(url(arguments, from_environment).as_deref(), expected, "{arguments:?} {from_environment:?}");
        }
    }
}
