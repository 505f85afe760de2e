//! OCI images without a container engine: files in, an archive or a push to a registry out.
//!
//! 1. [`image`] says what an image is made of, and [`Image::build`] turns it into blobs: the same input, the same digest.
//! 2. [`archive`] writes them as one file, which containerd, Docker, podman and skopeo read.
//! 3. [`registry`] pushes them, as the user that the Docker configuration file names.
//! 4. [`product`] is this repository's image.
//!
//! [`Image::build`]: image::Image::build

pub mod archive;
pub mod image;
pub mod layer;
pub mod product;
pub mod registry;
mod revision;
