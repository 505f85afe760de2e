use super::*;
use crate::testing::TestHost;

fn faults_of(name: &'static str, value: &str) -> Vec<String> {
    // A test may leak: the host of the tests borrows its values.
    faults(&TestHost::with(&[(name, value.to_owned().leak())]))
}

/// Name and default of every variable.
pub(crate) const DEFAULTS: [(&str, &str); ALL.len()] = [
    (VERSION.name, VERSION.default),
    (LOG_LEVEL.name, LOG_LEVEL.default),
    (LOG_FORMAT.name, LOG_FORMAT.default),
    (TRUSTED_HOPS.name, TRUSTED_HOPS.default),
    (HELLO_MAX_DELAY.name, HELLO_MAX_DELAY.default),
    (POD_NAME.name, POD_NAME.default),
    (NODE_NAME.name, NODE_NAME.default),
];

#[test]
fn each_variable_accepts_its_default_and_may_be_missing() {
    assert_eq!(faults(&TestHost::with(&DEFAULTS)), [""; 0]);
    assert_eq!(faults(&TestHost::default()), [""; 0]);
}

#[test]
fn accepted_and_refused_values_on_both_sides_of_each_limit() {
    let long = |length| "v".repeat(length);
    let cases: [(&'static str, &[&str], &[&str]); ALL.len()] = [
        (
            "version",
            &["v", "v1.2.3-rc.1+build", "!~", &long(128)],
            &["", " ", "a b", "é", "a\tb", "a\r\nb", &long(129)],
        ),
        ("log_level", &["error", "warn", "info", "debug"], &["", "INFO", "info ", "warning", "trace", "2"]),
        ("log_format", &["json", "text"], &["", "JSON", "logfmt"]),
        ("trusted_hops", &["0", "1", "16"], &["", "17", "-1", "+1", "1.0", " 1", "one", "99999999999999999999"]),
        ("hello_max_delay_ms", &["0", "2000", "10000"], &["", "10001", "-1", "+1", "1e3", "0x10", "2s"]),
        ("pod_name", &["", "httpserver-5d4f-x", &long(253)], &["a b", "é", "a\n", &long(254)]),
        ("node_name", &["", "node.example.com", &long(253)], &["a b", "é", "a\n", &long(254)]),
    ];
    for (name, accepted, refused) in cases {
        for value in accepted {
            assert_eq!(faults_of(name, value), [""; 0], "{name}={value:?}");
        }
        for value in refused {
            assert_eq!(faults_of(name, value).len(), 1, "{name}={value:?}");
        }
    }
}

#[test]
fn a_fault_says_the_name_the_value_and_what_is_accepted() {
    let expected = r#"variable trusted_hops is "1\n7"; accepted is a whole number from 0 to 16"#;
    assert_eq!(faults_of("trusted_hops", "1\n7"), [expected]);
    assert!(faults_of("version", &"é".repeat(1000))[0].len() < 200);
}

#[test]
fn every_bad_variable_is_reported() {
    let host = TestHost::with(&[("version", ""), ("log_level", "loud"), ("node_name", "a b")]);
    let faults = faults(&host);
    assert_eq!(faults.len(), 3);
    for (fault, name) in faults.iter().zip(["version", "log_level", "node_name"]) {
        assert!(fault.starts_with(&format!("variable {name} is ")), "{fault}");
    }
}

#[test]
fn a_variable_that_the_host_cannot_read_is_bad_too() {
    let host = TestHost::failing("log_level", "vault is sealed");
    let expected = r#"variable log_level cannot be read: "vault is sealed"; accepted is error, warn, info or debug"#;
    assert_eq!(faults(&host), [expected]);
    assert_eq!(LOG_LEVEL.read(&host), Level::Info);
}

#[test]
fn a_bad_value_reads_as_the_default() {
    let host = TestHost::with(&[("trusted_hops", "17"), ("hello_max_delay_ms", "soon"), ("version", "a b")]);
    assert_eq!(TRUSTED_HOPS.read(&host), 1);
    assert_eq!(HELLO_MAX_DELAY.read(&host), Duration::from_secs(2));
    assert_eq!(VERSION.read(&host), "dev");
}

#[test]
fn a_good_value_reads_as_itself() {
    let host = TestHost::with(&[("trusted_hops", "0"), ("hello_max_delay_ms", "15"), ("pod_name", "pod-1")]);
    assert_eq!(TRUSTED_HOPS.read(&host), 0);
    assert_eq!(HELLO_MAX_DELAY.read(&host), Duration::from_millis(15));
    assert_eq!(POD_NAME.read(&host), "pod-1");
}

#[test]
fn spin_toml_declares_these_variables_with_these_defaults() {
    let manifest: toml::Table = include_str!("../../spin.toml").parse().unwrap();
    let declared = manifest["variables"].as_table().unwrap();
    let passed_on = manifest["component"]["httpserver"]["variables"].as_table().unwrap();
    assert_eq!((declared.len(), passed_on.len()), (DEFAULTS.len(), DEFAULTS.len()));
    for (name, default) in DEFAULTS {
        assert_eq!(declared[name]["default"].as_str(), Some(default), "{name}");
        assert_eq!(passed_on[name].as_str(), Some(format!("{{{{ {name} }}}}").as_str()));
    }
}
