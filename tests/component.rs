//! What the component imports and exports, compared with `tests/component-imports.toml`, and its size.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde::Deserialize;
use test_support::artifacts;
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{Resolve, WorldItem, WorldKey};

/// Bytes. A component is a download, and every start reads it into memory..
const SHIP_SIZE: usize = 140_000;
const STABLE_SIZE: usize = 200_000;

const LIST: &str = include_str!("component-imports.toml");

/// Names of interfaces, each with its reason.
type Reasons = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    export: BTreeSet<String>,
    imports: Reasons,
    stable: Reasons,
}

type Check = fn(&[u8], &List) -> Result<(), Failed>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let ship = fs::read(artifacts::component()).expect("the component was built");
    let stable = fs::read(artifacts::stable_component()).expect("the component was built");
    // A toolchain that cannot make the flavour `ship` puts the other one in its place.
    let no_ship = (ship == stable).then_some("not run: this toolchain cannot make the flavour `ship`");
    let checks: [(&str, &[u8], Check); _] = [
        ("ship: the imports are exactly those of the list", &ship, ship_imports),
        ("ship: the export is that of the list", &ship, exports),
        ("ship: it does not contain the adapter from preview 1", &ship, no_adapter),
        ("ship: the size is at most 140 KB", &ship, |wasm, _| at_most(wasm, SHIP_SIZE)),
        ("stable: the list has all imports", &stable, stable_imports),
        ("stable: the export is that of the list", &stable, exports),
        ("stable: the size is at most 200 KB", &stable, |wasm, _| at_most(wasm, STABLE_SIZE)),
    ];
    let trials = checks.map(|(name, wasm, check)| {
        let wasm = wasm.to_vec();
        let not_run = no_ship.filter(|_| name.starts_with("ship"));
        Trial::ignorable_test(name, move || match not_run {
            Some(reason) => Ok(Completion::ignored_with(reason)),
            None => check(&wasm, &toml::from_str(LIST)?).map(|()| Completion::Completed),
        })
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn ship_imports(wasm: &[u8], list: &List) -> Result<(), Failed> {
    let imports = interfaces(wasm, Side::Import)?;
    let listed: BTreeSet<_> = list.imports.keys().cloned().collect();
    let unlisted: Vec<_> = imports.difference(&listed).collect();
    let unused: Vec<_> = listed.difference(&imports).collect();
    if unlisted.is_empty() && unused.is_empty() {
        return Ok(());
    }
    Err(format!(
        "imported, but not in tests/component-imports.toml: {unlisted:?}; in the file, but not imported: {unused:?}"
    )
    .into())
}

fn stable_imports(wasm: &[u8], list: &List) -> Result<(), Failed> {
    let imports = interfaces(wasm, Side::Import)?;
    let unlisted: Vec<_> =
        imports.iter().filter(|name| !list.imports.contains_key(*name) && !list.stable.contains_key(*name)).collect();
    if unlisted.is_empty() {
        Ok(())
    } else {
        Err(format!("imported, but not in tests/component-imports.toml: {unlisted:?}").into())
    }
}

fn exports(wasm: &[u8], list: &List) -> Result<(), Failed> {
    let exports = interfaces(wasm, Side::Export)?;
    if exports == list.export {
        Ok(())
    } else {
        Err(format!("invalid exports {exports:?}: expected {:?}", list.export).into())
    }
}

/// The adapter's core module carries the name of the interface that it translates from.
fn no_adapter(wasm: &[u8], _: &List) -> Result<(), Failed> {
    const PREVIEW_1: &[u8] = b"wasi_snapshot_preview1";
    let found = wasm.windows(PREVIEW_1.len()).any(|window| window == PREVIEW_1);
    if found { Err("it contains something that imports wasi_snapshot_preview1".into()) } else { Ok(()) }
}

fn at_most(wasm: &[u8], limit: usize) -> Result<(), Failed> {
    if wasm.len() <= limit {
        Ok(())
    } else {
        Err(format!("invalid size {}: expected at most {limit} bytes", wasm.len()).into())
    }
}

enum Side {
    Import,
    Export,
}

/// The names of the interfaces that the component imports or exports.
fn interfaces(wasm: &[u8], side: Side) -> Result<BTreeSet<String>, Failed> {
    let DecodedWasm::Component(resolve, world) = decode(wasm).map_err(|error| format!("{error:#}"))? else {
        return Err("expected a component, got a WIT package".into());
    };
    let world = &resolve.worlds[world];
    let items = match side {
        Side::Import => &world.imports,
        Side::Export => &world.exports,
    };
    // A type does not need anything from a host.
    let needed = items.iter().filter(|(_, item)| !matches!(item, WorldItem::Type { .. }));
    Ok(needed.map(|(key, _)| name(&resolve, key)).collect())
}

/// `NAMESPACE:PACKAGE/INTERFACE@MAJOR.MINOR`.
fn name(resolve: &Resolve, key: &WorldKey) -> String {
    let name = resolve.name_world_key(key);
    let Some((name, version)) = name.split_once('@') else { return name };
    let minor: Vec<_> = version.splitn(3, '.').take(2).collect();
    format!("{name}@{}", minor.join("."))
}
