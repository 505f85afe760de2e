//! The request as the guest sees it.

use test_support::App;

/// Sends a request for `/dump` and returns what the guest saw of it, line by line, and the client's address.
#[track_caller]
fn dump(request: &str) -> (Vec<String>, String) {
    let server = App::guest().start();
    let mut connection = server.connect();
    let response = connection.send(request).response();
    assert_eq!(response.status, 200);
    (response.text().lines().map(str::to_owned).collect(), connection.local_address().to_string())
}

/// The values of a header field in the order in which the guest saw them.
fn values(lines: &[String], name: &str) -> Vec<String> {
    let prefix = format!("header {name} ");
    lines.iter().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

#[track_caller]
fn assert_line(lines: &[String], expected: &str) {
    assert!(lines.iter().any(|line| line == expected), "no line {expected:?} in {lines:#?}");
}

#[test]
fn the_target_is_not_decoded_and_host_is_the_authority() {
    let (lines, _) = dump("GET /dump/a%20b/c?x=1&y=%2F HTTP/1.1\r\nHost: localhost:3006\r\n\r\n");
    assert_eq!(
        lines[..4],
        [
            "method Method::Get",
            r#"target Some("/dump/a%20b/c?x=1&y=%2F")"#,
            "scheme Some(Scheme::Http)",
            r#"authority Some("localhost:3006")"#,
        ]
    );
    assert_eq!(values(&lines, "host"), [""; 0]);
}

#[test]
fn a_repeated_field_has_two_entries_in_order_with_names_in_lower_case() {
    let (lines, _) = dump("GET /dump HTTP/1.1\r\nHost: test\r\nX-A: 1\r\nX-B: b\r\nx-a: 2\r\n\r\n");
    assert_eq!(values(&lines, "x-a"), [r#""1""#, r#""2""#]);
    assert_eq!(values(&lines, "x-b"), [r#""b""#]);
}

#[test]
fn connection_and_the_fields_that_it_names_are_removed() {
    let request =
        "GET /dump HTTP/1.1\r\nHost: test\r\nConnection: keep-alive, X-Secret\r\nX-Secret: 1\r\nX-Open: 2\r\n\r\n";
    let (lines, _) = dump(request);
    assert_eq!(values(&lines, "connection"), [""; 0]);
    assert_eq!(values(&lines, "x-secret"), [""; 0]);
    assert_eq!(values(&lines, "x-open"), [r#""2""#]);
}

#[test]
fn fields_of_the_message_and_of_proxies_are_kept() {
    let (lines, _) = dump(
        "POST /dump HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nExpect: 100-continue\r\nX-Forwarded-For: 6.6.6.6\r\n\
         Content-Length: 0\r\n\r\n",
    );
    assert_line(&lines, "method Method::Post");
    assert_line(&lines, r#"header te "trailers""#);
    assert_line(&lines, r#"header expect "100-continue""#);
    assert_line(&lines, r#"header x-forwarded-for "6.6.6.6""#);
    assert_line(&lines, r#"header content-length "0""#);
}

#[test]
fn the_runtime_adds_the_fields_that_spin_adds() {
    let (lines, peer) = dump("GET /dump/a%20b?x=1 HTTP/1.1\r\nHost: localhost:3006\r\n\r\n");
    let mut added: Vec<_> = lines.iter().filter(|line| line.starts_with("header ")).cloned().collect();
    added.sort();
    assert_eq!(
        added,
        [
            r#"header spin-base-path "/""#.to_owned(),
            format!(r#"header spin-client-addr "{peer}""#),
            r#"header spin-component-route """#.to_owned(),
            r#"header spin-full-url "http://localhost:3006/dump/a%20b?x=1""#.to_owned(),
            r#"header spin-matched-route "/...""#.to_owned(),
            r#"header spin-path-info "/dump/a%20b""#.to_owned(),
            r#"header spin-raw-component-route "/...""#.to_owned(),
        ]
    );
}

#[test]
fn the_value_of_the_runtime_comes_after_the_one_of_the_client() {
    let (lines, peer) = dump("GET /dump HTTP/1.1\r\nHost: test\r\nSpin-Client-Addr: 6.6.6.6:1\r\n\r\n");
    assert_eq!(values(&lines, "spin-client-addr"), [r#""6.6.6.6:1""#.to_owned(), format!("{peer:?}")]);
}

#[test]
fn the_target_of_the_asterisk_form_is_an_asterisk() {
    let (lines, _) = dump("OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_line(&lines, "method Method::Options");
    assert_line(&lines, r#"target Some("*")"#);
    assert_line(&lines, r#"header spin-path-info "/*""#);
}

#[test]
fn the_guest_sees_only_the_path_of_the_absolute_form() {
    let (lines, _) = dump("GET http://test:80/dump?x HTTP/1.1\r\nHost: test:80\r\n\r\n");
    assert_line(&lines, r#"target Some("/dump?x")"#);
    assert_line(&lines, r#"authority Some("test:80")"#);
    assert_line(&lines, r#"header spin-full-url "http://test:80/dump?x""#);
}

#[test]
fn an_unknown_method_reaches_the_guest() {
    let (lines, _) = dump("FROB /dump HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_line(&lines, r#"method Method::Other("FROB")"#);
}

#[test]
fn the_guest_has_no_environment_no_files_and_no_network() {
    let server = App::guest().env("SECRET", "1").start();
    assert_eq!(server.get("/environment").text(), "directory None\n");
    assert_eq!(server.get("/folders").text(), "folders 0\n");
    let outgoing = server.get("/outgoing");
    assert!(outgoing.text().contains("HttpRequestDenied"), "{}", outgoing.text());
}

#[test]
fn the_output_of_the_guest_comes_out_on_the_same_stream() {
    let server = App::guest().start();
    assert_eq!(server.get("/print").status, 200);
    server.stdout.line_with("printed on stdout");
    server.stderr.line_with("printed on stderr");
    assert!(!server.stdout.lines().iter().any(|line| line.contains("stderr")));
    assert!(!server.stderr.lines().iter().any(|line| line.contains("stdout")));
}
