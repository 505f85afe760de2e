//! What to render, checked, and the kustomization that it makes.

use anyhow::{Result, bail, ensure};
use oci_spec::distribution::Reference;

use crate::arguments::Arguments;

/// The image that the overlays name; `manifests/base/kustomization.yaml` has it.
const IMAGE: &str = "localhost/httpserver";

/// RFC 1123: the length of a label of a hostname, and of the whole. Kubernetes has the same limit for the value of a label.
const LABEL_LENGTH: usize = 63;
const HOST_LENGTH: usize = 253;

/// The arguments, each of them checked.
#[derive(Debug)]
pub struct Request {
    image: Image,
    version: String,
    /// The hostname to serve, if it is another than the overlay's.
    pub host: Option<String>,
}

/// An image that stays the same: by tag, digest or both.
#[derive(Clone, Debug)]
struct Image {
    name: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Request {
    /// Checks each value.
    ///
    /// # Errors
    /// The value, and what was expected.
    pub fn new(arguments: &Arguments) -> Result<Self> {
        let image = image(&arguments.image)?;
        let version = match (&arguments.version, &image.tag) {
            (Some(version), _) => self::version(version)?,
            (None, Some(tag)) => self::version(tag)
                .map_err(|error| error.context("the image's tag is not a version; add `--version VERSION`"))?,
            (None, None) => {
                bail!("the image has a digest but no tag, so its version is unknown; add `--version VERSION`")
            }
        };
        let host = arguments.host.as_deref().map(host).transpose()?;
        Ok(Self { image, version, host })
    }

    /// A kustomization over the overlay at this relative path. Nothing in it needs escaping: see the parsers below.
    pub fn kustomization(&self, overlay: &str) -> String {
        let Self { image: Image { name, tag, digest }, version, .. } = self;
        let tag = tag.as_ref().map(|tag| format!("newTag: \"{tag}\", ")).unwrap_or_default();
        let digest = digest.as_ref().map(|digest| format!("digest: \"{digest}\", ")).unwrap_or_default();
        let patches = self.host.as_ref().map(|host| patches(host)).unwrap_or_default();
        format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [{overlay}]
components: [../../../manifests/components/labels]
configMapGenerator:
- {{name: httpserver, namespace: httpserver, behavior: merge, options: {{immutable: true}}, literals: [\"SPIN_VARIABLE_VERSION={version}\"]}}
images:
- {{name: {IMAGE}, {tag}{digest}newName: \"{name}\"}}
{patches}"
        )
    }
}

/// Sets the hostname in each object that can have one. Kustomize ignores a patch for an object that is not there.
fn patches(host: &str) -> String {
    let targets = [
        ("kind: Ingress", "/spec/rules/0/host"),
        ("kind: Ingress, name: httpserver-tls", "/spec/tls/0/hosts/0"),
        ("kind: HTTPRoute", "/spec/hostnames/0"),
    ];
    let patch = |(target, path)| {
        format!(
            "- target: {{{target}}}\n  patch: '[{{\"op\": \"replace\", \"path\": \"{path}\", \"value\": \"{host}\"}}]'\n"
        )
    };
    format!("patches:\n{}", targets.map(patch).concat())
}

fn image(text: &str) -> Result<Image> {
    let invalid = || {
        format!("invalid image {text:?}: expected NAME:TAG or NAME@sha256:DIGEST, such as example.com/httpserver:v1")
    };
    let Ok(reference) = text.parse::<Reference>() else { bail!(invalid()) };
    let (tag, digest) = (reference.tag(), reference.digest());
    // The parser adds `latest` if there is no tag.
    ensure!(digest.is_some() || tag != Some("latest"), "{}; without a tag, or with `latest`, it can change", invalid());
    let name = text.split('@').next().unwrap_or(text);
    let name = tag.and_then(|tag| name.strip_suffix(tag)?.strip_suffix(':')).unwrap_or(name);
    Ok(Image { name: name.to_owned(), tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) })
}

/// A version is the value of a variable and of a label, so both have to accept it.
fn version(text: &str) -> Result<String> {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let valid = bytes.len() <= LABEL_LENGTH
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    ensure!(
        valid,
        "invalid version {text:?}: expected 1 to {LABEL_LENGTH} letters, digits, `.`, `_` and `-`, with a letter or digit at both \
         ends, such as v1.2.3"
    );
    Ok(text.to_owned())
}

fn host(text: &str) -> Result<String> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_LENGTH
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    ensure!(
        text.len() <= HOST_LENGTH && text.split('.').all(label),
        "invalid host {text:?}: expected a hostname in lower case without scheme, port and path, such as httpserver.example.com"
    );
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Option<String>, Option<String>) {
        let Image { name, tag, digest } = image(text).unwrap();
        (name, tag, digest)
    }

    #[test]
    fn an_image_has_a_tag_or_a_digest_or_both() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parsed("httpserver:v2"), ("httpserver".into(), some("v2"), None));
        assert_eq!(parsed("localhost:5000/a/b:v2"), ("localhost:5000/a/b".into(), some("v2"), None));
        assert_eq!(parsed(&format!("a/b@{digest}")), ("a/b".into(), None, some(&digest)));
        assert_eq!(parsed(&format!("a/b:v2@{digest}")), ("a/b".into(), some("v2"), some(&digest)));
    }

    #[test]
    fn an_image_that_can_change_or_is_invalid_is_refused() {
        for bad in ["", "a/b", "a/b:latest", "localhost:5000/a", "a/B:v2", "a:v2@sha256:12", "a b:v2", "a:\"v2\""] {
            let error = image(bad).unwrap_err().to_string();
            assert!(error.contains("expected NAME:TAG or NAME@sha256:DIGEST"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_version_can_be_the_value_of_a_label() {
        for good in ["v2", "1.2.3", "a", &"x".repeat(63)] {
            version(good).unwrap();
        }
        for bad in ["", "-v2", "v2.", "v 2", "v2+1", "\"", &"x".repeat(64)] {
            version(bad).unwrap_err();
        }
    }

    #[test]
    fn a_host_is_only_a_hostname() {
        for good in ["localhost", "a.example.com", "x-1.example"] {
            host(good).unwrap();
        }
        for bad in ["", "http://a", "a:80", "a/b", "A.example", "-a", "a..b", "a_b", &"x".repeat(64)] {
            host(bad).unwrap_err();
        }
    }
}
