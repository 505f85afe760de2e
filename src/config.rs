//! The variables: `spin.toml` declares them, an operator sets them. Each has its default and its reason here.
//!
//! A component has no start-up phase that could fail, so a bad value does not stop the server. The routes use the default, and
//! `/readyz` reports the value, which stops a bad rollout.
//!
//! A variable is read only where and when it is needed, because each read is a call to the host.

use std::time::Duration;

use http::HeaderValue;

use crate::host::Host;
use variable::{AnyVariable, Variable};

mod variable;

/// The value of the response header `version`. A deployment sets it. `dev` says that none did.
pub const VERSION: Variable<HeaderValue> = Variable {
    name: "version",
    default: "dev",
    expected: "1 to 128 visible ASCII characters, such as v1.2",
    parse: |value| {
        if value.is_empty() || !is_visible(value, 128) {
            return None;
        }
        HeaderValue::try_from(value.to_owned()).ok()
    },
};

/// The access log: the form of its lines and, after a colon, which entries it has. The default is the form that log collectors read,
/// without successful probes, which would outnumber everything else. Both are one variable, because each one that a request reads
/// takes Spin 17 to 35 µs.
pub const LOG: Variable<Log> = Variable {
    name: "log",
    default: "json",
    expected: "json or text, alone or with :error, :warn, :info or :debug, such as json:warn",
    parse: |value| {
        let (format, level) = match value.split_once(':') {
            Some((format, level)) => (format, Level::named(level)?),
            None => (value, Level::Info),
        };
        Some(Log { format: Format::named(format)?, level })
    },
};

/// How many proxies in front of the server are believed. The default is for one, an ingress controller. More than 16 is a
/// mistake.
pub const TRUSTED_HOPS: Variable<usize> = Variable {
    name: "trusted_hops",
    default: "1",
    expected: "a whole number from 0 to 16, such as 1",
    parse: |value| number(value, 16).map(|hops| hops as usize),
};

/// The longest delay of `/hello`. The default is long enough to see requests overlap. The limit is below the timeouts of common
/// proxies.
pub const HELLO_MAX_DELAY: Variable<Duration> = Variable {
    name: "hello_max_delay_ms",
    default: "2000",
    expected: "a whole number from 0 to 10000, such as 2000",
    parse: |value| number(value, 10_000).map(Duration::from_millis),
};

/// Whether responses are counted, for `/metrics`. The default is for hosts that keep their key-value store in a file: with a commit to
/// disk for each number, Spin handles 46 requests a second. Where the store is in memory, the deployment turns it on.
pub const METRICS: Variable<bool> = Variable {
    name: "metrics",
    default: "off",
    expected: "on or off",
    parse: |value| match value {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    },
};

/// The name of the pod, for `/version`. Empty outside Kubernetes.
pub const POD_NAME: Variable<String> = kubernetes_name("pod_name");

/// The name of the node, for `/version`. Empty outside Kubernetes.
pub const NODE_NAME: Variable<String> = kubernetes_name("node_name");

/// The level of the log, before [`LOG`] had it.
const LOG_LEVEL: Variable<()> = replaced("log_level", "the variable log instead, such as log=json:warn");

/// The format of the log, before [`LOG`] had it.
const LOG_FORMAT: Variable<()> = replaced("log_format", "the variable log instead, such as log=text");

/// All variables.
const ALL: &[&dyn AnyVariable] =
    &[&VERSION, &LOG, &TRUSTED_HOPS, &HELLO_MAX_DELAY, &METRICS, &POD_NAME, &NODE_NAME, &LOG_LEVEL, &LOG_FORMAT];

/// What the access log is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The form of its lines.
    pub format: Format,
    /// The least important entries that it has. It has the more important ones, too.
    pub level: Level,
}

/// How important a log entry is, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum Level {
    /// Responses with a status of 5xx.
    Error,
    /// Nothing. It exists because operators expect these four levels.
    Warn,
    /// All other requests.
    Info,
    /// Successful probes: several a minute, as long as the server runs.
    Debug,
}

impl Level {
    /// The levels in their order, and what the variable and the log call them.
    const NAMES: [(Self, &str); 4] =
        [(Self::Error, "error"), (Self::Warn, "warn"), (Self::Info, "info"), (Self::Debug, "debug")];

    /// The name in the log.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, its)| *its == name).map(|(level, _)| level)
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object.
    Json,
    /// `TIME LEVEL METHOD PATH STATUS NAME=VALUE…`
    Text,
}

impl Format {
    fn named(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "text" => Some(Self::Text),
            _ => None,
        }
    }
}

/// What is wrong with the variables: one text for each bad value.
pub fn errors(host: &dyn Host) -> Vec<String> {
    ALL.iter().filter_map(|variable| variable::error(*variable, host)).collect()
}

/// A variable of an earlier version, of which each value is bad: `/readyz` says what to write now. It is still declared, because
/// hosts ignore an environment variable for one that is not.
const fn replaced(name: &'static str, expected: &'static str) -> Variable<()> {
    Variable { name, default: "", expected, parse: |value| value.is_empty().then_some(()) }
}

const fn kubernetes_name(name: &'static str) -> Variable<String> {
    Variable {
        name,
        default: "",
        // Kubernetes names are DNS subdomains (RFC 1123): at most 253 characters. Any name is good on a laptop.
        expected: "at most 253 visible ASCII characters, such as node-1",
        parse: |value| is_visible(value, 253).then(|| value.to_owned()),
    }
}

fn is_visible(value: &str, limit: usize) -> bool {
    value.len() <= limit && value.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A number of digits only: without a sign, a space or an exponent.
fn number(value: &str, limit: u64) -> Option<u64> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|number| digits && *number <= limit)
}

#[cfg(test)]
pub(crate) mod tests;
