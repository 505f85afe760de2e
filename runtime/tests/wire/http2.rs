//! HTTP/2, in the clear and over TLS.

use test_support::http2::Http2;
use test_support::tls::Identity;
use test_support::{App, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

async fn prior_knowledge(server: &Server) -> Http2 {
    Http2::open(TcpStream::connect(server.address()).await.expect("the server listens")).await
}

fn secure(identity: &Identity) -> Server {
    let app = App::guest().arg("--tls-cert").arg(identity.certificate());
    app.arg("--tls-key").arg(identity.key()).start()
}

#[track_caller]
fn assert_lines(dump: &[u8], expected: &[&str]) {
    let dump = String::from_utf8_lossy(dump);
    for line in expected {
        assert!(dump.lines().any(|dumped| dumped == *line), "no line {line:?} in:\n{dump}");
    }
    assert!(!dump.contains("header host"), "{dump}");
}

#[tokio::test]
async fn http_2_with_prior_knowledge_works_on_the_same_port() {
    let server = App::guest().start();
    let client = prior_knowledge(&server).await;
    let response = client.get("http://localhost:3006/dump/a%20b?x=1").await.expect("a response");
    assert_eq!(response.status(), 200);
    let expected = [
        r#"target Some("/dump/a%20b?x=1")"#,
        "scheme Some(Scheme::Http)",
        r#"authority Some("localhost:3006")"#,
        r#"header spin-full-url "http://localhost:3006/dump/a%20b?x=1""#,
    ];
    assert_lines(response.body(), &expected);
    assert_eq!(server.get("/ok").text(), "ok", "and HTTP/1.1 is, too");
}

#[tokio::test]
async fn requests_on_one_http_2_connection_run_at_the_same_time() {
    let server = App::guest().start();
    let client = prior_knowledge(&server).await;
    // It runs as long as all the others.
    let (body, held) = client.post("http://test/hold");
    let mut others = JoinSet::new();
    for number in 1..=50 {
        let client = client.clone();
        others.spawn(async move { (number, client.get(&format!("http://test/one-in-ten/{number}")).await) });
    }
    while let Some(finished) = others.join_next().await {
        let (number, response) = finished.expect("no panic");
        let response = response.expect("a response");
        let expected = if number % 10 == 0 { (500, String::new()) } else { (200, number.to_string()) };
        assert_eq!((response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned()), expected);
    }
    drop(body);
    assert_eq!(held.await.expect("no panic").expect("a response").body(), "0");
}

#[tokio::test]
async fn a_server_with_tls_uses_the_protocol_that_the_client_offers() {
    let identity = Identity::generate();
    let server = secure(&identity);
    let cases: [(&[&str], Option<&[u8]>); 4] =
        [(&["h2", "http/1.1"], Some(b"h2")), (&["h2"], Some(b"h2")), (&["http/1.1"], Some(b"http/1.1")), (&[], None)];
    for (offered, chosen) in cases {
        let mut stream = identity.connect(server.address(), offered).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen, "{offered:?}");
        let dump = if chosen == Some(b"h2") {
            let client = Http2::open(stream).await;
            client.get("https://localhost/dump").await.expect("a response").into_body().to_vec()
        } else {
            let request = b"GET /dump HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.expect("the server takes what is sent");
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.expect("the server ends the connection in order");
            bytes
        };
        let full_url = r#"header spin-full-url "https://localhost/dump""#;
        assert_lines(&dump, &["scheme Some(Scheme::Https)", r#"authority Some("localhost")"#, full_url]);
    }
}

#[test]
fn a_server_with_tls_does_not_respond_without_tls() {
    let identity = Identity::generate();
    let server = secure(&identity);
    let mut connection = server.connect();
    let bytes = connection.send("GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n").rest();
    assert!(!String::from_utf8_lossy(&bytes).contains("HTTP/1.1 200"), "{bytes:?}");
}
