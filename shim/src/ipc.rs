//! Sends results between the shim's processes. An error is sent as text, with its causes.

use anyhow::{Result, anyhow};

/// The result that a process sends back.
pub type Reply<T> = Result<T, String>;

/// Converts a result to a reply.
pub fn to_reply<T>(result: Result<T>) -> Reply<T> {
    result.map_err(|error| format!("{error:#}"))
}

/// Converts a reply to a result.
///
/// # Errors
/// The other process failed, or the reply did not arrive.
pub fn from_reply<T, E: std::error::Error + Send + Sync + 'static>(reply: Result<Reply<T>, E>) -> Result<T> {
    reply?.map_err(|error| anyhow!(error))
}
