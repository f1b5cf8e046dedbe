use refire_model::{Decode, KvCache, KvPrefix};

/// Caches of completions that have ended, for those that begin.
#[derive(Debug, Default)]
pub(super) struct Pool {
    free: Vec<KvCache>,
    capacity: usize,
}

impl Pool {
    /// From now on every cache has room for `capacity` tokens; smaller ones are given up.
    pub(super) fn reserve(&mut self, capacity: usize) {
        if capacity > self.capacity {
            self.free.clear();
            self.capacity = capacity;
        }
    }

    /// Gives back the memory that no completion uses.
    pub(super) fn trim(&mut self) {
        self.free.clear();
    }

    /// Gives all memory back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn take(&mut self, decoder: &dyn Decode, prefix: KvPrefix) -> KvCache {
        match self.free.pop() {
            Some(mut cache) => {
                cache.reset(Some(prefix));
                cache
            }
            None => decoder.cache(Some(prefix), self.capacity),
        }
    }

    pub(super) fn give_back(&mut self, mut cache: KvCache) {
        cache.reset(None);
        self.free.push(cache);
    }

    /// Tokens each cache has room for.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Caches that wait for a completion.
    pub(super) fn free(&self) -> usize {
        self.free.len()
    }
}
