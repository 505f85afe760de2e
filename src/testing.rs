//! What the unit tests share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::host::Host;
use crate::request::RequestHead;
use crate::respond;
use crate::response::{Body, Outcome};

/// A host with a map of variables and one random number.
#[derive(Default)]
pub struct TestHost {
    variables: HashMap<String, Result<String, String>>,
    random: u64,
    /// The names of the variables that were read, in order.
    pub reads: RefCell<Vec<String>>,
    /// What was added to counters, in order.
    pub adds: RefCell<Vec<(String, i64)>>,
    /// How often all counters were read.
    pub listings: Cell<usize>,
    counters: RefCell<HashMap<String, i64>>,
    is_full: bool,
    broken: Option<String>,
}

impl TestHost {
    /// A host whose variables have these values.
    pub fn with<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), Ok(value.into())));
        Self { variables: variables.collect(), ..Self::default() }
    }

    /// Sets the random number.
    pub fn with_random(self, random: u64) -> Self {
        Self { random, ..self }
    }

    /// A host that cannot give the value of this variable.
    pub fn failing(name: &str, reason: &str) -> Self {
        Self { variables: HashMap::from([(name.into(), Err(reason.into()))]), ..Self::default() }
    }

    /// The same host, whose counters cannot become more.
    pub fn with_full_store(self) -> Self {
        Self { is_full: true, ..self }
    }

    /// The same host, which keeps no counters, for that reason.
    pub fn with_broken_store(self, reason: &str) -> Self {
        Self { broken: Some(reason.into()), ..self }
    }

    /// The outcome of a request.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Outcome {
        respond(request_head(method, target, headers), self).0
    }

    /// The outcome of a GET without headers.
    pub fn get(&self, target: &str) -> Outcome {
        self.send("GET", target, &[])
    }
}

impl Host for TestHost {
    fn variable(&self, name: &str) -> Result<Option<String>, String> {
        self.reads.borrow_mut().push(name.to_owned());
        self.variables.get(name).cloned().transpose()
    }

    fn random(&self) -> u64 {
        self.random
    }

    fn add(&self, counter: &str, number: i64) -> Result<(), String> {
        self.adds.borrow_mut().push((counter.to_owned(), number));
        let mut counters = self.counters.borrow_mut();
        match &self.broken {
            Some(reason) => return Err(reason.clone()),
            None if self.is_full && !counters.contains_key(counter) => return Err("full".to_owned()),
            None => *counters.entry(counter.to_owned()).or_default() += number,
        }
        Ok(())
    }

    fn counters(&self) -> Result<Vec<(String, i64)>, String> {
        self.listings.set(self.listings.get() + 1);
        Ok(self.counters.borrow().iter().map(|(counter, number)| (counter.clone(), *number)).collect())
    }
}

/// The head of a request, as from a host.
pub fn request_head<'a>(method: &str, target: &str, headers: &'a [(&str, &str)]) -> RequestHead<'a> {
    let header = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
    RequestHead::new(method, target, move || headers.iter().map(header).collect())
}

/// The outcome of a request when every variable has its default.
pub fn send(method: &str, target: &str, headers: &[(&str, &str)]) -> Outcome {
    TestHost::default().send(method, target, headers)
}

/// The outcome of a GET without headers when every variable has its default.
pub fn get(target: &str) -> Outcome {
    send("GET", target, &[])
}

impl Outcome {
    /// The status as a number.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The value of a header. Empty if the response does not have it.
    pub fn field(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| str::from_utf8(value.as_bytes()).unwrap())
    }

    /// The body, which must be a text.
    pub fn body(&self) -> &str {
        match self.response.body() {
            Body::Text(text) => text,
            other => panic!("the body is {other:?}"),
        }
    }

    /// The `detail` of the body, which must be a problem with this status.
    pub fn detail(&self, status: u16) -> String {
        let document: serde_json::Value = serde_json::from_str(self.body()).unwrap();
        assert_eq!(self.field("content-type"), "application/problem+json");
        assert_eq!((document["status"].as_u64(), self.status()), (Some(status.into()), status));
        document["detail"].as_str().unwrap().to_owned()
    }
}

/// Headers from names and values.
pub fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    headers.iter().map(header).collect()
}
