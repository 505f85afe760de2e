//! What is the same for many routes: one small function per file.

pub mod access_log;
pub mod client_ip;
pub mod echo_filter;
pub mod framing;
pub mod header_values;
pub mod version;
