//! The runtime as it is tested and installed.

use test_support::assert_static;

#[test]
#[cfg_attr(
    not(target_env = "musl"),
    ignore = "not run: only the program for musl is static, which `cargo xtask test` builds"
)]
fn the_runtime_is_a_static_program() {
    assert_static(env!("CARGO_BIN_EXE_httpserver").as_ref());
}
