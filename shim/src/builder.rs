//! Processes that work for one container and stay outside of it. The one that builds the container has no second thread, since
//! libcontainer forks in it. The one that compiles has threads, forks nothing, and ends.

pub mod container;
pub mod precompile;
