//! The containers of a shim by their names. A name is taken before its container is built: so containerd can give up a creation that
//! it waits for no longer, and nothing appears that nobody will ever delete.

use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::forks::Deadline;

/// The containers, of the type `T`.
pub struct Tasks<T> {
    entries: Mutex<Entries<T>>,
    changed: Condvar,
}

struct Entries<T> {
    by_name: HashMap<String, Entry<T>>,
    /// Whether containerd wants the shim to end.
    is_ending: bool,
}

enum Entry<T> {
    /// It is being built.
    Creating(Arc<Deadline>),
    /// It can be used.
    Created(Arc<T>),
}

impl<T> Tasks<T> {
    /// Without containers.
    pub fn new() -> Self {
        let entries = Entries { by_name: HashMap::new(), is_ending: false };
        Self { entries: Mutex::new(entries), changed: Condvar::new() }
    }

    /// Takes the name `id` for a container that is to be built until `deadline`. False if the name is taken.
    pub fn reserve(&self, id: &str, deadline: &Arc<Deadline>) -> bool {
        match self.lock().by_name.entry(id.to_owned()) {
            hash_map::Entry::Occupied(_) => false,
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(Entry::Creating(Arc::clone(deadline)));
                true
            }
        }
    }

    /// The container `id` is built. False if it was given up meanwhile: the caller removes it then.
    pub fn fill(&self, id: &str, task: &Arc<T>) -> bool {
        match self.lock().by_name.get_mut(id) {
            Some(entry @ Entry::Creating(_)) if !entry.is_given_up() => {
                *entry = Entry::Created(Arc::clone(task));
                true
            }
            _ => false,
        }
    }

    /// The container `id`, if it is built.
    pub fn get(&self, id: &str) -> Option<Arc<T>> {
        match self.lock().by_name.get(id)? {
            Entry::Creating(_) => None,
            Entry::Created(task) => Some(Arc::clone(task)),
        }
    }

    /// Gives the creation of `id` up. False if it is not being created.
    pub fn give_up(&self, id: &str) -> bool {
        match self.lock().by_name.get(id) {
            Some(Entry::Creating(deadline)) => {
                deadline.give_up();
                true
            }
            _ => false,
        }
    }

    /// Waits until the name `id` is free, at most for `timeout`.
    pub fn wait_until_free(&self, id: &str, timeout: Duration) {
        let is_taken = |entries: &mut Entries<T>| entries.by_name.contains_key(id);
        drop(self.changed.wait_timeout_while(self.lock(), timeout, is_taken));
    }

    /// Frees the name `id`: there is no such container any more.
    pub fn free(&self, id: &str) {
        self.lock().by_name.remove(id);
        self.changed.notify_all();
    }

    /// containerd wants the shim to end. It stays as long as it has containers; creations are given up.
    pub fn end(&self) {
        let mut entries = self.lock();
        let entries = &mut *entries;
        if entries.by_name.values().any(|entry| matches!(entry, Entry::Created(_))) {
            return;
        }
        entries.is_ending = true;
        for entry in entries.by_name.values() {
            if let Entry::Creating(deadline) = entry {
                deadline.give_up();
            }
        }
    }

    /// Whether containerd wants the shim to end, and no container is left.
    pub fn have_ended(&self) -> bool {
        let entries = self.lock();
        entries.is_ending && entries.by_name.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Entries<T>> {
        self.entries.lock().expect("nothing panics under this lock")
    }
}

impl<T> Entry<T> {
    fn is_given_up(&self) -> bool {
        matches!(self, Self::Creating(deadline) if deadline.is_given_up())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn creating(tasks: &Tasks<u8>) -> Arc<Deadline> {
        let deadline = Arc::new(Deadline::after(Duration::from_secs(60)));
        assert!(tasks.reserve("c1", &deadline));
        deadline
    }

    #[test]
    fn a_name_is_taken_while_its_container_is_built() {
        let tasks = Tasks::new();
        let deadline = creating(&tasks);
        assert!(!tasks.reserve("c1", &deadline));
        assert_eq!(tasks.get("c1"), None);
        assert!(tasks.fill("c1", &Arc::new(7)));
        assert_eq!(tasks.get("c1"), Some(Arc::new(7)));
        assert!(!tasks.reserve("c1", &deadline));
        tasks.free("c1");
        assert!(tasks.reserve("c1", &deadline));
    }

    #[test]
    fn a_container_that_was_given_up_does_not_come_back() {
        let tasks = Tasks::new();
        let deadline = creating(&tasks);
        assert!(tasks.give_up("c1") && deadline.is_given_up());
        assert!(!tasks.fill("c1", &Arc::new(7)));
        assert_eq!(tasks.get("c1"), None);
        thread::scope(|scope| {
            scope.spawn(|| tasks.free("c1"));
            tasks.wait_until_free("c1", Duration::from_secs(60));
        });
        assert!(!tasks.give_up("c1"));
    }

    #[test]
    fn a_shim_ends_when_its_last_creation_has_ended() {
        let tasks = Tasks::new();
        let deadline = creating(&tasks);
        tasks.end();
        assert!(deadline.is_given_up() && !tasks.have_ended());
        tasks.free("c1");
        assert!(tasks.have_ended());
    }

    #[test]
    fn a_shim_with_a_container_stays() {
        let tasks = Tasks::new();
        creating(&tasks);
        assert!(tasks.fill("c1", &Arc::new(7)));
        tasks.end();
        tasks.free("c1");
        assert!(!tasks.have_ended());
        tasks.end();
        assert!(tasks.have_ended());
    }
}
