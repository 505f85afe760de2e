//! The documents: what they link to is there, their tables say what the code says, and what they show as the output of a
//! command comes out of it.

mod console;
mod contract;
mod document;
mod observability;
mod paths;
mod tables;
