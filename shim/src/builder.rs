//! What is done for one container outside of it: its component is compiled, and a process without a second thread builds it, since
//! libcontainer forks in that process.

pub mod container;
pub mod precompile;
