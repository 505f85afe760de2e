//! The key-value store, as a guest sees it.

use test_support::App;

/// The manifest of the guest with that line for its component.
fn with(line: &str) -> App {
    App::guest().file("spin.toml", format!("{}{line}\n", App::PLAIN_MANIFEST))
}

const DEFAULT: &str = r#"key_value_stores = ["default"]"#;

#[test]
fn every_function_of_the_store_does_what_spins_does() {
    let server = with(DEFAULT).start();
    let expected = r#"open other Err(Error::AccessDenied)
set Ok(())
get Ok(Some([111, 110, 101]))
exists Ok(true)
increment what is no number Err(Error::Other("invalid value of 3 bytes to add to: expected a number of 8"))
increment Ok(-2)
its bytes Ok(Some([254, 255, 255, 255, 255, 255, 255, 255]))
set many Ok(())
get many Ok([("b", Some([116, 119, 111])), ("none", None), ("c", Some([]))])
delete many Ok(())
delete Ok(())
keys (["a", "n"], None)
a cursor Err(Error::Other("invalid cursor: expected none, all keys come at once"))
too large Err(Error::Other("the key-value store is full: expected at most 4194304 bytes of keys and values, with 128 more for each key; raise --max-store"))
a long key Err(Error::Other("invalid key of 2000 bytes: expected at most 1024"))
current Ok(Some([111, 110, 101]))
swap again true
swapped Ok(Some([115, 119, 97, 112, 112, 101, 100]))
handles have a limit true
a handle Err(Error::Other("too many open handles: expected that some are dropped"))
"#;
    assert_eq!(server.get("/keyvalue").text(), expected);
    // The next instance finds what this one left.
    assert!(server.get("/keyvalue").text().contains("increment Ok(-4)\n"));
    server.stderr.line_with("the key-value store is full: expected at most 4194304 bytes");
}

#[test]
fn an_application_whose_manifest_names_no_store_has_none() {
    let server = with("").start();
    let expected = "open other Err(Error::AccessDenied)\nopen default Error::AccessDenied\n";
    assert_eq!(server.get("/keyvalue").text(), expected);
    let line = server.stderr.line_with("key-value store");
    assert!(line.ends_with(
        "no access to the key-value store \"other\": expected one that key_value_stores in spin.toml names"
    ));
}

#[test]
fn another_store_than_default_is_refused_with_its_line() {
    let finished = with(r#"key_value_stores = ["cache"]"#).run();
    assert_eq!(finished.code, Some(1));
    let expected = "spin.toml:11:21: invalid key-value store \"cache\": expected \"default\"; ";
    assert!(finished.stderr.contains(expected), "{}", finished.stderr);
}

#[test]
fn the_size_of_the_store_can_be_set() {
    let server = with(DEFAULT).arg("--max-store=9000000").start();
    assert!(server.get("/keyvalue").text().contains("too large Ok(())\n"));
    assert!(server.stderr.lines().iter().all(|line| !line.contains("full")));
}
