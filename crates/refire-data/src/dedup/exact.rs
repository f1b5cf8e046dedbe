use super::table::{GAP, Table};
use crate::text::Words;
use xxhash_rust::xxh3::xxh3_128;

/// Finds texts that are equal, by a 128-bit hash; the first one stays. Memory is about 29 bytes a
/// text that stays.
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
    /// A quarter of the key, the id in two halves, and the rest of the key.
    seen: Table<6>,
}

impl ExactDedup {
    /// Compares the words of texts, or with `None` their bytes.
    pub fn new(words: Option<Words>) -> Self {
        Self { words, seen: Table::default() }
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
        let [a, b, c, d] = [0, 32, 64, 96].map(|at| (key >> at) as u32);
        let entry = [a, id as u32, (id >> 32) as u32, b, c, d.min(GAP - 1)];
        let known = self.seen.of(a).find(|known| known[3..] == entry[3..]);
        let found = known.map(|known| u64::from(known[1]) | u64::from(known[2]) << 32);
        if found.is_none() {
            self.seen.insert(entry);
        }
        found
    }
}
