//! `httpserver up`: a Spin application on this machine, with nothing installed.

mod cli;
mod up;

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Parser;
use httpserver_runtime::log;
use httpserver_runtime::shutdown::Signals;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // First, so that no signal is lost.
    let signals = Signals::watch();
    let cli::Command::Up(arguments) = cli::Command::parse();
    panic::set_hook(Box::new(log::panicked));
    let serve = || signals.and_then(|signals| up::run(&arguments, signals));
    // A panic, too, must not end the process before its last lines are written.
    let served =
        panic::catch_unwind(AssertUnwindSafe(serve)).unwrap_or_else(|_| Err(anyhow!("the main thread panicked")));
    if let Err(error) = &served {
        log::print(format_args!("error: {error:#}\n"));
    }
    log::flush();
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
