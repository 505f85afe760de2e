//! The limit of an instance's linear memory.

use wasmtime::ResourceLimiter;

use crate::budget::{Budget, Growth, OWN_MEMORY};

/// How much linear memory an instance may have. What it gets beyond [`OWN_MEMORY`] is taken from what all instances share.
pub(crate) struct Memory {
    limit: usize,
    growth: &'static Growth,
    taken: usize,
    refused: Option<String>,
}

impl Memory {
    pub(super) fn new(budget: &Budget) -> Self {
        Self { limit: budget.memory, growth: budget.growth, taken: 0, refused: None }
    }

    /// What was refused and why; nothing if nothing was.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.limit {
            self.refused = Some(format!("it wanted {desired} bytes of memory, the limit is {}", self.limit));
            return Ok(false);
        }
        let more = desired.saturating_sub(current.max(OWN_MEMORY));
        if more > 0 && !self.growth.take(more) {
            self.refused = Some(format!("it wanted {desired} bytes of memory, and other instances have what is left"));
            return Ok(false);
        }
        self.taken += more;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.taken > 0 {
            self.growth.give_back(self.taken);
        }
    }
}
