//! What the core needs from its host.

/// The host of the component. In tests it is a struct with a map of variables.
pub trait Host {
    /// The value of a variable. `None` if the host knows no variable of that name.
    ///
    /// # Errors
    /// The host knows the variable but cannot give its value. The text is the host's.
    fn variable(&self, name: &str) -> Result<Option<String>, String>;

    /// A random number. Every value is equally likely.
    fn random(&self) -> u64;

    /// Adds to a counter, which all instances share and which begins with 0.
    ///
    /// # Errors
    /// The host keeps no counters, or has no room for one more. The text is the host's.
    fn add(&self, counter: &str, number: i64) -> Result<(), String>;

    /// All counters with their numbers, in no order.
    ///
    /// # Errors
    /// The host keeps no counters. The text is the host's.
    fn counters(&self) -> Result<Vec<(String, i64)>, String>;
}
