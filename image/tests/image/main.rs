//! The image: it is reproducible and small, another program reads it, and it comes back from a registry unchanged.

mod registry;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use registry::{PASSWORD, Registry, USER};
use serde_json::Value;
use tempfile::TempDir;
use test_support::{App, artifacts};

/// The largest archive, bytes: each node on which a pod starts pulls it.
const SIZE: u64 = 200_000;

/// The files in it, at the same paths as in the repository.
const FILES: [&str; 3] = ["runtime-config.toml", "spin.toml", "target/wasm32-wasip2/release/httpserver.wasm"];

/// Makes the image in `folder`, whose `config.json` is Docker's configuration.
fn make(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpserver-image"));
    command.arg("--output").arg(folder.path().join("image.tar")).args(arguments);
    // Cargo gives tests the commit of the build script, which would replace that of git.
    command.env_remove("HTTPSERVER_GIT_COMMIT").current_dir(artifacts::root());
    command.env("DOCKER_CONFIG", folder.path()).output().expect("it runs")
}

#[track_caller]
fn made(folder: &TempDir, arguments: &[&str]) -> String {
    let output = make(folder, arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// What skopeo prints.
#[track_caller]
fn skopeo(arguments: &[&str]) -> String {
    let output = Command::new(artifacts::tool("skopeo")).arg("--insecure-policy").args(arguments).output();
    let output = output.expect("skopeo runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[track_caller]
fn inspect(arguments: &[&str]) -> Value {
    serde_json::from_str(&skopeo(&[&["inspect"], arguments].concat())).expect("JSON")
}

#[test]
fn the_same_input_makes_the_same_archive() {
    let (one, two) = (folder(), folder());
    assert_eq!(digest(&made(&one, &[])), digest(&made(&two, &[])));
    let read = |folder: &TempDir| fs::read(folder.path().join("image.tar")).expect("it was made");
    assert!(read(&one) == read(&two), "the archives differ");
}

#[test]
fn the_archive_is_small() {
    let folder = folder();
    made(&folder, &[]);
    let size = fs::metadata(folder.path().join("image.tar")).expect("it was made").len();
    assert!(size <= SIZE, "{size} bytes");
}

#[test]
fn skopeo_reads_the_image_for_both_platforms() {
    let folder = folder();
    made(&folder, &["--name", "localhost/httpserver:v7", "--source", "https://example.com/httpserver"]);
    let archive = format!("oci-archive:{}", folder.path().join("image.tar").display());
    for architecture in ["amd64", "arm64"] {
        let platform = ["--override-os", "linux", "--override-arch", architecture];
        let image: Value =
            serde_json::from_str(&skopeo(&[&platform[..], &["inspect", &archive]].concat())).expect("JSON");
        assert_eq!((&image["Os"], &image["Architecture"]), (&"linux".into(), &architecture.into()));
        let labels = &image["Labels"];
        assert_eq!(labels["org.opencontainers.image.version"], "v7");
        assert_eq!(labels["org.opencontainers.image.source"], "https://example.com/httpserver");
        assert_eq!(labels["org.opencontainers.image.licenses"], "Apache-2.0");
    }
    let config = inspect(&["--config", &archive]);
    assert_eq!(config["config"]["Cmd"], Value::from(vec!["/"]));
    assert_eq!(config["config"]["Env"], Value::from(vec!["SPIN_VARIABLE_METRICS=on"]));
}

/// The label with the commit from which the image of the repository in `root` is made.
#[track_caller]
fn revision(root: &Path) -> String {
    let folder = folder();
    made(&folder, &["--root", root.to_str().expect("text")]);
    let config = inspect(&["--config", &format!("oci-archive:{}/image.tar", folder.path().display())]);
    config["config"]["Labels"]["org.opencontainers.image.revision"].as_str().expect("a label").to_owned()
}

#[test]
fn the_label_names_the_commit_that_the_server_names() {
    let server = App::shipped().start();
    let version = server.get("/version").json();
    let (commit, label) = (version["git_commit"].as_str().expect("text"), revision(&artifacts::root()));
    let (short, long) = (commit.trim_end_matches("-dirty"), label.trim_end_matches("-dirty"));
    assert!(long.starts_with(short), "{commit} and {label}");
    assert_eq!(commit.ends_with("-dirty"), label.ends_with("-dirty"), "{commit} and {label}");
}

#[test]
fn only_a_change_of_the_images_sources_makes_its_commit_dirty() {
    let root = folder();
    let write = |name: &str, content: &str| {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a temporary folder takes folders");
        fs::write(path, content).expect("a temporary folder takes files");
    };
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
        let output = Command::new("git").arg("-C").arg(root.path()).args(identity).args(arguments).output();
        assert!(output.as_ref().is_ok_and(|output| output.status.success()), "git {arguments:?}: {output:?}");
    };
    for file in FILES.iter().chain(&["README.md", "src/lib.rs"]) {
        write(file, "before");
    }
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "all"]);
    let clean = revision(root.path());
    assert_eq!(clean.len(), 40, "{clean}");

    write("README.md", "after");
    assert_eq!(revision(root.path()), clean, "a file that is not in the image");
    for source in ["src/lib.rs", "src/new.rs", "spin.toml"] {
        write(source, "after");
        assert_eq!(revision(root.path()), format!("{clean}-dirty"), "{source}");
        git(&["stash", "--quiet", "--include-untracked", "--", source]);
    }
    assert_eq!(revision(root.path()), clean);
}

#[test]
fn the_image_has_the_repositorys_files_and_no_user_may_write_them() {
    let folder = folder();
    made(&folder, &[]);
    let unpacked = folder.path().join("unpacked");
    skopeo(&[
        "copy",
        &format!("oci-archive:{}/image.tar", folder.path().display()),
        &format!("dir:{}", unpacked.display()),
    ]);
    let manifest: Value = json(&unpacked.join("manifest.json"));
    let layers = manifest["layers"].as_array().expect("a list");
    assert_eq!(layers.len(), 1);
    let layer = unpacked.join(layers[0]["digest"].as_str().expect("text").trim_start_matches("sha256:"));
    let tar = |arguments: &[&str]| {
        let output = Command::new("tar").args(arguments).arg("-f").arg(&layer).current_dir(&unpacked).output();
        String::from_utf8(output.expect("tar runs").stdout).expect("text")
    };
    let list = tar(&["--list", "--verbose"]);
    let files: Vec<_> = list.lines().filter(|line| !line.starts_with('d')).collect();
    assert_eq!(files.len(), FILES.len(), "{list}");
    assert!(files.iter().all(|line| line.starts_with("-r--r--r-- 0/0 ")), "{list}");
    tar(&["--extract"]);
    for file in FILES {
        let (ours, theirs) = (fs::read(artifacts::root().join(file)), fs::read(unpacked.join(file)));
        assert!(ours.expect("built") == theirs.expect("in the layer"), "{file} differs");
    }
}

#[test]
fn spin_toml_names_a_file_of_the_image() {
    let manifest: toml::Table = fs::read_to_string(artifacts::manifest()).expect("it is there").parse().expect("TOML");
    let source = manifest["component"]["httpserver"]["source"].as_str().expect("text");
    assert!(FILES.contains(&source), "{source}");
}

#[test]
fn the_dockerfile_makes_the_same_image() {
    let text = fs::read_to_string(artifacts::root().join("Dockerfile")).expect("it is there");
    let copied = |line: &str| {
        let (source, target) = line.strip_prefix("COPY --chmod=0444 ")?.split_once(' ')?;
        assert_eq!(format!("/{source}"), target);
        Some(source.to_owned())
    };
    let copied: BTreeSet<_> = text.lines().filter_map(copied).collect();
    assert_eq!(copied, FILES.map(str::to_owned).into());
    assert!(
        text.lines().any(|line| line == "FROM scratch") && text.lines().any(|line| line == r#"CMD ["/"]"#),
        "{text}"
    );

    let folder = folder();
    made(&folder, &["--source", "https://example.com/httpserver"]);
    let config = inspect(&["--config", &format!("oci-archive:{}/image.tar", folder.path().display())]);
    for variable in config["config"]["Env"].as_array().expect("environment variables") {
        let line = format!("ENV {}", variable.as_str().expect("text"));
        assert!(text.lines().any(|it| it == line), "the Dockerfile has no {line}");
    }
    for label in config["config"]["Labels"].as_object().expect("labels").keys() {
        assert!(text.contains(&format!("{label}=")), "the Dockerfile has no label {label}");
    }
}

#[test]
fn hadolint_has_no_finding() {
    let output =
        Command::new(artifacts::tool("hadolint")).arg(artifacts::root().join("Dockerfile")).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_pushed_image_comes_back_equal() {
    let (registry, folder) = (Registry::start(), folder());
    log_in(&folder, &registry);
    let name = format!("{}/team/httpserver:v2", registry.address);
    let printed = made(&folder, &["--push", &name]);
    let digest = digest(&printed);
    let by_digest = format!("{}/team/httpserver@{digest}", registry.address);
    assert!(printed.contains(&format!("pushed {by_digest}")), "{printed}");

    let credentials = format!("{USER}:{PASSWORD}");
    let access = ["--tls-verify=false", "--creds", &credentials];
    let raw = skopeo(&[&["inspect", "--raw"], &access[..], &[&format!("docker://{name}")]].concat());
    let local = format!("oci-archive:{}/image.tar", folder.path().display());
    assert_eq!(raw, skopeo(&["inspect", "--raw", &local]), "the index");

    let (pushed, kept) = (folder.path().join("pushed"), folder.path().join("kept"));
    let access = ["--src-tls-verify=false", "--src-creds", &credentials];
    let copy = ["copy", "--all", "--preserve-digests"];
    skopeo(&[&copy[..], &access, &[&format!("docker://{by_digest}"), &format!("dir:{}", pushed.display())]].concat());
    skopeo(&[&copy[..], &[&local, &format!("dir:{}", kept.display())]].concat());
    assert_eq!(files(&pushed), files(&kept));

    // A second push succeeds, too.
    assert_eq!(made(&folder, &["--push", &name]), printed);
}

#[test]
fn the_error_about_an_unknown_user_says_how_to_log_in() {
    let (registry, folder) = (Registry::start(), folder());
    let output = make(&folder, &["--push", &format!("{}/httpserver:v2", registry.address)]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{output:?}");
    assert!(said.contains("cannot push") && said.contains("`docker login "), "{said}");
}

#[test]
fn a_bad_name_is_an_error_on_the_command_line() {
    for bad in [["--push", "a b"], ["--name", ""]] {
        let folder = folder();
        let output = make(&folder, &bad);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        assert!(!folder.path().join("image.tar").exists());
    }
}

/// The digest that the program printed.
fn digest(printed: &str) -> String {
    printed.lines().find(|line| line.starts_with("sha256:")).expect("it prints the digest").to_owned()
}

/// Writes what `docker login` would write.
fn log_in(folder: &TempDir, registry: &Registry) {
    let configuration = serde_json::json!({"auths": {&registry.address: {"username": USER, "password": PASSWORD}}});
    fs::write(folder.path().join("config.json"), configuration.to_string()).expect("a temporary folder takes files");
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("it is there")).expect("JSON")
}

/// Every file of a folder: its name and its content.
fn files(folder: &Path) -> BTreeSet<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable"));
    entries
        .map(|entry| (entry.file_name().into_string().expect("text"), fs::read(entry.path()).expect("a file")))
        .collect()
}
