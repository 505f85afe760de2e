//! What stands on the wire and what the guest makes of it, row by row of what Spin does: with raw bytes, since a client
//! library would hide most of it.

mod http2;
mod refused;
mod request;
mod response;
mod slow;
