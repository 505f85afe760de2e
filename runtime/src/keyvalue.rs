//! The interface `wasi:keyvalue@0.2.0-draft2`, as Spin has it: the store `default`, in memory, shared by all instances.
//!
//! It keeps values as Spin's store does: a number is eight bytes, the lowest first, and `list-keys` returns all keys at once. Where
//! Spin traps, because a sum is too large or a value is not a number, this store returns an error.

mod store;

use wasmtime::component::Resource;

use crate::guest::State;
use crate::{log, manifest};
pub(crate) use store::Store;

wasmtime::component::bindgen!({
    path: "wit/keyvalue",
    world: "imports",
    with: {
        "wasi:keyvalue/store.bucket": Bucket,
        "wasi:keyvalue/atomics.cas": Cas,
    },
});

use store::{Fingerprint, Refusal};
use stores::{Error, KeyResponse};
pub(crate) use wasi::keyvalue::store as stores;
pub(crate) use wasi::keyvalue::{atomics, batch};

/// The most bytes of keys and values that one call returns, so that a guest cannot have the same large value a million times.
const MOST_RETURNED: usize = 8 << 20;

/// The store, opened. It is in the instance's table, which limits how many a guest can have.
pub struct Bucket(&'static Store);

/// A key, and what its value was.
pub struct Cas {
    store: &'static Store,
    key: String,
    /// Not the value itself, which may be large, and a guest may have many of these.
    seen: Option<Fingerprint>,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Other(refusal.to_string())
    }
}

impl State {
    fn store(&mut self, bucket: &Resource<Bucket>) -> Result<&'static Store, Error> {
        // The guest cannot make a handle that is not in the table.
        self.table.get(bucket).map(|bucket| bucket.0).map_err(|_| Error::NoSuchStore)
    }

    fn cas(&mut self, cas: &Resource<Cas>) -> Result<&mut Cas, Error> {
        self.table.get_mut(cas).map_err(|_| Error::NoSuchStore)
    }

    /// A handle for the guest, unless it has too many.
    fn handle<T: Send + 'static>(&mut self, value: T) -> Result<Resource<T>, Error> {
        self.table
            .push(value)
            .map_err(|_| Error::Other("too many open handles: expected that some are dropped".to_owned()))
    }
}

impl stores::Host for State {
    fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, Error> {
        match self.store {
            Some(store) if identifier == manifest::STORE => self.handle(Bucket(store)),
            _ => {
                // A guest's text may be of any length.
                log::store_is_denied(&identifier.chars().take(64).collect::<String>());
                Err(Error::AccessDenied)
            }
        }
    }
}

impl stores::HostBucket for State {
    fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.store(&bucket)?.get(&key))
    }

    fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<(), Error> {
        Ok(self.store(&bucket)?.set(&key, value)?)
    }

    fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), Error> {
        self.store(&bucket)?.delete(&key);
        Ok(())
    }

    fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool, Error> {
        Ok(self.store(&bucket)?.exists(&key))
    }

    fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<String>) -> Result<KeyResponse, Error> {
        if cursor.is_some() {
            return Err(Error::Other("invalid cursor: expected none, all keys come at once".to_owned()));
        }
        Ok(KeyResponse { keys: self.store(&bucket)?.keys(), cursor: None })
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl batch::Host for State {
    fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, Error> {
        let store = self.store(&bucket)?;
        let mut returned = 0;
        let pair = |key: String| {
            let value = store.get(&key);
            returned += key.len() + value.as_ref().map_or(0, Vec::len);
            if returned > MOST_RETURNED {
                return Err(Error::Other(format!("too much to return: expected at most {MOST_RETURNED} bytes")));
            }
            Ok((key, value))
        };
        keys.into_iter().map(pair).collect()
    }

    fn set_many(&mut self, bucket: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        let store = self.store(&bucket)?;
        Ok(pairs.into_iter().try_for_each(|(key, value)| store.set(&key, value))?)
    }

    fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Result<(), Error> {
        let store = self.store(&bucket)?;
        keys.iter().for_each(|key| store.delete(key));
        Ok(())
    }
}

impl atomics::Host for State {
    fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: i64) -> Result<i64, Error> {
        Ok(self.store(&bucket)?.increment(&key, delta)?)
    }

    fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> Result<(), atomics::CasError> {
        use atomics::CasError::{CasFailed, StoreError};
        let Cas { store, key, seen } = self.table.delete(cas).map_err(|_| StoreError(Error::NoSuchStore))?;
        match store.swap(&key, seen, value) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(seen)) => Err(self.handle(Cas { store, key, seen }).map_or_else(StoreError, CasFailed)),
            Err(refusal) => Err(StoreError(refusal.into())),
        }
    }
}

impl atomics::HostCas for State {
    fn new(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Resource<Cas>, Error> {
        let store = self.store(&bucket)?;
        store::check_key(&key)?;
        self.handle(Cas { store, key, seen: None })
    }

    fn current(&mut self, cas: Resource<Cas>) -> Result<Option<Vec<u8>>, Error> {
        let cas = self.cas(&cas)?;
        let value = cas.store.get(&cas.key);
        cas.seen = value.as_ref().map(|value| cas.store.fingerprint(value));
        Ok(value)
    }

    fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}
