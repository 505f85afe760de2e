//! The machine itself: QEMU, which emulates its processors, so that it is the same wherever this runs.

use std::env::consts::ARCH;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{self, Path};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::base::Base;

/// When a machine is ended that does not end itself, seconds. Each case has a deadline of its own, far below it. With nothing else on two
/// processors all of them take 3 min to 7 min, beside builds 12 min.
const DEADLINE: &str = "1800";

/// The folder for what a run writes, seen from the root of the checkout, where `cargo xtask` starts this program.
const TARGET: &str = "target";

/// What differs between the kinds of processors.
pub struct Platform {
    /// By the name of Debian, Go and images.
    pub architecture: &'static str,
    /// By the name of the kernel and compilers.
    pub processor: &'static str,
    /// QEMU's program, and Debian's package with it.
    pub emulator: &'static str,
    pub emulator_package: &'static str,
    /// Debian's kernel for virtual machines.
    pub kernel_package: &'static str,
    /// The board and the processor, by QEMU's names.
    board: &'static str,
    model: &'static str,
    /// Its first serial line, by the kernel's name.
    console: &'static str,
}

const AMD64: Platform = Platform {
    architecture: "amd64",
    processor: "x86_64",
    emulator: "qemu-system-x86_64",
    emulator_package: "qemu-system-x86",
    kernel_package: "linux-image-cloud-amd64",
    board: "q35",
    model: "max",
    console: "ttyS0",
};

const ARM64: Platform = Platform {
    architecture: "arm64",
    processor: "aarch64",
    emulator: "qemu-system-aarch64",
    emulator_package: "qemu-system-arm",
    kernel_package: "linux-image-cloud-arm64",
    board: "virt",
    // It signs addresses, for which the algorithm that processors have would take half of an emulation's time.
    model: "max,pauth-impdef=on",
    console: "ttyAMA0",
};

impl Platform {
    /// The one for `architecture`.
    ///
    /// # Errors
    /// There is none.
    pub fn find(architecture: &str) -> Result<Self> {
        let mut all = [AMD64, ARM64].into_iter();
        let found = all.find(|platform| platform.architecture == architecture);
        found.with_context(|| format!("invalid architecture \"{architecture}\": expected amd64 or arm64"))
    }

    /// Whether it has other processors than this machine.
    pub fn is_foreign(&self) -> bool {
        self.processor != ARCH
    }

    /// QEMU's program that runs one program for it.
    pub fn user_emulator(&self) -> String {
        format!("qemu-{}-static", self.processor)
    }

    /// The C compiler for it.
    pub fn gcc(&self) -> String {
        if self.is_foreign() { format!("{}-linux-gnu-gcc", self.processor) } else { "gcc".to_owned() }
    }
}

/// A machine that is switched off.
pub struct Machine {
    qemu: Command,
    luggage: File,
    console: File,
}

impl Machine {
    /// With `base` as its first disk and `luggage` as the second. It changes neither file.
    pub fn new(platform: &Platform, base: &Base, luggage: File) -> Result<Self> {
        let console = nameless("vm-console")?;
        let mut qemu = bound();
        qemu.arg(platform.emulator).args(["-machine", platform.board]);
        // Emulated, also where the processor could do it itself: what can is not the same everywhere, and not everywhere allowed.
        qemu.args(["-accel", "tcg,thread=multi", "-cpu", platform.model, "-smp", "2", "-m", "2G"]);
        qemu.args(["-nodefaults", "-no-reboot", "-display", "none", "-nic", "none"]);
        let words =
            format!("root=/dev/nvme0n1 rw quiet systemd.log_level=notice panic=-1 console={}", platform.console);
        qemu.arg("-kernel").arg(base.kernel()).args(["-append", &words]);
        qemu.args(["-serial", &format!("file:{}", path(&console))]);
        // Debian's kernel has this controller built in, and finds its disks in the order of their numbers.
        qemu.args(["-device", "nvme,id=nvme,serial=1"]);
        let base = base.disk();
        qemu.args(["-device", "nvme-ns,bus=nvme,nsid=1,drive=base", "-drive"]);
        qemu.arg(format!("id=base,if=none,format=raw,snapshot=on,cache=unsafe,file={}", base.display()));
        qemu.args(["-device", "nvme-ns,bus=nvme,nsid=2,drive=luggage", "-drive"]);
        qemu.arg(format!("id=luggage,if=none,format=raw,snapshot=on,cache=unsafe,file={}", path(&luggage)));
        // What the cases print comes out of it.
        qemu.args(["-device", "virtio-serial", "-chardev", "file,id=cases,path=/dev/stdout"]);
        qemu.args(["-device", "virtserialport,chardev=cases,name=cases"]);
        // Where the changes to the disks go, into files without a name.
        qemu.env("TMPDIR", path::absolute(TARGET).context("there is no current folder")?);
        Ok(Self { qemu, luggage, console })
    }

    /// Switches it on, prints the lines of the cases, and waits until it has switched itself off.
    ///
    /// # Errors
    /// If a case failed, or not all of them have ended: then the console is shown.
    pub fn run(mut self) -> Result<()> {
        for file in [&self.luggage, &self.console] {
            fcntl_setfd(file, FdFlags::empty()).context("cannot leave a file to QEMU")?;
        }
        let mut qemu = self.qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run `setpriv`")?;
        let mut result = None;
        for line in BufReader::new(qemu.stdout.take().expect("its standard output is a pipe")).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            if let Some(said) = line.strip_prefix("test result: ") {
                result = Some(said.starts_with("ok."));
            }
        }
        let ended = qemu.wait()?;
        if result == Some(true) && ended.success() {
            return Ok(());
        }
        let mut log = Vec::new();
        self.console.rewind()?;
        self.console.read_to_end(&mut log)?;
        eprintln!("the machine's console:");
        io::stderr().write_all(&log)?;
        ensure!(ended.success(), "the machine ended with {ended}; it has {DEADLINE} s");
        ensure!(result.is_some(), "the machine ended before all cases had; its console is above");
        bail!("a case failed, see above")
    }
}

/// A command that ends with this program, however that ends, and at the latest after [`DEADLINE`]; Ctrl-C reaches it, too.
fn bound() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "timeout", "--foreground", "--signal", "KILL", DEADLINE]);
    command.args(["setpriv", "--pdeathsig", "KILL"]);
    command
}

/// A new file that goes with the last who has it open.
fn nameless(name: &str) -> Result<File> {
    let path = Path::new(TARGET).join(name);
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(true).open(&path);
    let file = file.with_context(|| format!("cannot write {}", path.display()))?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// By what name a child of ours opens it.
fn path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}
