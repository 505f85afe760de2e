//! What several modules do with header fields.

pub mod client_ip;
pub mod echo;
pub mod values;
