//! The certificate of a server: it may change while the server runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_support::tls::Identity;
use test_support::wait::Patience;
use test_support::{App, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// A folder as the kubelet makes it of a Secret: its files are links through a link that it replaces.
struct Secret {
    folder: TempDir,
    versions: u32,
}

impl Secret {
    fn new(identity: &Identity) -> Self {
        let mut secret = Self { folder: tempfile::tempdir().expect("a temporary folder"), versions: 0 };
        secret.replace(identity);
        for name in ["certificate.pem", "key.pem"] {
            symlink(Path::new("..data").join(name), secret.file(name)).expect("a temporary folder takes links");
        }
        secret
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn replace(&mut self, identity: &Identity) {
        self.versions += 1;
        let version = format!("..{}", self.versions);
        fs::create_dir(self.file(&version)).expect("a temporary folder takes folders");
        for path in [identity.certificate(), identity.key()] {
            let name = path.file_name().expect("a file");
            fs::copy(&path, self.file(&version).join(name)).expect("a copy");
        }
        symlink(&version, self.file("..new")).expect("a temporary folder takes links");
        fs::rename(self.file("..new"), self.file("..data")).expect("a link may be replaced");
    }

    fn serve(&self) -> Server {
        let app = App::guest().arg("--tls-cert").arg(self.file("certificate.pem"));
        app.arg("--tls-key").arg(self.file("key.pem")).start()
    }
}

/// Whether the server shows the certificate of `identity`.
async fn shows(server: &Server, identity: &Identity) -> bool {
    let stream = TcpStream::connect(server.address()).await.expect("the server listens");
    identity.handshake(stream, &["http/1.1"]).await.is_ok()
}

async fn assert_shows(server: &Server, identity: &Identity) {
    let end = Instant::now() + Patience::PROCESS.limit;
    while !shows(server, identity).await {
        assert!(Instant::now() < end, "the certificate is another one:\n{}", server.stderr);
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_new_start() {
    let (old, new) = (Identity::generate(), Identity::generate());
    let mut secret = Secret::new(&old);
    let server = secret.serve();
    let mut connection = old.connect(server.address(), &["http/1.1"]).await;
    assert!(!shows(&server, &new).await);
    for identity in [&new, &old] {
        secret.replace(identity);
        assert_shows(&server, identity).await;
    }
    assert!(!shows(&server, &new).await, "the one before is not used any more");
    let request = "GET /ok HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    connection.write_all(request.as_bytes()).await.expect("an old connection goes on");
    let mut response = String::new();
    connection.read_to_string(&mut response).await.expect("a response");
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

#[tokio::test]
async fn a_pair_that_does_not_fit_leaves_the_old_certificate_and_is_reported_once() {
    let (old, new) = (Identity::generate(), Identity::generate());
    let server = App::guest().with_tls(&old).start();
    let certificate = fs::read(old.certificate()).expect("a file");
    let kept = |lines: &[String]| lines.iter().filter(|line| line.contains("keeping the old certificate")).count();
    fs::copy(new.certificate(), old.certificate()).expect("a copy");
    server.stderr.line_with("keeping the old certificate: cannot use");
    assert!(shows(&server, &old).await);
    // Each change has one line, however long it is there.
    fs::write(old.certificate(), "half of a").expect("a file");
    server.stderr.wait_for(|lines| (kept(lines) == 2).then_some(())).expect("a line for the next change");
    fs::write(old.certificate(), certificate).expect("a file");
    server.stderr.line_with("using the new certificate");
    assert!(shows(&server, &old).await);
    assert_eq!(kept(&server.stderr.lines()), 2, "{}", server.stderr);
}

#[test]
fn a_key_that_everybody_can_read_is_reported() {
    let identity = Identity::generate();
    let start = || App::guest().with_tls(&identity).start();
    let told = |server: &Server| server.stderr.lines().iter().any(|line| line.contains("can read the private key"));
    assert!(!told(&start()));
    fs::set_permissions(identity.key(), Permissions::from_mode(0o644)).expect("our own file");
    assert!(told(&start()));
}
