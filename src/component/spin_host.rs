//! What the core needs from its host, as WASI and Spin give it.

use std::cell::OnceCell;
use std::mem::ManuallyDrop;

use spin_sdk::variables;
// Not in the documentation of spin-sdk, whose exact version Cargo.toml names: it uses them itself, and has nothing else that adds.
use spin_sdk::wit::wasi::keyvalue::{atomics, batch, store};
use wasi::random::random::get_random_u64;

use crate::Host;

/// The key-value store, which `spin.toml` names, too.
const STORE: &str = "default";

/// The host as WASI and Spin describe it.
#[derive(Default)]
pub struct SpinHost {
    /// Opened when the first counter is needed. It is not dropped, which would be one more call: the instance ends, and the host drops
    /// what it had.
    store: OnceCell<ManuallyDrop<store::Bucket>>,
}

impl SpinHost {
    fn store(&self) -> Result<&store::Bucket, String> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let store = store::open(STORE).map_err(reason)?;
        Ok(self.store.get_or_init(|| ManuallyDrop::new(store)))
    }
}

impl Host for SpinHost {
    fn variable(&self, name: &str) -> Result<Option<String>, String> {
        match variables::get(name) {
            Ok(value) => Ok(Some(value)),
            Err(variables::Error::Undefined(_)) => Ok(None),
            Err(
                variables::Error::InvalidName(reason)
                | variables::Error::Provider(reason)
                | variables::Error::Other(reason),
            ) => Err(reason),
        }
    }

    fn random(&self) -> u64 {
        get_random_u64()
    }

    fn add(&self, counter: &str, number: i64) -> Result<(), String> {
        atomics::increment(self.store()?, counter, number).map(drop).map_err(reason)
    }

    /// Hosts keep a number as eight bytes, the lowest first (Spin's `crates/key-value-spin`). Spin leaves pairs out that are not
    /// there, and has an order of its own.
    fn counters(&self) -> Result<Vec<(String, i64)>, String> {
        let store = self.store()?;
        let keys = store.list_keys(None).map_err(reason)?.keys;
        let pairs = batch::get_many(store, &keys).map_err(reason)?;
        let number = |value: Option<Vec<u8>>| Some(i64::from_le_bytes(value?.try_into().ok()?));
        Ok(pairs.into_iter().filter_map(|(key, value)| Some((key, number(value)?))).collect())
    }
}

fn reason(error: store::Error) -> String {
    match error {
        store::Error::NoSuchStore => "there is no such store".to_owned(),
        store::Error::AccessDenied => {
            r#"access denied: expected key_value_stores = ["default"] in spin.toml"#.to_owned()
        }
        store::Error::Other(reason) => reason,
    }
}
