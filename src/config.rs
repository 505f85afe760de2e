//! The application's variables: what `spin.toml` declares and an operator sets, each with its default and its reason.
//!
//! A component has no start-up phase that could fail. Hence a bad value does not stop the server: the routes go on with the
//! default, and `/readyz` reports it, which is what stops a bad rollout.
//!
//! Each variable is read where it is needed and only there: reading one is a call to the host.

use crate::Host;
use crate::middleware::access_log::{Format, Level};
use crate::problem::quoted;
use http::HeaderValue;
use std::time::Duration;

/// A variable whose accepted values are those of `T`.
pub struct Variable<T> {
    /// As `spin.toml` has it; `SPIN_VARIABLE_` and the same in capitals as an environment variable.
    pub name: &'static str,
    /// What is used where none is set, or a bad one.
    pub default: &'static str,
    accepted: &'static str,
    parse: fn(&str) -> Option<T>,
}

/// The value of the response header field `version`. Set by a deployment; `dev` says that none did.
pub const VERSION: Variable<HeaderValue> = Variable {
    name: "version",
    default: "dev",
    accepted: "1 to 128 visible ASCII characters",
    parse: |value| {
        (!value.is_empty() && is_visible(value, 128)).then(|| HeaderValue::try_from(value.to_owned()).ok())?
    },
};

/// Which lines of the access log are shown. By default all but successful probes, which would outnumber the rest.
pub const LOG_LEVEL: Variable<Level> = Variable {
    name: "log_level",
    default: "info",
    accepted: "error, warn, info or debug",
    parse: |value| match value {
        "error" => Some(Level::Error),
        "warn" => Some(Level::Warn),
        "info" => Some(Level::Info),
        "debug" => Some(Level::Debug),
        _ => None,
    },
};

/// What a line of the access log looks like. By default what log collectors read.
pub const LOG_FORMAT: Variable<Format> = Variable {
    name: "log_format",
    default: "json",
    accepted: "json or text",
    parse: |value| match value {
        "json" => Some(Format::Json),
        "text" => Some(Format::Text),
        _ => None,
    },
};

/// How many proxies in front are believed. By default one, as behind an ingress controller; more than 16 is a mistake.
pub const TRUSTED_HOPS: Variable<usize> = Variable {
    name: "trusted_hops",
    default: "1",
    accepted: "a whole number from 0 to 16",
    parse: |value| number(value, 16).map(|hops| hops as usize),
};

/// The longest wait of `/hello`. By default long enough to see requests overlap; the limit keeps below any proxy's patience.
pub const HELLO_MAX_DELAY: Variable<Duration> = Variable {
    name: "hello_max_delay_ms",
    default: "2000",
    accepted: "a whole number from 0 to 10000",
    parse: |value| number(value, 10_000).map(Duration::from_millis),
};

/// Where the server runs, for `/version`: the pod's name. Empty outside Kubernetes.
pub const POD_NAME: Variable<String> = kubernetes_name("pod_name");

/// Where the server runs, for `/version`: the node's name. Empty outside Kubernetes.
pub const NODE_NAME: Variable<String> = kubernetes_name("node_name");

/// Every variable.
const ALL: [&dyn Check; 7] =
    [&VERSION, &LOG_LEVEL, &LOG_FORMAT, &TRUSTED_HOPS, &HELLO_MAX_DELAY, &POD_NAME, &NODE_NAME];

/// What is wrong with each bad variable: its name, its value, and what is accepted.
pub fn faults(host: &dyn Host) -> Vec<String> {
    ALL.iter().filter_map(|variable| fault(*variable, host)).collect()
}

fn fault(variable: &dyn Check, host: &dyn Host) -> Option<String> {
    let found = match host.variable(variable.name()) {
        Ok(None) => return None,
        Ok(Some(value)) if variable.accepts(&value) => return None,
        Ok(Some(value)) => format!("is {}", quoted(&value)),
        Err(reason) => format!("cannot be read: {}", quoted(&reason)),
    };
    Some(format!("variable {} {found}; accepted is {}", variable.name(), variable.accepted()))
}

/// A variable of any type.
trait Check {
    fn name(&self) -> &'static str;
    fn accepted(&self) -> &'static str;
    fn accepts(&self, value: &str) -> bool;
}

impl<T> Check for Variable<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn accepted(&self) -> &'static str {
        self.accepted
    }

    fn accepts(&self, value: &str) -> bool {
        (self.parse)(value).is_some()
    }
}

impl<T> Variable<T> {
    /// The value; the default if it is bad or missing.
    pub fn read(&self, host: &dyn Host) -> T {
        let value = host.variable(self.name).ok().flatten();
        value.and_then(|value| (self.parse)(&value)).unwrap_or_else(|| self.fallback())
    }

    fn fallback(&self) -> T {
        (self.parse)(self.default).expect("each default is accepted")
    }
}

const fn kubernetes_name(name: &'static str) -> Variable<String> {
    Variable {
        name,
        default: "",
        // Kubernetes names are DNS subdomains (RFC 1123): 253 characters. On a laptop any name will do.
        accepted: "at most 253 visible ASCII characters",
        parse: |value| is_visible(value, 253).then(|| value.to_owned()),
    }
}

fn is_visible(value: &str, limit: usize) -> bool {
    value.len() <= limit && value.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Digits only: no sign, no space, no exponent.
fn number(value: &str, limit: u64) -> Option<u64> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|number| digits && *number <= limit)
}

#[cfg(test)]
pub(crate) mod tests;
