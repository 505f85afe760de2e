//! The compiler of a node, as a program that is told what to compile by somebody else than the shim.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Completion, Trial};
use rustix::process::geteuid;
use test_support::{App, artifacts};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let tests: [(_, fn()); _] = [
        ("it_gives_the_path_of_the_component_and_then_its_code", it_gives_the_path_of_the_component_and_then_its_code),
        ("an_invalid_component_is_an_error_that_says_so", an_invalid_component_is_an_error_that_says_so),
        ("it_owns_nothing_before_it_reads_its_input", it_owns_nothing_before_it_reads_its_input),
    ];
    let trials = tests.map(|(name, test)| {
        Trial::ignorable_test(name, move || {
            if !geteuid().is_root() {
                return Ok(Completion::ignored_with("not run: only root can give up what a shim has"));
            }
            test();
            Ok(Completion::Completed)
        })
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

/// A compiler, which ends when this is dropped.
struct Compiler(Child);

impl Compiler {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_containerd-shim-wasmtime-spin-v1"));
        command.arg("compile").env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self(command.spawn().expect("the shim's program starts"))
    }

    /// Whether the result is one, and its bytes.
    fn ask(&mut self, input: &[u8]) -> (bool, Vec<u8>) {
        let mut pipe = self.0.stdin.as_ref().expect("piped");
        pipe.write_all(&(input.len() as u64).to_le_bytes()).and_then(|()| pipe.write_all(input)).expect("it reads");
        let output = self.0.stdout.as_mut().expect("piped");
        let (mut kind, mut length) = ([0], [0; 8]);
        output.read_exact(&mut kind).expect("it replies");
        output.read_exact(&mut length).expect("it replies");
        let mut bytes = Vec::new();
        output.take(u64::from_le_bytes(length)).read_to_end(&mut bytes).expect("it replies");
        (kind[0] == 0, bytes)
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.0.id())).expect("it lives")
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("our own child");
    }
}

fn it_gives_the_path_of_the_component_and_then_its_code() {
    let mut compiler = Compiler::start();
    assert_eq!(compiler.ask(App::PLAIN_MANIFEST.as_bytes()), (true, b"/component.wasm".to_vec()));
    let (is_code, code) = compiler.ask(&fs::read(artifacts::component()).expect("it is built"));
    assert!(is_code && code.starts_with(b"\x7fELF"), "wasmtime keeps code in the form of an ELF file");
}

fn an_invalid_component_is_an_error_that_says_so() {
    let mut compiler = Compiler::start();
    compiler.ask(App::PLAIN_MANIFEST.as_bytes());
    let (is_code, error) = compiler.ask(b"text");
    assert!(!is_code && String::from_utf8_lossy(&error).starts_with("not a WebAssembly component"));
}

fn it_owns_nothing_before_it_reads_its_input() {
    let mut compiler = Compiler::start();
    // Its first reply shows that it is about to read the component.
    compiler.ask(App::PLAIN_MANIFEST.as_bytes());
    let status = compiler.proc("status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" ")).expect("the kernel shows it")
    };
    let nobody = ["65534"; 4].join(" ");
    let none = "0".repeat(16);
    // One more than this test, which may be in a container.
    let own = fs::read_to_string("/proc/self/status").expect("the kernel shows it");
    let own = own.lines().find_map(|line| line.strip_prefix("Seccomp_filters:")).expect("Linux 5.9");
    let filters = (own.trim().parse::<u32>().expect("a number") + 1).to_string();
    for (name, expected) in [
        ("Uid", &*nobody),
        ("Gid", &nobody),
        ("Groups", ""),
        ("CapInh", &none),
        ("CapPrm", &none),
        ("CapEff", &none),
        ("CapBnd", &none),
        ("CapAmb", &none),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("Seccomp_filters", &filters),
        ("Threads", "1"),
    ] {
        assert_eq!(field(name), expected, "{name}");
    }
    assert_eq!(compiler.proc("oom_score_adj").trim(), "1000");
    // The 19th field; the second, the name, is in parentheses (proc(5)).
    let stat = compiler.proc("stat");
    assert_eq!(stat.rsplit_once(')').expect("a name").1.split_whitespace().nth(16), Some("19"), "nice");
    let limits = compiler.proc("limits");
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel shows it");
        line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(limit("Max cpu time"), ["30", "30"]);
    assert_eq!(limit("Max address space"), ["2147483648", "2147483648"]);
    assert_eq!(limit("Max file size"), ["0", "0"]);
    let files = fs::read_dir(format!("/proc/{}/fd", compiler.0.id())).expect("it lives").count();
    assert_eq!(files, 3, "stdin, stdout and stderr");
}
