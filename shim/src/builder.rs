//! What is done for one container outside of it: its component is compiled, and processes that end when they are done work for it.
//! The process that builds the container has no second thread, since libcontainer forks in it.

pub mod container;
pub mod precompile;
