//! Traefik without the client of every DNS service there is.
//!
//! Its library for certificates, lego, imports them all from one file. They are half of the time and a quarter of the
//! size of a build, some cannot be had from a mirror at all, and nothing of it serves an Ingress. Go replaces whole modules
//! only, so lego is copied and the one file exchanged; go.mod points at the copy.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::go;
use crate::command::output;

/// The file of lego that imports all providers.
const PROVIDERS: &str = "providers/dns/zz_gen_dns_providers.go";

/// Puts the pruned copy at `source/lego`, where go.mod expects it. lego.sum vouches for the original.
pub fn prune(source: &Path) -> Result<()> {
    let module = "github.com/go-acme/lego/v4";
    let found = output(go(source).args(["mod", "download", "-modfile=lego.mod", "-json", module]))?;
    let found: serde_json::Value = serde_json::from_str(&found).context("`go mod download -json` prints JSON")?;
    let original = found["Dir"].as_str().context("`go mod download -json` names no folder")?;
    copy(Path::new(original), &source.join("lego"))?;
    fs::rename(source.join("dns.go"), source.join("lego").join(PROVIDERS)).context("lego has no list of DNS providers")
}

/// Copies the Go sources under `from`; not with `fs::copy`, which would make the copies read-only as the originals are.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::write(to, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
