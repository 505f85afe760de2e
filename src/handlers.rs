//! What each route answers: one file for each, with a function `handle`.

pub mod delay;
pub mod echo;
pub mod headers;
pub mod healthz;
pub mod hello;
pub mod ip;
pub mod openapi;
pub mod readyz;
pub mod root;
pub mod status;
pub mod version;
