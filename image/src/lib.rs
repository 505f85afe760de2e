//! The image of the component: an archive or a push to a registry.
//!
//! 1. [`product`] is this repository's image, which `oci-writer` turns into blobs and into an archive.
//! 2. [`registry`] pushes them, as the user that the Docker configuration file names.

pub mod product;
pub mod registry;
mod revision;
