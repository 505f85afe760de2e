//! OCI images without a container engine: files in, blobs and an archive out.
//!
//! 1. [`layer`] is the files: the same files make the same bytes.
//! 2. [`image`] says what an image is made of, and [`Image::build`] turns it into blobs: the same input, the same digest.
//! 3. [`archive`] writes images as one file, which containerd, Docker, podman and skopeo read.
//!
//! [`Image::build`]: image::Image::build

pub mod archive;
pub mod image;
pub mod layer;
