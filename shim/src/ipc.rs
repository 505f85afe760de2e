//! Results on their way between the shim's processes. An error travels as text, with its causes.

use anyhow::{Result, anyhow};

/// What a process sends back.
pub type Reply<T> = Result<T, String>;

/// Makes a reply of a result.
pub fn to_reply<T>(result: Result<T>) -> Reply<T> {
    result.map_err(|error| format!("{error:#}"))
}

/// Makes a result of a reply again.
///
/// # Errors
/// The other process failed, or the reply did not arrive.
pub fn from_reply<T, E: std::error::Error + Send + Sync + 'static>(reply: Result<Reply<T>, E>) -> Result<T> {
    reply?.map_err(|error| anyhow!(error))
}
