//! What has to be said in several places: each route and each variable in the contract, each variable in the manifests.

use std::collections::BTreeSet;
use std::fs;

use test_support::variables;

use crate::tables::routes;

/// The contract.
const TABLE: &str = "tests/contract/contract.toml";

fn cases() -> Vec<toml::Value> {
    let table: toml::Table = fs::read_to_string(TABLE).expect("the contract").parse().expect("TOML");
    table["case"].as_array().expect("an array of cases").clone()
}

/// The case whose name begins like that.
fn case(name: &str) -> toml::Value {
    let found = cases().into_iter().find(|case| case["name"].as_str().is_some_and(|it| it.starts_with(name)));
    found.unwrap_or_else(|| panic!("{TABLE} has no case {name:?}"))
}

fn keys(table: &toml::Value) -> BTreeSet<String> {
    table.as_table().expect("a table").keys().cloned().collect()
}

#[test]
fn every_route_has_a_case_of_the_contract() {
    let targets = cases();
    let targets: Vec<_> = targets.iter().filter_map(|case| case["request"].as_str()?.split(' ').nth(1)).collect();
    let is_for = |target: &&str, path: &str| match path.split_once('{') {
        Some((prefix, _)) => target.starts_with(prefix),
        None => target.split('?').next() == Some(path),
    };
    let silent: Vec<_> =
        routes().into_keys().filter(|path| !targets.iter().any(|target| is_for(target, path))).collect();
    assert!(silent.is_empty(), "no case of {TABLE} asks {silent:?}");
}

#[test]
fn the_contract_expects_every_route_in_the_description() {
    let told = keys(&case("the description tells the routes")["expect"]["json"]["paths"]);
    assert_eq!(told, routes().into_keys().collect());
}

#[test]
fn the_contract_has_a_bad_value_of_every_variable() {
    let bad = keys(&case("readiness names every bad variable")["variables"]);
    assert_eq!(bad, variables::declared().into_keys().collect());
}

#[test]
fn every_variable_has_a_value_on_kubernetes() {
    let read = |path| fs::read_to_string(path).expect("a file of the manifests");
    let manifests = read("manifests/base/config.env") + &read("manifests/base/deployment.yaml");
    let names = variables::for_operators().into_keys().map(|name| variables::in_environment(&name));
    let missing: Vec<_> = names.filter(|name| !manifests.contains(name)).collect();
    assert!(missing.is_empty(), "neither config.env nor deployment.yaml in manifests/base has {missing:?}");
}
