//! Runs the contract against a server that runs already: `HTTPSERVER_URL=http://HOST[:PORT] cargo run -p test-contract`, or
//! `cargo xtask test --url http://HOST[:PORT]`. Arguments are those of a test program, for example a part of a case's name.

use std::env;
use std::process::ExitCode;

use libtest_mimic::Arguments;
use test_contract::{RemoteServer, Target, URL, trials};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let url =
        env::var(URL).map_err(|_| format!("{URL} is not set: expected http://HOST[:PORT], a server that runs already"));
    let server = match url.and_then(|url| RemoteServer::from_url(&url)) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let target = Target::remote("url", vec![server]);
    eprintln!("{target}");
    // The report of a trial has the message. Without this it would be printed twice, the first time among other trials.
    std::panic::set_hook(Box::new(|_| {}));
    libtest_mimic::run(&arguments, trials(vec![target])).exit_code()
}
