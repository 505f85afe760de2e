//! The header field that says which version answers: what tells a new rollout from the old one.

use crate::{Host, config};
use http::{HeaderMap, HeaderName};

/// Not a standard field; clients of the server know it by this name.
pub const NAME: HeaderName = HeaderName::from_static("version");

/// Puts the configured version on a response.
pub fn stamp(headers: &mut HeaderMap, host: &dyn Host) {
    headers.insert(NAME, config::VERSION.read(host));
}
