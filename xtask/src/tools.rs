//! Programs that only checks and tests use: each at a pinned version, in a folder of its own in the user's cache folder, from
//! the registry it is published in. Nothing is installed into the system.

mod debian;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xtask_runner::{Runner, cache};

use crate::workspace;

/// A program, and where it comes from.
pub struct Tool {
    /// Its file name.
    pub name: &'static str,
    version: &'static str,
    source: Source,
    /// What to expect at the first time.
    hint: &'static str,
}

enum Source {
    /// A crate of that name. What runs for seconds compiles in a third of the time with the profile `dev`; what is measured, or
    /// measures, has to be fast.
    Crates { profile: &'static str },
    /// A Go package; its module's own `go.mod` pins what it is built from.
    Go {
        package: &'static str,
        /// Build tags, which leave parts out.
        tags: &'static str,
    },
    /// A Go package whose module has no `go.mod`, or a program that is put together in `xtask/locks/NAME-VERSION`: the `go.mod` there
    /// pins what it is built from.
    LockedGo(&'static str),
    /// A Python package, with all it needs pinned in `xtask/locks/NAME-VERSION.txt`.
    Python,
    /// A Debian package with a program that needs no other file, in `/bin`.
    Static(&'static str),
    /// Debian packages: the program's and those of libraries that may be missing. The version is the distribution's.
    Debian(&'static [&'static str]),
}

/// Licences, bans and sources of the crates. 0.20.2 compiles with Rust 1.88 and later.
pub const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    source: Source::Crates { profile: "dev" },
    hint: "once, about 2 min",
};

/// Reads Markdown, and wraps it.
pub const RUMDL: Tool = Tool { name: "rumdl", version: "0.3.0", source: Source::Python, hint: "once, about 10 s" };

/// Renders the manifests. 5.8.3 wants Go 1.27.
pub const KUSTOMIZE: Tool = Tool {
    name: "kustomize",
    version: "v5.8.2",
    source: Source::Go { package: "sigs.k8s.io/kustomize/kustomize/v5", tags: "" },
    hint: "once, about 20 s",
};

/// Renders and checks the chart.
const HELM: Tool = Tool {
    name: "helm",
    version: "v4.3.2",
    source: Source::Go { package: "helm.sh/helm/v4/cmd/helm", tags: "" },
    hint: "once, about 2 min",
};

/// Opinions on manifests: probes, resources, users, spread.
const KUBE_SCORE: Tool = Tool {
    name: "kube-score",
    version: "v1.20.0",
    source: Source::Go { package: "github.com/zegl/kube-score/cmd/kube-score", tags: "" },
    hint: "once, about 40 s",
};

/// The schemas of Kubernetes' resources, version by version.
const KUBERNETES_VALIDATE: Tool =
    Tool { name: "kubernetes-validate", version: "1.37.0", source: Source::Python, hint: "once, about 10 s" };

/// Asks a server what its OpenAPI description allows and what it does not.
const SCHEMATHESIS: Tool =
    Tool { name: "schemathesis", version: "4.32.5", source: Source::Python, hint: "once, about 20 s" };

/// Sends a server what HTTP/2 allows and what it does not.
const H2SPEC: Tool = Tool {
    name: "h2spec",
    version: "v2.2.1",
    source: Source::LockedGo("github.com/summerwind/h2spec/cmd/h2spec"),
    hint: "once, about 10 s",
};

/// OpenTelemetry's collector, with the parts that the tests need: no registry has it with these.
const OTELCOL: Tool =
    Tool { name: "otelcol", version: "v0.165.0", source: Source::LockedGo("."), hint: "once, about 1 min" };

/// Reads a Dockerfile.
const HADOLINT: Tool = Tool { name: "hadolint", version: "2.15.1", source: Source::Python, hint: "once, about 5 s" };

/// Scrapes, and answers queries. Without the pages of its web interface, which the Go module does not have in a built form.
const PROMETHEUS: Tool = Tool {
    name: "prometheus",
    version: PROMETHEUS_VERSION,
    source: Source::Go { package: "github.com/prometheus/prometheus/cmd/prometheus", tags: PROMETHEUS_TAGS },
    hint: "once, about 2 min",
};

/// Checks metrics and rules, and tests rules.
const PROMTOOL: Tool = Tool {
    name: "promtool",
    version: PROMETHEUS_VERSION,
    source: Source::Go { package: "github.com/prometheus/prometheus/cmd/promtool", tags: PROMETHEUS_TAGS },
    hint: "once, about 30 s",
};

/// Prometheus 3.16.0. Debian 12 has 2.42, for which native histograms are an experiment.
const PROMETHEUS_VERSION: &str = "v0.316.0";

/// Of the ways to find what to scrape only those that tests use: 240 of 1,500 packages are not compiled then, the clouds' among them.
const PROMETHEUS_TAGS: &str = "remove_all_sd,enable_kubernetes_sd";

/// A container registry.
const DOCKER_REGISTRY: Tool =
    Tool { name: "docker-registry", version: "debian", source: Source::Debian(&["docker-registry"]), hint: "once" };

/// Reads images from archives and registries.
const SKOPEO: Tool = Tool {
    name: "skopeo",
    version: "debian",
    source: Source::Debian(&["skopeo", "libgpgme11", "libassuan0", "libgpg-error0", "libdevmapper1.02.1"]),
    hint: "once",
};

/// Ordinary Linux programs in one file, for containers.
pub const BUSYBOX: Tool =
    Tool { name: "busybox", version: "debian", source: Source::Static("busybox-static"), hint: "once" };

/// Notes the system calls of processes.
pub const STRACE: Tool =
    Tool { name: "strace", version: "debian", source: Source::Debian(&["strace", "libunwind8"]), hint: "once" };

/// Sends requests, each as soon as there is the response to the one before.
pub const WRK: Tool = Tool {
    name: "wrk",
    version: "debian",
    source: Source::Debian(&["wrk", "libluajit-5.1-2", "libluajit-5.1-common"]),
    hint: "once",
};

/// Sends requests at a fixed rate, whatever comes back.
pub const OHA: Tool =
    Tool { name: "oha", version: "1.16.0", source: Source::Crates { profile: "release" }, hint: "once, about 4 min" };

/// The Go server that people deploy to try a cluster. Its tags have no path that Go takes as version 6, so this is a commit of its main
/// branch, of September 2025.
pub const PODINFO: Tool = Tool {
    name: "podinfo",
    version: "v1.8.1-0.20250910200901-e86405a8674e",
    source: Source::Go { package: "github.com/stefanprodan/podinfo/cmd/podinfo", tags: "" },
    hint: "once, about 1 min",
};

/// What the tests need, each in the environment variable that [`Tool::variable`] names.
pub const TEST_TOOLS: [Tool; 12] = [
    KUSTOMIZE,
    HELM,
    KUBE_SCORE,
    KUBERNETES_VALIDATE,
    SCHEMATHESIS,
    H2SPEC,
    OTELCOL,
    HADOLINT,
    PROMETHEUS,
    PROMTOOL,
    DOCKER_REGISTRY,
    SKOPEO,
];

impl Tool {
    /// The environment variable by which the tests get its path: `HTTPSERVER_KUBE_SCORE`.
    pub fn variable(&self) -> String {
        format!("HTTPSERVER_{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// Its path; it is installed first if need be.
    pub fn path(&self, runner: &mut Runner) -> Result<PathBuf> {
        let cache = cache::folder()?;
        let folder = cache.join("tools").join(format!("{}-{}", self.name, self.version));
        let binary = folder.join("bin").join(self.name);
        // Written last: an installation that was interrupted is done again.
        let complete = folder.join("complete");
        if !complete.is_file() {
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(folder.join("bin")).with_context(|| format!("cannot make {}", folder.display()))?;
            self.install(runner, &folder)?;
            ensure!(binary.is_file(), "{} has no program {}", self.what(), self.name);
            fs::write(&complete, "").with_context(|| format!("cannot write {}", complete.display()))?;
        }
        Ok(binary)
    }

    fn install(&self, runner: &mut Runner, folder: &Path) -> Result<()> {
        let what = format!("installing {}", self.what());
        match self.source {
            Source::Crates { profile } => {
                let mut cargo = workspace::cargo("install");
                cargo.args(["--locked", "--profile", profile]).env("CARGO_PROFILE_DEV_DEBUG", "false");
                cargo.arg("--root").arg(folder).arg(format!("{}@{}", self.name, self.version));
                runner.run(&what, self.hint, &mut cargo)
            }
            Source::Go { package, tags } => {
                let mut go = workspace::command("go");
                go.args(["install", "-trimpath", "-tags", tags]).arg(format!("{package}@{}", self.version));
                go.env("GOBIN", folder.join("bin")).env("CGO_ENABLED", "0");
                runner.run(&what, self.hint, &mut go).context("this takes Go 1.26 or later")
            }
            Source::LockedGo(package) => {
                let mut go = workspace::command("go");
                go.current_dir(self.lock("")).args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o"]);
                go.arg(folder.join("bin/")).arg(package).env("CGO_ENABLED", "0");
                runner.run(&what, self.hint, &mut go).context("this takes Go 1.26 or later")
            }
            Source::Python => {
                let mut python = workspace::command("python3");
                runner
                    .run(&format!("a folder for {}", self.what()), "", python.args(["-m", "venv"]).arg(folder))
                    .context(
                        "this takes Python 3.11 or later with its module venv (Debian: `apt-get install python3-venv`)",
                    )?;
                let mut pip = workspace::command(folder.join("bin/pip"));
                pip.args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"])
                    .arg(self.lock(".txt"));
                runner.run(&what, self.hint, &mut pip)
            }
            Source::Static(package) => debian::copy(runner, &what, package, self.name, folder),
            Source::Debian(packages) => debian::unpack(runner, &what, packages, self.name, folder),
        }
    }

    /// The file or folder that pins what it is built from.
    fn lock(&self, extension: &str) -> PathBuf {
        workspace::root().join("xtask/locks").join(format!("{}-{}{extension}", self.name, self.version))
    }

    fn what(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_that_needs_a_lock_has_one_and_no_other_is_there() {
        let locks = TEST_TOOLS.iter().chain([&RUMDL]).filter_map(|tool| match tool.source {
            Source::Python => Some(tool.lock(".txt")),
            Source::LockedGo(_) => Some(tool.lock("")),
            _ => None,
        });
        let mut expected: Vec<_> = locks.collect();
        let folder = fs::read_dir(workspace::root().join("xtask/locks")).unwrap();
        let mut found: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }
}
