//! Container images out of single static programs.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

/// Writes the image `name` to `archive` (OCI image layout in a tar file): the one static `program` as its entry point,
/// `/` and its file name.
///
/// # Errors
/// If the program cannot be read or the archive not be written.
pub fn archive(name: &str, program: &Path, archive: &Path) -> Result<()> {
    let file = program.file_name().and_then(|name| name.to_str()).context("a program has a name")?;
    let binary = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let mut layer = Builder::new(Vec::new());
    append(&mut layer, file, &binary, 0o555)?;
    let layer = layer.into_inner()?;
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": { "Entrypoint": [format!("/{file}")] },
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", &config),
        "layers": [descriptor("layer.v1.tar", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut entry = descriptor("manifest.v1+json", &manifest);
    entry["annotations"] = json!({ "io.containerd.image.name": name });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();

    let mut tar =
        Builder::new(fs::File::create(archive).with_context(|| format!("cannot write {}", archive.display()))?);
    append(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
    append(&mut tar, "index.json", index.as_bytes(), 0o644)?;
    for blob in [&layer, &config, &manifest] {
        append(&mut tar, &digest(blob).replace("sha256:", "blobs/sha256/"), blob, 0o644)?;
    }
    tar.into_inner()?;
    Ok(())
}

fn descriptor(kind: &str, blob: &[u8]) -> serde_json::Value {
    json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest(blob), "size": blob.len() })
}

fn digest(blob: &[u8]) -> String {
    let hex: String = Sha256::digest(blob).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn append(tar: &mut Builder<impl std::io::Write>, path: &str, data: &[u8], mode: u32) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_size(data.len() as u64);
    header.set_mode(mode);
    tar.append_data(&mut header, path, data)?;
    Ok(())
}
