//! A server that serves is confined, on each of its threads.

use std::fs;

use test_support::App;

#[test]
fn each_thread_has_a_filter_of_system_calls_and_no_way_to_more_rights() {
    let server = App::guest().start();
    assert_eq!(server.get("/ok").text(), "ok");
    let filters = |status: &str| -> u32 {
        let line = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"));
        line.expect("Linux 5.9").trim().parse().expect("a number")
    };
    // This test may be in a container, with a filter of its own.
    let own = filters(&fs::read_to_string("/proc/self/status").expect("the kernel shows it"));
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("it lives");
    let threads: Vec<_> = threads.map(|thread| thread.expect("the kernel shows it").path()).collect();
    assert!(threads.len() > 1, "{threads:?}");
    for thread in threads {
        let status = fs::read_to_string(thread.join("status")).expect("it lives");
        assert!(status.contains("NoNewPrivs:\t1\n") && status.contains("Seccomp:\t2\n"), "{status}");
        assert!(filters(&status) > own, "{status}");
    }
}
