//! Reads and checks one variable.

use crate::host::Host;
use crate::problem::{invalid, quoted};

/// A variable whose value becomes a `T`.
pub struct Variable<T> {
    /// The name in `spin.toml`. The environment variable is `SPIN_VARIABLE_` and the name in capitals.
    pub name: &'static str,
    /// The value if nobody set one, or a bad one.
    pub default: &'static str,
    /// The end of an error about a bad value: what is expected.
    pub expected: &'static str,
    /// The value as a `T`. `None` if it is bad.
    pub parse: fn(&str) -> Option<T>,
}

impl<T> Variable<T> {
    /// The value, or the default if the value is bad or missing.
    pub fn read(&self, host: &dyn Host) -> T {
        let value = host.variable(self.name).ok().flatten();
        value.and_then(|value| (self.parse)(&value)).unwrap_or_else(|| self.default_value())
    }

    fn default_value(&self) -> T {
        (self.parse)(self.default).expect("a test parses each default")
    }
}

/// A variable of any type.
pub trait AnyVariable {
    /// The name.
    fn name(&self) -> &'static str;
    /// What is expected of a value.
    fn expected(&self) -> &'static str;
    /// Whether the value is good.
    fn accepts(&self, value: &str) -> bool;
    /// The default.
    #[cfg(test)]
    fn default(&self) -> &'static str;
}

impl<T> AnyVariable for Variable<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn expected(&self) -> &'static str {
        self.expected
    }

    fn accepts(&self, value: &str) -> bool {
        (self.parse)(value).is_some()
    }

    #[cfg(test)]
    fn default(&self) -> &'static str {
        self.default
    }
}

/// What is wrong with the value of a variable, if something is.
///
/// It is not generic: a copy for each type would add 1 KB to the component.
pub fn error(variable: &dyn AnyVariable, host: &dyn Host) -> Option<String> {
    let name = variable.name();
    match host.variable(name) {
        Ok(None) => None,
        Ok(Some(value)) if variable.accepts(&value) => None,
        Ok(Some(value)) => Some(invalid(&format!("variable {name}"), &value, variable.expected())),
        Err(reason) => Some(format!("cannot read variable {name}: {}", quoted(&reason))),
    }
}
