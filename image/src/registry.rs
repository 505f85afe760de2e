//! Pushing an image to a registry.
//!
//! Source: OCI Distribution Specification 1.1.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{env, io};

use anyhow::{Context, Result, bail, ensure};
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};
use oci_writer::image::{Blob, Built};

/// Pushes the image to `reference`, and returns the reference by digest that a pod should name.
///
/// Registries on this machine are spoken to in plain HTTP, as Docker does; all others by HTTPS.
///
/// # Errors
/// If the reference has a digest and no tag, the Docker configuration cannot be read, or the registry refuses.
pub fn push(image: &Built, reference: &Reference) -> Result<String> {
    ensure!(reference.digest().is_none(), "{reference}: expected NAME:TAG; the digest comes out of what is pushed");
    let credential = match configuration() {
        Some(path) => credential(&path, reference.resolve_registry())?,
        None => RegistryAuth::Anonymous,
    };
    // Fails only where another provider was installed before, which is just as good.
    rustls::crypto::ring::default_provider().install_default().ok();
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    executor.block_on(upload(image, reference, &credential)).with_context(|| refused(reference, &credential))?;
    Ok(format!("{}/{}@{}", reference.registry(), reference.repository(), image.digest()))
}

async fn upload(image: &Built, reference: &Reference, credential: &RegistryAuth) -> Result<()> {
    let registry = reference.resolve_registry();
    let plain = if is_local(registry) { vec![registry.to_owned()] } else { Vec::new() };
    let client = Client::new(ClientConfig { protocol: ClientProtocol::HttpsExcept(plain), ..ClientConfig::default() });
    client.auth(reference, credential, RegistryOperation::Push).await?;
    // Each after those it names, and the tag last: who pulls meanwhile gets the old image or all of the new one.
    for Blob { descriptor, bytes } in &image.blobs {
        let digest = descriptor.digest().to_string();
        if !client.blob_exists(reference, &digest).await? {
            client.push_blob(reference, bytes.clone(), &digest).await?;
        }
    }
    for manifest in &image.manifests {
        let by_digest = reference.clone_with_digest(manifest.descriptor.digest().to_string());
        put(&client, &by_digest, manifest).await?;
    }
    put(&client, reference, &image.index).await
}

async fn put(client: &Client, reference: &Reference, manifest: &Blob) -> Result<()> {
    let kind = manifest.descriptor.media_type().to_string().parse()?;
    client.push_manifest_raw(reference, manifest.bytes.clone(), kind).await?;
    Ok(())
}

/// `localhost` and loopback addresses, with or without a port. A name that only begins like such an address is another machine.
fn is_local(registry: &str) -> bool {
    let name = registry.rsplit_once(':').map_or(registry, |(name, _)| name);
    let address = registry.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| registry.parse::<IpAddr>());
    name == "localhost" || registry == "[::1]" || address.is_ok_and(|address| address.is_loopback())
}

/// What the Docker configuration file has for this registry; without a file or an entry, nobody in particular.
fn credential(configuration: &Path, registry: &str) -> Result<RegistryAuth> {
    let path = configuration.display();
    let file = match File::open(configuration) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(RegistryAuth::Anonymous),
        Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
    };
    // The name under which `docker login` without an argument keeps its password. The names of Docker Hub itself, and no other
    // that ends like them.
    let is_hub = ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&registry);
    let server = if is_hub { "https://index.docker.io/v1/" } else { registry };
    match get_credential_from_reader(file, server) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(RegistryAuth::Basic(user, password)),
        Ok(DockerCredential::IdentityToken(_)) => bail!(
            "{path}: has an identity token for {registry}, which this command cannot use; \
             type `docker login {registry}` with a user name and an access token"
        ),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(RegistryAuth::Anonymous),
        Err(error) => Err(error).with_context(|| format!("{path}: no credential for {registry}")),
    }
}

/// Where Docker and those who share its configuration keep it.
fn configuration() -> Option<PathBuf> {
    let folder = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".docker")))?;
    Some(folder.join("config.json"))
}

fn refused(reference: &Reference, credential: &RegistryAuth) -> String {
    let who = match credential {
        RegistryAuth::Basic(user, _) => format!("as {user}"),
        _ => format!("without a user; `docker login {}` names one", reference.registry()),
    };
    format!("cannot push {reference} ({who})")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_plain_http() {
        let local = "localhost localhost:5000 127.0.0.1 127.0.0.1:5000 127.1.2.3 [::1] [::1]:5000";
        for local in local.split(' ') {
            assert!(is_local(local), "{local}");
        }
        let remote = "example.com localhost.example.com:5000 10.0.0.1:5000 docker.io 127.example.com \
            127.0.0.1.example.com:5000 127.1 [::2]:5000 localhost.:5000";
        for remote in remote.split(' ') {
            assert!(!is_local(remote), "{remote}");
        }
    }

    #[test]
    fn a_registry_gets_its_own_credential_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        assert_eq!(credential(&path, "docker.io").unwrap(), RegistryAuth::Anonymous);
        // `hub:1` and `own:2`.
        let auths = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "aHViOjE="}, "a.example.com": {"auth": "b3duOjI="}}}"#;
        fs::write(&path, auths).unwrap();
        let of = |registry| match credential(&path, registry).unwrap() {
            RegistryAuth::Basic(user, _) => user,
            other => format!("{other:?}"),
        };
        for hub in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(of(hub), "hub");
        }
        assert_eq!(of("a.example.com"), "own");
        for other in
            ["evildocker.io", "evil.docker.io", "docker.io.example.com", "b.a.example.com", "a.example.com:5000"]
        {
            assert_eq!(of(other), "Anonymous", "{other}");
        }
    }
}
