//! `cargo xtask bench`: what WebAssembly costs. Starts contenders side by side, puts them under the same load, and prints what each
//! did.

mod against;
mod arguments;
mod clocks;
mod contenders;
mod cpu;
mod machine;
mod measure;
mod oha;
mod plan;
mod plots;
mod ratios;
mod request;
mod results;
mod scenarios;
mod server;
mod statistics;
mod table;
mod wrk;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use test_support::artifacts;
use test_support::tls::Identity;

use arguments::Arguments;
use contenders::{Contender, OURS, Program};
use measure::Bench;
use oha::Oha;
use plan::{Effort, Entry};
use results::Results;
use scenarios::SCENARIOS;
use server::{Manner, Server, Surroundings};
use wrk::Wrk;

/// Measures what WebAssembly costs against other servers.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench", version)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    match run(&Cli::parse().arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `{:?}`, which prints a stack if RUST_BACKTRACE is set.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let contenders = contenders::all(&arguments.programs)?;
    if arguments.list {
        list(&contenders);
        return Ok(());
    }
    let entries = plan::select(arguments, &contenders)?;
    ensure!(!entries.is_empty(), "nothing to measure: no contender of --only can be in a scenario of --only");
    // Before anything is measured: a mistake shows at once.
    let before = arguments.against.as_deref().map(read).transpose()?;
    let folder = tempfile::tempdir_in(artifacts::root().join("target"))?;
    let (bench, _sink) = bench(arguments, folder.path())?;
    let machine = machine::describe()?;
    eprintln!("checking that each contender responds as it has to");
    for entry in &entries {
        bench.check(entry)?;
    }
    let mut rows = Vec::new();
    for entry in &entries {
        rows.extend(bench.run(entry, |what| eprintln!("{what}")));
    }
    let ratios = ratios::all(&rows, &arguments.programs, &contenders);
    let results = Results { machine, settings: settings(arguments, &bench, &entries), rows, ratios };
    print!("{}", table::whole(&results));
    save(&results, &artifacts::root().join(&arguments.output))?;
    let comparison = before.map_or(Ok(()), |before| compare(&before, &results));
    let failed = results.rows.iter().filter(|row| row.failure.is_some()).count();
    ensure!(failed == 0, "{failed} rows failed, see above");
    comparison
}

/// What measures, and the server that takes telemetry.
fn bench(arguments: &Arguments, folder: &Path) -> Result<(Bench, Server)> {
    let clients = &arguments.client_cores;
    let wrk = Wrk { program: artifacts::tool("wrk"), cores: clients.clone(), folder: folder.to_owned() };
    let oha = Oha { program: artifacts::tool("oha"), cores: clients.clone() };
    let mut surroundings = Surroundings {
        cores: clients.clone(),
        folder: folder.to_owned(),
        sink: String::new(),
        identity: Rc::new(Identity::generate()),
    };
    let program = Program::Plain(contenders::floor());
    let sink = Server::start_program(&program, &contenders::PLAIN, &surroundings, Manner::default())?;
    surroundings.sink = sink.url();
    surroundings.cores.clone_from(&arguments.server_cores);
    Ok((Bench { effort: Effort::of(arguments), surroundings, wrk, oha }, sink))
}

/// Writes the results as JSON, and a picture of each scenario.
fn save(results: &Results, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = folder.join("results.json");
    fs::write(&file, serde_json::to_vec_pretty(results)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    for scenario in SCENARIOS {
        let rows: Vec<_> = results.rows.iter().filter(|row| row.scenario == scenario.name).collect();
        if !rows.is_empty() {
            plots::draw(&folder.join(scenario.name).with_extension("svg"), scenario.what, &rows)?;
        }
    }
    println!("\n{}; the same folder has a picture of each scenario", file.display());
    Ok(())
}

fn read(file: &Path) -> Result<Results> {
    let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} has no results of this program", file.display()))
}

/// Prints what changed since `before`; an error if something became worse.
fn compare(before: &Results, after: &Results) -> Result<()> {
    let changes = against::changes(before, after);
    println!("\nchanges since the other run\n{}", table::of_changes(&changes));
    let worse = changes.iter().filter(|change| change.is_worse()).count();
    ensure!(worse == 0, "{worse} figures became worse beyond the noise");
    Ok(())
}

fn settings(arguments: &Arguments, bench: &Bench, entries: &[Entry]) -> BTreeMap<String, String> {
    let cores = |list: &Option<String>| list.clone().unwrap_or_else(|| "all".to_owned());
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, value: String| settings.insert(name.to_owned(), value);
    set("rounds", bench.effort.rounds.to_string());
    set("seconds", format!("{} after {} of warm-up", bench.effort.seconds, bench.effort.warm_up));
    set("server's cores", cores(&arguments.server_cores));
    set("client's cores", cores(&arguments.client_cores));
    set("client", format!("wrk or oha, {} thread, on the same machine, over loopback", wrk::THREADS));
    let mut taking_part: Vec<_> = entries.iter().flat_map(|entry| entry.contenders.iter().copied()).collect();
    taking_part.sort_by(|one, other| one.name.cmp(&other.name));
    taking_part.dedup_by(|one, other| one.name == other.name);
    settings.extend(machine::programs(&taking_part));
    settings
}

fn list(contenders: &[Contender]) {
    println!("scenarios:");
    for scenario in SCENARIOS {
        println!("  {:20} {}", scenario.name, scenario.what);
    }
    println!("\ncontenders; every ratio is against {OURS}:");
    for contender in contenders {
        println!("  {:20} {}", contender.name, contender.what);
    }
}
