//! What the guest sees of the key-value store: every function once.

use spin_sdk::wit::wasi::keyvalue::{atomics, batch, store};

use super::report::line;

/// A line for each call.
pub fn report() -> String {
    let mut lines = String::new();
    let l = &mut lines;
    line(l, "open other", &store::open("other").map(drop));
    let bucket = match store::open("default") {
        Ok(bucket) => bucket,
        Err(error) => {
            line(l, "open default", &error);
            return lines;
        }
    };
    line(l, "set", &bucket.set("a", b"one"));
    line(l, "get", &bucket.get("a"));
    line(l, "exists", &bucket.exists("a"));
    line(l, "increment what is no number", &atomics::increment(&bucket, "a", 1));
    line(l, "increment", &atomics::increment(&bucket, "n", -2));
    line(l, "its bytes", &bucket.get("n"));
    let pairs = [("b".to_owned(), b"two".to_vec()), ("c".to_owned(), Vec::new())];
    line(l, "set many", &batch::set_many(&bucket, &pairs));
    line(l, "get many", &batch::get_many(&bucket, &["b", "none", "c"].map(str::to_owned)));
    line(l, "delete many", &batch::delete_many(&bucket, &["b", "none"].map(str::to_owned)));
    line(l, "delete", &bucket.delete("c"));
    let mut keys = bucket.list_keys(None).expect("the store lists its keys");
    keys.keys.sort();
    line(l, "keys", &(keys.keys, keys.cursor));
    line(l, "a cursor", &bucket.list_keys(Some("1")).map(drop));
    line(l, "too large", &bucket.set("large", &vec![0; 8 << 20]));
    line(l, "a long key", &bucket.set(&"k".repeat(2000), b""));
    swap(l, &bucket);
    let many: Vec<_> = (0..2000).map_while(|_| store::open("default").ok()).collect();
    line(l, "handles have a limit", &(many.len() < 2000));
    line(l, "a handle", &store::open("default").map(drop));
    lines
}

/// A swap that fails because the value has changed, and one with the handle that this gives.
fn swap(lines: &mut String, bucket: &store::Bucket) {
    let cas = atomics::Cas::new(bucket, "a").expect("a handle");
    line(lines, "current", &cas.current());
    bucket.set("a", b"changed").expect("there is room");
    match atomics::swap(cas, b"lost") {
        Err(atomics::CasError::CasFailed(now)) => line(lines, "swap again", &atomics::swap(now, b"swapped").is_ok()),
        other => line(lines, "swap of what has changed", &other.is_ok()),
    }
    line(lines, "swapped", &bucket.get("a"));
}
