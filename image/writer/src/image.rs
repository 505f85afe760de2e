//! An image: its files and configuration, and the blobs they make.
//!
//! Source: OCI Image Format Specification 1.1.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
pub use oci_spec::image::Arch;
use oci_spec::image::{
    ConfigBuilder, Descriptor, DescriptorBuilder, ImageConfigurationBuilder, ImageIndexBuilder, ImageManifestBuilder,
    MediaType, Os, PlatformBuilder, RootFsBuilder, SCHEMA_VERSION, Sha256Digest,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::layer::{File, layer};

/// What an image is made of. The same files serve every architecture.
pub struct Image {
    /// All of its files: it is FROM scratch.
    pub files: Vec<File>,
    /// For which machines, in Go's names: `amd64`, `arm64`.
    pub architectures: Vec<Arch>,
    /// What is started, also where the pod gives other arguments: `ENTRYPOINT`.
    pub entrypoint: Vec<String>,
    /// The arguments of the entrypoint; without an entrypoint, the program and its arguments: `CMD`.
    pub command: Vec<String>,
    /// Environment variables, `NAME=VALUE`, which a pod may replace: `ENV`.
    pub environment: Vec<String>,
    /// The labels of the configuration, and the same as annotations of manifests and index.
    pub labels: BTreeMap<String, String>,
    /// When it was made (RFC 3339), if that is to be told; two times are two digests.
    pub created: Option<String>,
}

/// An image as a registry stores it.
pub struct Built {
    /// The index: what a tag names.
    pub index: Blob,
    /// A manifest for each architecture.
    pub manifests: Vec<Blob>,
    /// The layer, and a configuration for each architecture.
    pub blobs: Vec<Blob>,
}

/// Bytes that are addressed by their digest.
pub struct Blob {
    /// Kind, digest and size.
    pub descriptor: Descriptor,
    /// The content.
    pub bytes: Vec<u8>,
}

impl Image {
    /// The blobs of this image.
    ///
    /// # Errors
    /// If a file's path leads out of the image or is too long for a tar archive.
    pub fn build(&self) -> Result<Built> {
        let layer = Blob::new(MediaType::ImageLayer, layer(&self.files)?);
        let (mut configurations, mut manifests) = (Vec::new(), Vec::new());
        for architecture in &self.architectures {
            let configuration = self.configuration(architecture, &layer)?;
            manifests.push(self.manifest(architecture, &configuration, &layer)?);
            configurations.push(configuration);
        }
        let mut blobs = vec![layer];
        blobs.extend(configurations);
        let index = ImageIndexBuilder::default()
            .schema_version(SCHEMA_VERSION)
            .media_type(MediaType::ImageIndex)
            .manifests(manifests.iter().map(|manifest| manifest.descriptor.clone()).collect::<Vec<_>>())
            .annotations(self.annotations())
            .build()?;
        Ok(Built { index: Blob::json(MediaType::ImageIndex, &index)?, manifests, blobs })
    }

    fn configuration(&self, architecture: &Arch, layer: &Blob) -> Result<Blob> {
        let mut config = ConfigBuilder::default().cmd(self.command.clone()).labels(self.annotations());
        if !self.entrypoint.is_empty() {
            config = config.entrypoint(self.entrypoint.clone());
        }
        if !self.environment.is_empty() {
            config = config.env(self.environment.clone());
        }
        let config = config.build()?;
        let layers =
            RootFsBuilder::default().typ("layers").diff_ids([layer.descriptor.digest().to_string()]).build()?;
        let mut configuration = ImageConfigurationBuilder::default()
            .architecture(architecture.clone())
            .os(Os::Linux)
            .config(config)
            .rootfs(layers);
        if let Some(created) = &self.created {
            configuration = configuration.created(created.clone());
        }
        Blob::json(MediaType::ImageConfig, &configuration.build()?)
    }

    fn manifest(&self, architecture: &Arch, configuration: &Blob, layer: &Blob) -> Result<Blob> {
        let manifest = ImageManifestBuilder::default()
            .schema_version(SCHEMA_VERSION)
            .media_type(MediaType::ImageManifest)
            .config(configuration.descriptor.clone())
            .layers([layer.descriptor.clone()])
            .annotations(self.annotations())
            .build()?;
        let mut blob = Blob::json(MediaType::ImageManifest, &manifest)?;
        let platform = PlatformBuilder::default().os(Os::Linux).architecture(architecture.clone()).build()?;
        blob.descriptor.set_platform(Some(platform));
        Ok(blob)
    }

    fn annotations(&self) -> HashMap<String, String> {
        self.labels.clone().into_iter().collect()
    }
}

impl Built {
    /// The digest that names the whole image: `sha256:…`.
    pub fn digest(&self) -> String {
        self.index.descriptor.digest().to_string()
    }

    /// The size of everything that a registry stores, in bytes.
    pub fn size(&self) -> usize {
        self.all().map(|blob| blob.bytes.len()).sum()
    }

    /// Every blob, each after those it names.
    pub fn all(&self) -> impl Iterator<Item = &Blob> {
        self.blobs.iter().chain(&self.manifests).chain([&self.index])
    }
}

impl Blob {
    fn new(kind: MediaType, bytes: Vec<u8>) -> Self {
        let digest: Sha256Digest = hex(&Sha256::digest(&bytes)).parse().expect("64 hexadecimal digits");
        let descriptor = DescriptorBuilder::default()
            .media_type(kind)
            .digest(digest)
            .size(bytes.len() as u64)
            .build()
            .expect("everything a descriptor needs");
        Self { descriptor, bytes }
    }

    /// `content` with its keys in order: the maps of `oci-spec` have none.
    pub(crate) fn json(kind: MediaType, content: &impl Serialize) -> Result<Self> {
        let sorted: serde_json::Value = serde_json::to_value(content)?;
        Ok(Self::new(kind, serde_json::to_vec(&sorted)?))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Content;

    fn image() -> Image {
        Image {
            files: vec![File::new("spin.toml", 0o444, *b"x")],
            architectures: vec![Arch::Amd64, Arch::ARM64],
            entrypoint: Vec::new(),
            command: vec!["/".into()],
            environment: Vec::new(),
            labels: (0..20).map(|number| (format!("label{number}"), number.to_string())).collect(),
            created: None,
        }
    }

    #[test]
    fn the_same_input_makes_the_same_digest() {
        let digests: Vec<_> = (0..5).map(|_| image().build().unwrap().digest()).collect();
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    }

    #[test]
    fn every_part_of_the_input_is_in_the_digest() {
        let mut digests = vec![image().build().unwrap().digest()];
        let changes: [fn(&mut Image); 8] = [
            |image| image.files[0].content = Content::Bytes(b"y".into()),
            |image| image.files[0].mode = 0o644,
            |image| image.architectures.truncate(1),
            |image| image.entrypoint.push("/".into()),
            |image| image.command.clear(),
            |image| image.environment.push("NAME=VALUE".into()),
            |image| image.labels.clear(),
            |image| image.created = Some("2026-01-01T00:00:00Z".into()),
        ];
        for change in changes {
            let mut image = image();
            change(&mut image);
            digests.push(image.build().unwrap().digest());
        }
        let count = digests.len();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }

    #[test]
    fn the_index_has_a_manifest_for_each_platform() {
        let built = image().build().unwrap();
        let index: serde_json::Value = serde_json::from_slice(&built.index.bytes).unwrap();
        let platforms = index["manifests"].as_array().unwrap().iter().map(|manifest| {
            let platform = &manifest["platform"];
            format!("{}/{}", platform["os"].as_str().unwrap(), platform["architecture"].as_str().unwrap())
        });
        assert_eq!(platforms.collect::<Vec<_>>(), ["linux/amd64", "linux/arm64"]);
    }
}
