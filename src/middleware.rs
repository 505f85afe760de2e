//! What wraps every response: one small function per file.

pub mod access_log;
pub mod framing;
pub mod sniffing;
pub mod version;
