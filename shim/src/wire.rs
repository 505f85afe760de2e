//! Errors on their way between the shim's processes: as text, with their causes.

use anyhow::{Result, anyhow};

/// What a process sends back.
pub type Sent<T> = Result<T, String>;

/// To send.
pub fn sent<T>(result: Result<T>) -> Sent<T> {
    result.map_err(|error| format!("{error:#}"))
}

/// What was received, where the other process and the way here did not fail.
pub fn received<T, E: std::error::Error + Send + Sync + 'static>(result: Result<Sent<T>, E>) -> Result<T> {
    result?.map_err(|error| anyhow!(error))
}
