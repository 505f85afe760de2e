use super::*;
use crate::testing::TestHost;

fn errors_with(name: &str, value: &str) -> Vec<String> {
    errors(&TestHost::with([(name, value)]))
}

/// The names of all variables.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|variable| variable.name())
}

#[test]
fn each_variable_accepts_its_default_and_may_be_missing() {
    assert_eq!(errors(&TestHost::with(ALL.iter().map(|variable| (variable.name(), variable.default())))), [""; 0]);
    assert_eq!(errors(&TestHost::default()), [""; 0]);
}

#[test]
fn good_and_bad_values_on_both_sides_of_each_limit() {
    let long = |length| "v".repeat(length);
    let cases: [(&str, &[&str], &[&str]); ALL.len()] = [
        (
            "version",
            &["v", "v1.2.3-rc.1+build", "!~", &long(128)],
            &["", " ", "a b", "é", "a\tb", "a\r\nb", &long(129)],
        ),
        (
            "log",
            &["json", "text", "json:error", "json:warn", "json:info", "json:debug", "text:error", "text:debug"],
            &[
                "",
                ":",
                "JSON",
                "logfmt",
                "info",
                "warn:text",
                ":warn",
                "json:",
                "json:WARN",
                "text: warn",
                "text:warn:",
            ],
        ),
        ("trusted_hops", &["0", "1", "16"], &["", "17", "-1", "+1", "1.0", " 1", "one", "99999999999999999999"]),
        ("hello_max_delay_ms", &["0", "2000", "10000"], &["", "10001", "-1", "+1", "1e3", "0x10", "2s"]),
        ("metrics", &["on", "off"], &["", "ON", "true", "1"]),
        ("pod_name", &["", "httpserver-5d4f-x", &long(253)], &["a b", "é", "a\n", &long(254)]),
        ("node_name", &["", "node.example.com", &long(253)], &["a b", "é", "a\n", &long(254)]),
        ("log_level", &[""], &["info", "warn", " "]),
        ("log_format", &[""], &["json", "text", "json:warn"]),
    ];
    assert!(names().eq(cases.map(|(name, ..)| name)));
    for (name, good, bad) in cases {
        for value in good {
            assert_eq!(errors_with(name, value), [""; 0], "{name}={value:?}");
        }
        for value in bad {
            assert_eq!(errors_with(name, value).len(), 1, "{name}={value:?}");
        }
    }
}

#[test]
fn an_error_has_the_name_the_value_and_what_is_expected() {
    let expected = r#"invalid variable trusted_hops "1\n7": expected a whole number from 0 to 16, such as 1"#;
    assert_eq!(errors_with("trusted_hops", "1\n7"), [expected]);
    assert!(errors_with("version", &"é".repeat(1000))[0].len() < 200);
}

#[test]
fn every_bad_variable_is_reported() {
    // No variable may contain a line feed.
    let errors = errors(&TestHost::with(names().map(|name| (name, "\n"))));
    assert_eq!(errors.len(), ALL.len());
    for (error, name) in errors.iter().zip(names()) {
        assert!(error.starts_with(&format!("invalid variable {name} ")), "{error}");
    }
}

#[test]
fn a_variable_that_the_host_cannot_read_is_reported_and_has_its_default() {
    let host = TestHost::failing("log", "vault is sealed");
    assert_eq!(errors(&host), [r#"cannot read variable log: "vault is sealed""#]);
    assert_eq!(LOG.read(&host), Log { format: Format::Json, level: Level::Info });
}

#[test]
fn a_bad_value_reads_as_the_default() {
    let host = TestHost::with([("trusted_hops", "17"), ("hello_max_delay_ms", "soon"), ("version", "a b")]);
    assert_eq!(TRUSTED_HOPS.read(&host), 1);
    assert_eq!(HELLO_MAX_DELAY.read(&host), Duration::from_secs(2));
    assert_eq!(VERSION.read(&host), "dev");
}

#[test]
fn a_good_value_reads_as_itself() {
    let host = TestHost::with([("trusted_hops", "0"), ("hello_max_delay_ms", "15"), ("pod_name", "pod-1")]);
    assert_eq!(TRUSTED_HOPS.read(&host), 0);
    assert_eq!(HELLO_MAX_DELAY.read(&host), Duration::from_millis(15));
    assert_eq!(POD_NAME.read(&host), "pod-1");
}

#[test]
fn the_log_has_each_level_in_each_format() {
    for (level, name) in Level::NAMES {
        assert_eq!(level.name(), name);
        assert!(LOG.expected.contains(&format!(":{name}")));
        for (format, value) in [(Format::Json, format!("json:{name}")), (Format::Text, format!("text:{name}"))] {
            assert_eq!(LOG.read(&TestHost::with([("log", &*value)])), Log { format, level });
        }
    }
    let alone = TestHost::with([("log", "text")]);
    assert_eq!(LOG.read(&alone), Log { format: Format::Text, level: Level::Info });
}

#[test]
fn a_variable_of_an_earlier_version_tells_what_to_write_now() {
    for variable in [LOG_LEVEL, LOG_FORMAT] {
        let [error] = &errors_with(variable.name, "text")[..] else { panic!("one error") };
        let advice = error.split_once(r#" "text": expected the variable log instead, such as log="#).unwrap().1;
        assert_eq!(errors_with("log", advice), [""; 0], "{error}");
    }
}

#[test]
fn spin_toml_declares_these_variables_with_these_defaults() {
    let manifest: toml::Table = include_str!("../../spin.toml").parse().unwrap();
    let declared = manifest["variables"].as_table().unwrap();
    let passed_on = manifest["component"]["httpserver"]["variables"].as_table().unwrap();
    assert_eq!((declared.len(), passed_on.len()), (ALL.len(), ALL.len()));
    for (name, default) in ALL.iter().map(|variable| (variable.name(), variable.default())) {
        assert_eq!(declared[name]["default"].as_str(), Some(default), "{name}");
        assert_eq!(passed_on[name].as_str(), Some(format!("{{{{ {name} }}}}").as_str()));
    }
}
