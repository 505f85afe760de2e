//! Processes that work for one container from outside of it, and end when they are done. The one that builds the container has no
//! second thread, since libcontainer forks in it. The one that compiles has threads, and forks nothing.

pub mod container;
pub mod precompile;
