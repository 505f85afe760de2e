//! The shim as it is tested and installed.

use test_support::assert_static;

#[test]
#[cfg_attr(
    not(target_env = "musl"),
    ignore = "not run: only the program for musl is static, which `cargo xtask shim` builds"
)]
fn the_shim_is_a_static_program() {
    assert_static(env!("CARGO_BIN_EXE_containerd-shim-wasmtime-spin-v1").as_ref());
}
