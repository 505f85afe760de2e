//! Keys and values in memory. Threads that add to different keys, or to the same number, do not wait for each other.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::log;

/// The longest key, bytes: far more than a name takes.
const LONGEST_KEY: usize = 1024;

/// What a pair takes beside its key and its value, bytes: its place in the table, half of which may be empty, and what the allocator
/// adds. So a limit of bytes is one of keys, too.
const PAIR: usize = 128;

/// Parts of the store, each with a lock of its own. Many times the threads of a large machine, so that two seldom meet.
const SHARDS: usize = 256;

/// A store.
#[derive(Debug)]
pub(crate) struct Store {
    shards: Vec<Shard>,
    hasher: RandomState,
    limit: usize,
    /// Bytes that are left of the limit.
    left: AtomicUsize,
}

/// Its own cache line (two on processors that fetch pairs): a lock changes with each access.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(RwLock<HashMap<Box<str>, Value>>);

/// A value. Eight bytes are kept as the number that they are, lowest byte first, so that adding needs no lock of its own.
#[derive(Debug)]
enum Value {
    Number(AtomicI64),
    Bytes(Box<[u8]>),
}

/// Stands for a value, to see that it has not changed. Two values have the same with a chance of 1 to 2^64, and a guest cannot
/// choose them so: the hash has a secret key.
pub(super) type Fingerprint = u64;

/// Why the store did not do what was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It has no room for more. The number is its limit in bytes.
    Full(usize),
    /// A key of that length.
    LongKey(usize),
    /// The value to add to is not a number. It has that many bytes.
    NoNumber(usize),
    /// The sum is beyond 64 bits.
    Overflow,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(limit) => write!(
                f,
                "the key-value store is full: expected at most {limit} bytes of keys and values, with {PAIR} more for each key; \
                 raise --max-store"
            ),
            Self::LongKey(length) => write!(f, "invalid key of {length} bytes: expected at most {LONGEST_KEY}"),
            Self::NoNumber(length) => write!(f, "invalid value of {length} bytes to add to: expected a number of 8"),
            Self::Overflow => write!(f, "invalid sum: expected a number of 64 bits"),
        }
    }
}

/// Whether a key may have this length.
pub(super) fn check_key(key: &str) -> Result<(), Refusal> {
    if key.len() > LONGEST_KEY { Err(Refusal::LongKey(key.len())) } else { Ok(()) }
}

impl Store {
    /// A store for that many bytes, which lives as long as the process: a counter of references would be one more that all threads
    /// change for each request.
    pub(crate) fn new(limit: usize) -> &'static Self {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Box::leak(Box::new(Self { shards, hasher: RandomState::new(), limit, left: AtomicUsize::new(limit) }))
    }

    pub(super) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.shard(key).read().get(key).map(Value::bytes)
    }

    pub(super) fn exists(&self, key: &str) -> bool {
        self.shard(key).read().contains_key(key)
    }

    pub(super) fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Refusal> {
        self.put(&mut self.shard(key).write(), key, Value::new(value))
    }

    pub(super) fn delete(&self, key: &str) {
        if let Some(value) = self.shard(key).write().remove(key) {
            self.left.fetch_add(cost(key, &value), Ordering::Relaxed);
        }
    }

    /// All keys, in no order.
    pub(super) fn keys(&self) -> Vec<String> {
        self.shards.iter().flat_map(|shard| shard.read().keys().map(ToString::to_string).collect::<Vec<_>>()).collect()
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> Result<i64, Refusal> {
        let shard = self.shard(key);
        if let Some(value) = shard.read().get(key) {
            return value.add(delta);
        }
        let mut pairs = shard.write();
        // Another thread may have been here since.
        if let Some(value) = pairs.get(key) {
            return value.add(delta);
        }
        self.put(&mut pairs, key, Value::Number(delta.into()))?;
        Ok(delta)
    }

    /// Sets the value if it is still the one that was `seen`. If not, returns what is to be seen now.
    pub(super) fn swap(
        &self,
        key: &str,
        seen: Option<Fingerprint>,
        value: Vec<u8>,
    ) -> Result<Result<(), Option<Fingerprint>>, Refusal> {
        let mut pairs = self.shard(key).write();
        let now = pairs.get(key).map(|value| self.fingerprint(&value.bytes()));
        if now != seen {
            return Ok(Err(now));
        }
        self.put(&mut pairs, key, Value::new(value)).map(Ok)
    }

    pub(super) fn fingerprint(&self, value: &[u8]) -> Fingerprint {
        self.hasher.hash_one(value)
    }

    /// Puts a pair into its shard, if there is room for it.
    fn put(&self, pairs: &mut HashMap<Box<str>, Value>, key: &str, value: Value) -> Result<(), Refusal> {
        check_key(key)?;
        let (before, after) = (pairs.get(key).map_or(0, |value| cost(key, value)), cost(key, &value));
        let take = |left: usize| (left + before).checked_sub(after);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            let refusal = Refusal::Full(self.limit);
            log::store_is_full(&refusal);
            return Err(refusal);
        }
        pairs.insert(key.into(), value);
        Ok(())
    }

    fn shard(&self, key: &str) -> &Shard {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

/// Bytes that a pair takes of the limit.
fn cost(key: &str, value: &Value) -> usize {
    key.len() + value.len() + PAIR
}

impl Shard {
    // Nothing panics while it has a lock.
    fn read(&self) -> RwLockReadGuard<'_, HashMap<Box<str>, Value>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Box<str>, Value>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Value {
    fn new(bytes: Vec<u8>) -> Self {
        match <[u8; 8]>::try_from(bytes) {
            Ok(number) => Self::Number(i64::from_le_bytes(number).into()),
            Err(bytes) => Self::Bytes(bytes.into()),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Number(number) => number.load(Ordering::Relaxed).to_le_bytes().into(),
            Self::Bytes(bytes) => bytes.to_vec(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Number(_) => size_of::<i64>(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    fn add(&self, delta: i64) -> Result<i64, Refusal> {
        match self {
            Self::Number(number) => {
                let add = |number: i64| number.checked_add(delta);
                let before = number.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
                before.map(|before| before + delta).map_err(|_| Refusal::Overflow)
            }
            Self::Bytes(bytes) => Err(Refusal::NoNumber(bytes.len())),
        }
    }
}

#[cfg(test)]
mod tests;
