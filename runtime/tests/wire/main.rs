//! The bytes of HTTP on the connection, and what the guest sees of them: the behaviour of Spin, row by row. The tests send raw bytes,
//! because a client library would hide most of this.

mod http2;
mod refused;
mod request;
mod response;
mod slow;
