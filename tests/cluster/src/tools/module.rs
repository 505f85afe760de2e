//! Which programs there are, of which versions: `tools/NAME/go.mod` and `go.sum`.

use sha2::{Digest, Sha256};

/// One Go module of ours, and what is built of it.
pub struct Module {
    /// The folder in `tools/`.
    pub name: &'static str,
    /// Its files: what is built, to the last byte.
    pub files: &'static [(&'static str, &'static str)],
    /// What `go build` is told to build; `tool` is everything that go.mod names so.
    pub package: &'static str,
    /// What that is called, where it is one program that has not the name of its package.
    pub program: Option<&'static str>,
    /// The Go module whose version is the version of all this.
    main: &'static str,
    /// Variables that get the version, without which some programs call themselves v0.0.0.
    version_variables: &'static [&'static str],
    /// How long the build takes, for people: two cores, nothing cached.
    pub takes: &'static str,
}

macro_rules! files {
    ($folder:literal, $($file:literal),+) => {
        &[$(($file, include_str!(concat!("../../tools/", $folder, "/", $file)))),+]
    };
}

/// All of them.
pub static MODULES: [Module; 7] = [
    Module {
        name: "kubernetes",
        files: files!("kubernetes", "go.mod", "go.sum"),
        package: "tool",
        program: None,
        main: "k8s.io/kubernetes",
        version_variables: &["k8s.io/component-base/version.gitVersion", "k8s.io/client-go/pkg/version.gitVersion"],
        takes: "about 6 min",
    },
    Module {
        name: "etcd",
        files: files!("etcd", "go.mod", "go.sum"),
        package: "tool",
        program: Some("etcd"),
        main: "go.etcd.io/etcd/server/v3",
        version_variables: &[],
        takes: "about 20 s",
    },
    Module {
        name: "containerd",
        files: files!("containerd", "go.mod", "go.sum"),
        package: "tool",
        program: None,
        main: "github.com/containerd/containerd/v2",
        version_variables: &["github.com/containerd/containerd/v2/version.Version"],
        takes: "about 1 min",
    },
    Module {
        // No part of the cluster: for what has to work with the containerd of before, too.
        name: "containerd-1.7",
        files: files!("containerd-1.7", "go.mod", "go.sum"),
        package: "tool",
        program: Some("containerd-1.7"),
        main: "github.com/containerd/containerd",
        version_variables: &["github.com/containerd/containerd/version.Version"],
        takes: "about 1 min",
    },
    Module {
        name: "coredns",
        files: files!("coredns", "go.mod", "go.sum", "main.go"),
        package: ".",
        program: None,
        main: "github.com/coredns/coredns",
        version_variables: &[],
        takes: "about 1 min",
    },
    Module {
        name: "metrics-server",
        files: files!("metrics-server", "go.mod", "go.sum"),
        package: "tool",
        program: None,
        main: "sigs.k8s.io/metrics-server",
        version_variables: &[],
        takes: "about 2 min",
    },
    Module {
        name: "traefik",
        files: files!("traefik", "go.mod", "go.sum", "lego.mod", "lego.sum", "dns.go"),
        package: "tool",
        program: None,
        main: "github.com/traefik/traefik/v3",
        version_variables: &["github.com/traefik/traefik/v3/pkg/version.Version"],
        takes: "about 4 min",
    },
];

impl Module {
    /// The version that go.mod pins.
    pub fn version(&self) -> &str {
        let (_, go_mod) = self.files.iter().find(|(name, _)| *name == "go.mod").expect("every module has a go.mod");
        let mut words = go_mod.lines().map(|line| line.trim().trim_start_matches("require ").split_whitespace());
        words.find_map(|mut line| (line.next() == Some(self.main)).then(|| line.next())?).expect("go.mod requires it")
    }

    /// The linker's flags: no symbols, and the version.
    pub fn ldflags(&self) -> String {
        let version = self.version();
        let variables = self.version_variables.iter().map(|variable| format!(" -X {variable}={version}"));
        let mut flags = format!("-s -w{}", variables.collect::<String>());
        if self.name == "kubernetes" {
            // What clients compare: `kubectl` warns of a server without them.
            let mut numbers = version.trim_start_matches('v').split('.');
            for name in ["gitMajor", "gitMinor"] {
                let number = numbers.next().expect("a version has three numbers");
                flags.push_str(&format!(" -X k8s.io/component-base/version.{name}={number}"));
            }
        }
        flags
    }

    /// What tells one build from another: hexadecimal, of everything that goes in and is not Go itself.
    pub fn key(&self) -> String {
        let mut hash = Sha256::new();
        for (name, text) in self.files {
            hash.update(format!("{name} {}\n", text.len()));
            hash.update(text);
        }
        hash.update(self.ldflags());
        hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_names_its_version() {
        for module in &MODULES {
            assert!(module.version().starts_with('v'), "{}: {}", module.name, module.version());
            assert_eq!(module.key().len(), 12);
        }
    }

    #[test]
    fn kubernetes_knows_its_version() {
        let flags = MODULES[0].ldflags();
        assert!(flags.contains("version.gitVersion=v1.36."), "{flags}");
        assert!(flags.contains("version.gitMajor=1 ") && flags.ends_with("version.gitMinor=36"), "{flags}");
    }
}
