//! Errors as containerd gets them: it acts on the code.

use containerd_shim::protos::ttrpc::{Code, Error, get_status};

/// An answer `code`, with the reason.
pub fn refusal(code: Code, reason: impl AsRef<str>) -> Error {
    Error::RpcStatus(get_status(code, reason.as_ref()))
}

/// What went wrong on our side, with its causes.
pub fn failure(error: &anyhow::Error) -> Error {
    refusal(Code::UNKNOWN, format!("{error:#}"))
}

/// What shims of this kind do not do, and what to do instead.
pub fn unimplemented(what: &str, instead: &str) -> Error {
    refusal(Code::UNIMPLEMENTED, format!("{what} is not supported: {instead}"))
}
