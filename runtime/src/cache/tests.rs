//! The cache as a folder: what stays in it, and what goes.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::thread;

use super::*;

/// Bytes of each entry here: its code and the digest.
const LENGTH: u64 = 100;

fn key(name: &str) -> Key {
    Key(name.to_owned())
}

fn store(cache: &Cache, name: &str) -> Result<Entry> {
    cache.store(key(name), |file| Ok(file.write_all(&[b'c'; LENGTH as usize - DIGEST])?))
}

/// A cache with room for `entries`.
fn cache(folder: &tempfile::TempDir, entries: u64) -> Cache {
    Cache::in_dir(folder.path().join("compiled"), entries * LENGTH)
}

fn names(cache: &Cache) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(&cache.folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    names
}

/// As if the file `name` was used this long ago.
fn age(cache: &Cache, name: &str, by: Duration) {
    let file = File::options().write(true).open(cache.folder.join(name)).unwrap();
    file.set_times(FileTimes::new().set_accessed(SystemTime::now() - by)).unwrap();
}

#[test]
fn what_was_not_used_for_the_longest_time_goes_when_the_limit_in_bytes_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder, 3);
    for (name, minutes) in [("a", 3), ("b", 2), ("c", 1)] {
        store(&cache, name).unwrap();
        age(&cache, &format!("{name}.cwasm"), Duration::from_mins(minutes));
    }
    cache.find(&key("a")).unwrap().expect("it is there");
    store(&cache, "d").unwrap();
    assert_eq!(names(&cache), ["a.cwasm", "c.cwasm", "d.cwasm"]);
}

#[test]
fn a_file_that_a_killed_process_left_goes_and_one_that_is_being_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder, 1);
    store(&cache, "a").unwrap();
    for name in [".tmpOld", ".tmpNew"] {
        fs::write(cache.folder.join(name), [0; 1000]).unwrap();
    }
    age(&cache, ".tmpOld", ABANDONED + Duration::from_mins(1));
    store(&cache, "b").unwrap();
    assert_eq!(names(&cache), [".tmpNew", "b.cwasm"]);
}

#[test]
fn an_entry_can_be_used_although_another_process_removes_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder, 1);
    thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let cache = &cache;
            scope.spawn(move || {
                for _ in 0..200 {
                    let entry = match cache.find(&key(name)).unwrap() {
                        Some(entry) => entry,
                        None => store(cache, name).unwrap(),
                    };
                    read_whole(&entry.into_parts().1).unwrap();
                }
            });
        }
    });
}

#[test]
fn an_entry_is_handed_out_for_reading_only() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder, 1);
    for entry in [store(&cache, "a").unwrap(), cache.find(&key("a")).unwrap().unwrap()] {
        (&entry.into_parts().1).write_all(b"x").unwrap_err();
    }
}

#[test]
fn an_entry_is_not_kept_if_its_code_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder, 1);
    cache.store(key("a"), |_| anyhow::bail!("the compiler failed")).unwrap_err();
    assert_eq!(names(&cache), Vec::<OsString>::new());
}

/// A component without content.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

#[test]
fn what_the_compiler_of_a_node_makes_is_for_the_engine_that_serves() {
    use crate::limits::Limits;

    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::in_dir(folder.path().join("compiled"), 1 << 20);
    let compiler = engine::compiler().unwrap();
    let serving = engine::new(&Limits { instances: NonZeroU32::new(1), ..Limits::DEFAULT }).unwrap();
    assert_eq!(Key::new(&compiler, EMPTY), Key::new(&serving, EMPTY));
    cache.entry(&compiler, EMPTY).unwrap().component(&serving, EMPTY).unwrap();
}
