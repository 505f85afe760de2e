//! The flags of the program. `cargo xtask bench` has them too and includes this file, which therefore needs nothing but clap.

use std::path::PathBuf;

use clap::Args;

/// What to measure, and how long.
#[derive(Args)]
pub struct Arguments {
    /// A minute: three short rounds of two scenarios with the main contenders, or of what --only names
    #[arg(long)]
    pub quick: bool,

    /// Only these scenarios and contenders; once for each, or with commas between
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub only: Vec<String>,

    /// Another build of `httpserver` as a contender; once for each
    #[arg(long = "program", value_name = "NAME=PATH")]
    pub programs: Vec<String>,

    /// How often each contender is measured [default: 5, or 3 with --quick]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: Option<u32>,

    /// Seconds of load in each measurement [default: 4, or 2 with --quick]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: Option<u32>,

    /// The cores of the servers, as taskset(1) takes them, such as 0-3 [default: all]
    #[arg(long, value_name = "LIST")]
    pub server_cores: Option<String>,

    /// The cores of the load generator [default: all]
    #[arg(long, value_name = "LIST")]
    pub client_cores: Option<String>,

    /// The folder for the results
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    pub output: PathBuf,

    /// The results of another run, to compare with; the exit code is 1 if something became worse beyond the noise
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,

    /// Print the names of the scenarios and contenders, and measure nothing
    #[arg(long)]
    pub list: bool,
}
