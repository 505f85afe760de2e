//! The response header `version`. It shows which version of a deployment sent the response, for example during a rollout.

use http::{HeaderMap, HeaderName};

use crate::config;
use crate::host::Host;

/// No standard defines this header. Clients of the server know it by this name.
pub const NAME: HeaderName = HeaderName::from_static("version");

/// Sets the header to the value of the variable `version`.
pub fn set_header(headers: &mut HeaderMap, host: &dyn Host) {
    headers.insert(NAME, config::VERSION.read(host));
}
