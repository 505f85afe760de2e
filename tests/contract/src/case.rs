//! The cases, as they are in the table. The head of `contract.toml` explains each key.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

const TABLE: &str = include_str!("../contract.toml");

/// Variables of the application, by name.
pub type Variables = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<Case>,
}

/// A request, and the expected response.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// What the server must be started with.
    #[serde(default)]
    pub variables: Variables,
    /// `METHOD TARGET`.
    request: String,
    /// How many `a` follow the target.
    #[serde(default)]
    padding: usize,
    /// `Name: value` lines.
    #[serde(default)]
    send: Vec<String>,
    pub body: Option<String>,
    /// The request's body in chunks.
    #[serde(default)]
    chunks: Vec<String>,
    expect: Expected,
    /// What is different on a target of that kind.
    #[serde(default)]
    on: BTreeMap<String, Difference>,
}

/// What a response must be like; in every text, `*` stands for any text.
#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub status: Option<u16>,
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    pub absent: Option<Vec<String>>,
    pub body: Option<String>,
    pub json: Option<Value>,
    pub log: Option<Log>,
}

impl Expected {
    /// Whether the request leaves a line in the access log.
    pub fn is_logged(&self) -> bool {
        !matches!(self.log, Some(Log::Present(false)))
    }
}

/// What the access log must say.
#[derive(Deserialize, Clone)]
#[serde(untagged)]
pub enum Log {
    /// Whether there is a line at all.
    Present(bool),
    /// The whole line.
    Line(String),
    /// Members of the line's object.
    Members(serde_json::Map<String, Value>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// Why the targets differ.
    because: String,
    /// What to expect instead; without it, the case cannot run there.
    expect: Option<Expected>,
}

/// All cases, in the table's order.
pub fn table() -> Vec<Case> {
    let table: Table = toml::from_str(TABLE).unwrap_or_else(|error| panic!("tests/contract/contract.toml: {error}"));
    table.case
}

impl Case {
    pub fn method(&self) -> &str {
        self.parts().0
    }

    /// The target without its query.
    pub fn path(&self) -> String {
        self.target().split('?').next().unwrap_or_default().to_owned()
    }

    fn target(&self) -> String {
        format!("{}{}", self.parts().1, "a".repeat(self.padding))
    }

    fn parts(&self) -> (&str, &str) {
        self.request.split_once(' ').unwrap_or_else(|| panic!("{:?} is not METHOD TARGET", self.request))
    }

    /// The request's bytes.
    pub fn bytes(&self, authority: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {authority}\r\n", self.method(), self.target());
        for line in &self.send {
            head.push_str(&format!("{line}\r\n"));
        }
        if let Some(body) = &self.body {
            return format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
        }
        if self.chunks.is_empty() {
            return format!("{head}\r\n").into_bytes();
        }
        let chunks: String = self.chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n").into_bytes()
    }

    /// Why the case cannot run on that kind of target, if it cannot.
    pub fn excluded_on(&self, kind: &str) -> Option<&str> {
        self.on.get(kind).filter(|difference| difference.expect.is_none()).map(|difference| &*difference.because)
    }

    /// What to expect on that kind of target.
    pub fn expected_on(&self, kind: &str) -> Expected {
        let mut expected = self.expect.clone();
        if let Some(instead) = self.on.get(kind).and_then(|difference| difference.expect.clone()) {
            expected.fields.extend(instead.fields);
            expected.absent = instead.absent.or(expected.absent);
            expected.status = instead.status.or(expected.status);
            expected.body = instead.body.or(expected.body);
            expected.json = instead.json.or(expected.json);
            expected.log = instead.log.or(expected.log);
        }
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the example of a target that is not on every machine.
    #[test]
    fn a_difference_replaces_what_is_expected() {
        const NAMED: &str = "a field that connection names does not come back";
        let case = table().into_iter().find(|case| case.name == NAMED).expect("the table has this case");
        let (runtime, spin) = (case.expected_on("runtime"), case.expected_on("spin"));
        assert_eq!((runtime.absent, runtime.fields.get("x-secret")), (Some(vec!["x-secret".to_owned()]), None));
        assert_eq!(spin.absent, Some(vec!["connection".to_owned()]));
        assert_eq!((&*spin.fields["x-secret"], &*spin.fields["x-open"]), ("1", "2"));
    }
}
