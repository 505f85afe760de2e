//! Processes that work for one container and stay outside of it. They have no threads: libcontainer forks in the one, and the
//! compiler starts threads only in the other, which forks nothing and ends.

pub mod container;
pub mod precompile;
