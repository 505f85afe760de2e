//! What a request costs the component, in exact figures: the variables that it reads, its calls of the host, how often its memory
//! grows, and the instructions that it executes. `tests/component-budget.toml` has the figures that were agreed on. They say what to
//! expect on any host, since calls are what costs most on Spin.

mod calls;
mod host;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::{env, fs};

use serde::{Deserialize, Serialize};
use test_support::artifacts;

use host::Host;

/// The agreed figures, from the root of the repository.
const FILE: &str = "tests/component-budget.toml";

/// Writes the figures of this run to [`FILE`].
const WRITE: &str = "HTTPSERVER_WRITE_BUDGET";

/// Instructions may be this much more than agreed, in per cent: another compiler of the same version numbers them a little differently.
const TOLERANCE: u64 = 1;

/// What one request cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    /// The variables that were read, in their order. On Spin each one is a template with one part.
    variables: Vec<String>,
    /// How often the memory grew.
    memory_growths: usize,
    /// Instructions of WebAssembly, as wasmtime counts them as fuel.
    instructions: u64,
    /// Calls of the host, by interface and function. Drops of resources are not in it.
    calls: BTreeMap<String, usize>,
}

/// A request: its name in the budget, its target, its fields, and the variables that are set.
type Request = (&'static str, &'static str, Pairs, Pairs);

/// Names with values.
type Pairs = &'static [(&'static str, &'static str)];

/// What Spin and the runtime add to every request, and what `curl` sends.
const FIELDS: Pairs = &[
    ("accept", "*/*"),
    ("user-agent", "curl/8.0"),
    ("spin-path-info", "/"),
    ("spin-full-url", "http://localhost:3000/"),
    ("spin-matched-route", "/..."),
    ("spin-base-path", "/"),
    ("spin-raw-component-route", "/..."),
    ("spin-component-route", ""),
    ("spin-client-addr", "127.0.0.1:50000"),
];

const FORWARDED: Pairs = &[
    ("accept", "*/*"),
    ("user-agent", "curl/8.0"),
    ("x-forwarded-for", "203.0.113.7"),
    ("spin-client-addr", "10.0.0.9:50000"),
];

const REQUESTS: &[Request] = &[
    ("/", "/", FIELDS, &[]),
    ("/, forwarded", "/", FORWARDED, &[]),
    ("/, without a line", "/", FIELDS, &[("log", "json:error")]),
    ("/healthz", "/healthz", FIELDS, &[]),
    ("/healthz, with a line", "/healthz", FIELDS, &[("log", "json:debug")]),
    ("/readyz", "/readyz", FIELDS, &[]),
    ("/version", "/version", FIELDS, &[]),
    ("/headers", "/headers", FIELDS, &[]),
    ("/ip", "/ip", FIELDS, &[]),
    ("/hello", "/hello?max-delay=0", FIELDS, &[]),
    ("/status/{code}", "/status/404", FIELDS, &[]),
    ("/openapi.json", "/openapi.json", FIELDS, &[]),
    ("/metrics, which are off", "/metrics", FIELDS, &[]),
];

#[test]
fn each_request_keeps_to_its_budget() {
    let host = Host::new(&artifacts::component());
    let measured: BTreeMap<_, _> = REQUESTS
        .iter()
        .map(|(name, target, fields, variables)| (name.to_string(), host.cost(target, fields, variables)))
        .collect();
    let file = artifacts::root().join(FILE);
    if env::var_os(WRITE).is_some() {
        fs::write(&file, text(&measured)).unwrap();
    }
    let agreed: BTreeMap<String, Cost> = toml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let names = |costs: &BTreeMap<String, Cost>| costs.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&measured), names(&agreed), "the requests of {FILE}");

    let mut problems = String::new();
    for (name, cost) in &measured {
        let agreed = &agreed[name];
        let most = agreed.instructions + agreed.instructions * TOLERANCE / 100;
        let exact = Cost { instructions: agreed.instructions, ..cost.clone() };
        if cost.instructions > most || exact != *agreed {
            let _ = writeln!(problems, "{name}: measured {cost:?}\n{name}: agreed   {agreed:?}");
        }
    }
    assert!(problems.is_empty(), "{problems}to agree on what was measured: {WRITE}=1 cargo xtask test -- budget");
}

#[test]
fn the_memory_of_no_request_grows() {
    let host = Host::new(&artifacts::component());
    for (name, target, fields, variables) in REQUESTS {
        assert_eq!(host.cost(target, fields, variables).memory_growths, 0, "{name}");
    }
}

fn text(costs: &BTreeMap<String, Cost>) -> String {
    let about = "# What a request costs the component: the agreed figures of runtime/tests/budget.\n\n";
    about.to_owned() + &toml::to_string_pretty(costs).unwrap()
}
