use crate::text::Words;
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_128;

/// Finds texts that are equal, by a 128-bit hash; the first one stays.
///
/// ```
/// use refire_data::{ExactDedup, Words};
/// let mut exact = ExactDedup::new(Some(Words::default()));
/// assert_eq!(exact.add(1, "How many pens?"), None);
/// assert_eq!(exact.add(2, "how many  pens"), Some(1));
/// ```
#[derive(Debug, Clone, Default)]
pub struct ExactDedup {
    words: Option<Words>,
    seen: HashMap<u128, u64>,
}

impl ExactDedup {
    /// Compares the words of texts, or with `None` their bytes.
    pub fn new(words: Option<Words>) -> Self {
        Self { words, seen: HashMap::new() }
    }

    /// The id under which an equal text was added before; otherwise remembers this one.
    pub fn add(&mut self, id: u64, text: &str) -> Option<u64> {
        self.add_key(id, Self::key(self.words, text))
    }

    /// The hash that equal texts share; may be computed on many threads.
    pub fn key(words: Option<Words>, text: &str) -> u128 {
        match words {
            None => xxh3_128(text.as_bytes()),
            Some(words) => {
                let mut bytes = Vec::with_capacity(text.len() + text.len() / 2);
                words.each(text, |hash, _, _| bytes.extend_from_slice(&hash.to_le_bytes()));
                xxh3_128(&bytes)
            }
        }
    }

    /// As [`add`](Self::add), with the text's [`key`](Self::key).
    pub fn add_key(&mut self, id: u64, key: u128) -> Option<u64> {
        match self.seen.entry(key) {
            std::collections::hash_map::Entry::Occupied(known) => Some(*known.get()),
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(id);
                None
            }
        }
    }
}
