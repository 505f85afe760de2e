//! Errors in the form that containerd gets. containerd decides by the code.

use containerd_shim::protos::ttrpc::{Code, Error, get_status};

/// An error with this code and its reason.
pub fn error(code: Code, reason: impl AsRef<str>) -> Error {
    Error::RpcStatus(get_status(code, reason.as_ref()))
}

/// An error of the shim itself, with its causes.
pub fn internal(failure: &anyhow::Error) -> Error {
    error(Code::UNKNOWN, format!("{failure:#}"))
}

/// A call that this shim does not support, and what to do instead.
pub fn unimplemented(what: &str, instead: &str) -> Error {
    error(Code::UNIMPLEMENTED, format!("{what} is not supported: {instead}"))
}
