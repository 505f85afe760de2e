//! The cache of compiled code: machine code is loaded only if only this user could write it. Any other entry is removed, and the
//! component compiled again.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Trial};
use rustix::process::geteuid;
use test_support::App;

/// The tests by name. The compiler reports a function that is missing here as unused.
macro_rules! tests {
    ($($name:ident)*) => { [$((stringify!($name), $name as fn())),*] };
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let tests = tests![
        an_entry_is_made_once_and_no_other_user_can_write_to_it
        another_component_has_another_entry
        a_truncated_entry_is_made_again
        an_entry_with_one_flipped_bit_is_made_again
        an_entry_that_others_may_write_to_is_made_again
        an_entry_that_is_a_link_is_made_again
        a_folder_that_others_may_write_to_is_not_used
        without_a_home_there_is_no_cache_and_no_message
        without_xdg_cache_home_the_cache_is_in_the_home
        a_folder_that_cannot_be_made_is_a_warning
    ];
    let needs_root = tests![an_entry_of_another_user_is_made_again];
    let not_run = (!geteuid().is_root()).then_some("not run: only root can give a file away");
    let trials = tests.map(|test| trial(test, None)).into_iter().chain(needs_root.map(|test| trial(test, not_run)));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// `not_run` is the reason why the test cannot run here.
fn trial((name, test): (&str, fn()), not_run: Option<&'static str>) -> Trial {
    Trial::ignorable_test(name, move || {
        if let Some(reason) = not_run {
            return Ok(Completion::ignored_with(reason));
        }
        test();
        Ok(Completion::Completed)
    })
}

/// A cache folder of the test's own, for one application.
struct Cache {
    base: tempfile::TempDir,
}

impl Cache {
    fn new() -> Self {
        Self { base: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Starts a server with this cache, checks that it serves, ends it, and returns what it printed on stderr.
    fn serve(&self) -> String {
        let server = App::guest().env("XDG_CACHE_HOME", self.base.path()).start();
        assert_eq!(server.get("/ok").text(), "ok");
        server.stderr.to_string()
    }

    fn folder(&self) -> PathBuf {
        self.base.path().join("httpserver/compiled")
    }

    /// The only file in the folder.
    #[track_caller]
    fn entry(&self) -> PathBuf {
        let mut entries = fs::read_dir(self.folder()).expect("the folder was made");
        let entry = entries.next().expect("an entry was made").expect("the folder can be read").path();
        assert!(entries.next().is_none(), "one component has one entry");
        entry
    }
}

/// The inode and the time of the last change: they differ after a file was written again.
fn identity(file: &Path) -> (u64, i64, i64) {
    let metadata = fs::symlink_metadata(file).expect("the file is there");
    (metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

fn mode(file: &Path) -> u32 {
    fs::symlink_metadata(file).expect("the file is there").mode() & 0o777
}

/// Makes an entry and damages it in each of these ways. Asserts that the next server logs `expected`, serves, and makes an entry
/// like the first.
#[track_caller]
fn assert_made_again(damages: &[&dyn Fn(&Path)], expected: &str) {
    let cache = Cache::new();
    cache.serve();
    let good = fs::read(cache.entry()).expect("our own file");
    for damage in damages {
        damage(&cache.entry());
        let damaged = identity(&cache.entry());
        let stderr = cache.serve();
        assert!(stderr.contains(expected), "{stderr}");
        let entry = cache.entry();
        assert_ne!(identity(&entry), damaged, "made again");
        let metadata = fs::symlink_metadata(&entry).expect("an entry");
        assert!(metadata.is_file() && metadata.uid() == geteuid().as_raw());
        assert_eq!(mode(&entry), 0o600);
        assert!(fs::read(&entry).expect("our own file") == good, "the same code as at first");
    }
    let made = identity(&cache.entry());
    cache.serve();
    assert_eq!(identity(&cache.entry()), made, "and then used");
}

fn truncate(entry: &Path, length: u64) {
    fs::File::options().write(true).open(entry).and_then(|file| file.set_len(length)).expect("our own file");
}

fn flip(entry: &Path, place: impl Fn(usize) -> usize) {
    let mut bytes = fs::read(entry).expect("our own file");
    let place = place(bytes.len());
    bytes[place] ^= 1;
    fs::write(entry, bytes).expect("our own file");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own");
}

fn an_entry_is_made_once_and_no_other_user_can_write_to_it() {
    let cache = Cache::new();
    let stderr = cache.serve();
    let entry = cache.entry();
    let made = identity(&entry);
    assert_eq!((mode(&cache.folder()), mode(&entry)), (0o700, 0o600), "{stderr}");
    assert!(entry.extension().is_some_and(|extension| extension == "cwasm"), "{entry:?}");
    cache.serve();
    assert_eq!(identity(&cache.entry()), made, "the second start uses what the first one made");
}

fn another_component_has_another_entry() {
    let cache = Cache::new();
    cache.serve();
    let first = cache.entry();
    let made = identity(&first);
    let server = App::shipped().env("XDG_CACHE_HOME", cache.base.path()).start();
    assert_eq!(server.get("/healthz").text(), "200 ok");
    assert_eq!(fs::read_dir(cache.folder()).expect("the folder was made").count(), 2);
    assert_eq!(identity(&first), made);
}

fn a_truncated_entry_is_made_again() {
    assert_made_again(&[&|entry| truncate(entry, 0), &|entry| truncate(entry, 10_000)], "compiling again");
}

fn an_entry_with_one_flipped_bit_is_made_again() {
    // In the digest, in the middle of the code, and in its last byte.
    assert_made_again(
        &[&|entry| flip(entry, |_| 0), &|entry| flip(entry, |length| length / 2), &|entry| {
            flip(entry, |length| length - 1)
        }],
        "compiling again",
    );
}

fn an_entry_that_others_may_write_to_is_made_again() {
    assert_made_again(&[&|entry| set_mode(entry, 0o620), &|entry| set_mode(entry, 0o602)], "others may write");
}

fn an_entry_that_is_a_link_is_made_again() {
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let target = elsewhere.path().join("code");
    let link = |entry: &Path| {
        fs::copy(entry, &target).expect("our own file");
        fs::remove_file(entry).expect("our own file");
        symlink(&target, entry).expect("our own folder");
    };
    assert_made_again(&[&link], "link");
    assert!(target.is_file(), "the link is removed and not what it points to");
}

fn an_entry_of_another_user_is_made_again() {
    /// The user `nobody`.
    const OTHER: u32 = 65_534;
    let give_away = |entry: &Path| chown(entry, Some(OTHER), None).expect("root may");
    assert_made_again(&[&give_away], "belongs to user 65534");
}

fn a_folder_that_others_may_write_to_is_not_used() {
    let cache = Cache::new();
    cache.serve();
    for mode in [0o770, 0o707] {
        set_mode(&cache.folder(), mode);
        let stderr = cache.serve();
        assert!(stderr.contains("others may write"), "{stderr}");
        assert_eq!(
            fs::read_dir(cache.folder()).expect("our own folder").count(),
            0,
            "the entry is removed, none is made"
        );
    }
}

fn without_a_home_there_is_no_cache_and_no_message() {
    let app = App::guest().without_env("XDG_CACHE_HOME");
    let folder = app.folder();
    let before = fs::read_dir(&folder).expect("our own folder").count();
    let server = app.start();
    assert_eq!(server.get("/ok").text(), "ok");
    assert_eq!(
        fs::read_dir(&folder).expect("our own folder").count(),
        before,
        "no other file in the application's folder"
    );
    assert!(!server.stderr.to_string().contains("httpserver:"), "{}", server.stderr);
}

fn without_xdg_cache_home_the_cache_is_in_the_home() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let server = App::guest().without_env("XDG_CACHE_HOME").env("HOME", home.path()).start();
    assert_eq!(server.get("/ok").text(), "ok");
    assert_eq!(fs::read_dir(home.path().join(".cache/httpserver/compiled")).expect("it was made").count(), 1);
}

fn a_folder_that_cannot_be_made_is_a_warning() {
    // A file system of the kernel, in which not even root can make a folder.
    let server = App::guest().env("XDG_CACHE_HOME", "/proc").start();
    assert_eq!(server.get("/ok").text(), "ok");
    server.stderr.line_with("not keeping the compiled component");
}
