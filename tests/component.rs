//! The component from outside: what it imports and exports, against `tests/component-imports.toml`, and its size.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde::Deserialize;
use test_support::artifacts;
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{Resolve, WorldItem, WorldKey};

/// Bytes: a component is a download, and the pages it is read into are touched at every start.
const SHIP_SIZE: usize = 100_000;
const STABLE_SIZE: usize = 200_000;

const LIST: &str = include_str!("component-imports.toml");

/// Names of interfaces, each with the reason for it.
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
    // Where the flavour that ships cannot be made, the other one stands in for it.
    let no_ship = (ship == stable).then_some("not run: this toolchain cannot make what ships");
    let checks: [(&str, &[u8], Check); 7] = [
        ("ship: the imports are those of the list", &ship, ship_imports),
        ("ship: the export is the list's", &ship, exports),
        ("ship: the preview-1 adapter is not in it", &ship, no_adapter),
        ("ship: the size is at most 100 KB", &ship, |wasm, _| at_most(wasm, SHIP_SIZE)),
        ("stable: the imports are among those of the list", &stable, stable_imports),
        ("stable: the export is the list's", &stable, exports),
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
    Err(format!("imported and not in tests/component-imports.toml: {unlisted:?}; there and not imported: {unused:?}")
        .into())
}

fn stable_imports(wasm: &[u8], list: &List) -> Result<(), Failed> {
    let imports = interfaces(wasm, Side::Import)?;
    let unlisted: Vec<_> =
        imports.iter().filter(|name| !list.imports.contains_key(*name) && !list.stable.contains_key(*name)).collect();
    if unlisted.is_empty() {
        Ok(())
    } else {
        Err(format!("imported and not in tests/component-imports.toml: {unlisted:?}").into())
    }
}

fn exports(wasm: &[u8], list: &List) -> Result<(), Failed> {
    let exports = interfaces(wasm, Side::Export)?;
    if exports == list.export {
        Ok(())
    } else {
        Err(format!("exported: {exports:?}, expected {:?}", list.export).into())
    }
}

/// The adapter's core module carries the name of the interface that it translates from.
fn no_adapter(wasm: &[u8], _: &List) -> Result<(), Failed> {
    const PREVIEW_1: &[u8] = b"wasi_snapshot_preview1";
    let found = wasm.windows(PREVIEW_1.len()).any(|window| window == PREVIEW_1);
    if found { Err("something in it imports wasi_snapshot_preview1".into()) } else { Ok(()) }
}

fn at_most(wasm: &[u8], limit: usize) -> Result<(), Failed> {
    if wasm.len() <= limit { Ok(()) } else { Err(format!("{} bytes", wasm.len()).into()) }
}

enum Side {
    Import,
    Export,
}

/// The names of all that the component imports or exports.
fn interfaces(wasm: &[u8], side: Side) -> Result<BTreeSet<String>, Failed> {
    let DecodedWasm::Component(resolve, world) = decode(wasm).map_err(|error| format!("{error:#}"))? else {
        return Err("a WIT package and no component".into());
    };
    let world = &resolve.worlds[world];
    let items = match side {
        Side::Import => &world.imports,
        Side::Export => &world.exports,
    };
    // A type needs nothing of a host.
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
