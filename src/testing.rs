//! What the tests share.

use crate::{Answer, Body, Host, Received, respond};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::cell::RefCell;
use std::collections::HashMap;

/// A host that has variables in a map and one random number.
#[derive(Default)]
pub struct TestHost {
    variables: HashMap<&'static str, Result<&'static str, &'static str>>,
    random: u64,
    /// The names of the variables that were asked for, in order.
    pub asked: RefCell<Vec<String>>,
}

impl TestHost {
    pub fn with(variables: &[(&'static str, &'static str)]) -> Self {
        Self { variables: variables.iter().map(|(name, value)| (*name, Ok(*value))).collect(), ..Self::default() }
    }

    /// The same, with this random number.
    pub fn drawing(self, random: u64) -> Self {
        Self { random, ..self }
    }

    /// A host that knows the variable and cannot tell its value.
    pub fn failing(name: &'static str, reason: &'static str) -> Self {
        Self { variables: HashMap::from([(name, Err(reason))]), ..Self::default() }
    }
}

impl Host for TestHost {
    fn variable(&self, name: &str) -> Result<Option<String>, String> {
        self.asked.borrow_mut().push(name.to_owned());
        self.variables.get(name).copied().transpose().map(|value| value.map(str::to_owned)).map_err(str::to_owned)
    }

    fn random(&self) -> u64 {
        self.random
    }
}

/// A request head as a host hands it over.
pub fn received(method: &str, target: &str, fields: &[(&str, &str)]) -> Received {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    Received::new(method, target, fields.collect())
}

/// What the core answers with every variable at its default.
pub fn answer(method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
    respond(received(method, target, fields), &TestHost::default()).0
}

/// What the core answers to a GET without header fields.
pub fn get(target: &str) -> Answer {
    answer("GET", target, &[])
}

impl Answer {
    /// The status, as a number.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// A header field, empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| str::from_utf8(value.as_bytes()).unwrap())
    }

    /// The body, if it is a text.
    pub fn body(&self) -> &str {
        match self.response.body() {
            Body::Text(text) => text,
            other => panic!("the body is {other:?}"),
        }
    }

    /// The `detail` of a problem of that status.
    pub fn detail(&self, status: u16) -> String {
        let document: serde_json::Value = serde_json::from_str(self.body()).unwrap();
        assert_eq!(self.field("content-type"), "application/problem+json");
        assert_eq!((document["status"].as_u64(), self.status()), (Some(status.into()), status));
        document["detail"].as_str().unwrap().to_owned()
    }
}

/// Header fields from names and values.
pub fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    fields.iter().map(field).collect()
}
