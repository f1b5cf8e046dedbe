use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A row's tokens and its mask.
pub(super) type Key = (Vec<u32>, Vec<bool>);

/// Vectors by what was read; the oldest leave first.
pub(super) struct Cache {
    limit: usize,
    vectors: HashMap<Key, Arc<[f32]>>,
    ages: VecDeque<Key>,
}

impl Cache {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, vectors: HashMap::new(), ages: VecDeque::new() }
    }

    /// What is known of a batch: handles, which outlive what leaves while the batch is read.
    pub(super) fn of_batch(&self, keys: &[Key]) -> HashMap<Key, Arc<[f32]>> {
        let known =
            keys.iter().filter_map(|key| Some((key.clone(), self.vectors.get(key)?.clone())));
        known.collect()
    }

    pub(super) fn insert(&mut self, key: Key, vector: Arc<[f32]>) {
        if self.limit == 0 {
            return;
        }
        while self.vectors.len() >= self.limit {
            let Some(oldest) = self.ages.pop_front() else { break };
            self.vectors.remove(&oldest);
        }
        if self.vectors.insert(key.clone(), vector).is_none() {
            self.ages.push_back(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(token: u32) -> Key {
        (vec![token], vec![true])
    }

    #[test]
    fn the_oldest_leave_first_and_nothing_is_kept_without_room() {
        let mut cache = Cache::new(2);
        for token in 0..3 {
            cache.insert(key(token), Arc::from([token as f32]));
        }
        let known = cache.of_batch(&[key(0), key(1), key(2)]);
        assert_eq!(known.len(), 2);
        assert_eq!(known.get(&key(2)).map(|v| v[0]), Some(2.0));
        assert!(!known.contains_key(&key(0)));
        let mut none = Cache::new(0);
        none.insert(key(0), Arc::from([0.0]));
        assert!(none.of_batch(&[key(0)]).is_empty());
    }
}
