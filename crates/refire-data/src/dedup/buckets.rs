//! Which kept texts share a band.

use crate::text::mix;
use hashbrown::HashTable;

/// The band keys of kept texts, and a table for each band from keys to texts.
///
/// The tables hold the texts' numbers alone, five bytes an entry; the keys they stand for are read
/// from one list. Where every meeting is verified, 32 bits of a key are enough: a false meeting
/// costs a comparison. Otherwise a meeting is a verdict, and all 64 bits are kept.
#[derive(Debug)]
pub(super) struct Buckets {
    bands: usize,
    tables: Vec<HashTable<u32>>,
    low: Columns,
    /// The upper halves of the keys, where they count.
    high: Option<Columns>,
    texts: usize,
}

impl Buckets {
    pub(super) fn new(bands: usize, whole_keys: bool) -> Self {
        let high = whole_keys.then(Columns::default);
        let tables = (0..bands).map(|_| HashTable::new()).collect();
        Self { bands, tables, low: Columns::default(), high, texts: 0 }
    }

    /// Kept texts that share a band with the keys, oldest first.
    pub(super) fn met(&self, keys: &[u64]) -> Vec<usize> {
        let mut met = Vec::new();
        for (band, key) in keys.iter().enumerate().take(self.bands) {
            let same = |text: &&u32| self.is_key(**text as usize, band, *key);
            let found = self.tables[band].iter_hash(hash(*key as u32)).filter(same);
            met.extend(found.map(|text| *text as usize));
        }
        met.sort_unstable();
        met.dedup();
        met
    }

    /// Keeps a text; its number is the count of those before it.
    pub(super) fn keep(&mut self, keys: &[u64]) {
        self.low.push(keys.iter().map(|key| *key as u32));
        if let Some(high) = &mut self.high {
            high.push(keys.iter().map(|key| (*key >> 32) as u32));
        }
        let (bands, low, text) = (self.bands, &self.low, self.texts as u32);
        for ((band, table), key) in self.tables.iter_mut().enumerate().zip(keys) {
            let again = |text: &u32| hash(low.at(*text as usize * bands + band));
            table.insert_unique(hash(*key as u32), text, again);
        }
        self.texts += 1;
    }

    fn is_key(&self, text: usize, band: usize, key: u64) -> bool {
        let at = text * self.bands + band;
        let same = |high: &Columns| high.at(at) == (key >> 32) as u32;
        self.low.at(at) == key as u32 && self.high.as_ref().is_none_or(same)
    }
}

fn hash(key: u32) -> u64 {
    mix(u64::from(key))
}

/// A long list in pieces, so that growing never copies it.
#[derive(Debug, Default)]
struct Columns {
    pieces: Vec<Vec<u32>>,
    len: usize,
}

/// Numbers in a piece: a power of two.
const PIECE: usize = 1 << 18;

impl Columns {
    fn push(&mut self, values: impl Iterator<Item = u32>) {
        for value in values {
            if self.len.is_multiple_of(PIECE) {
                self.pieces.push(Vec::with_capacity(PIECE));
            }
            if let Some(piece) = self.pieces.last_mut() {
                piece.push(value);
            }
            self.len += 1;
        }
    }

    fn at(&self, at: usize) -> u32 {
        self.pieces[at / PIECE][at % PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_meet_where_a_band_is_equal() {
        for whole in [false, true] {
            let mut buckets = Buckets::new(2, whole);
            for text in 0..200_000_u64 {
                buckets.keep(&[text % 1000, mix(text)]);
            }
            assert_eq!(buckets.met(&[7, 7]).len(), 200, "one in a thousand, by the first band");
            assert_eq!(buckets.met(&[1 << 20, mix(199_999)]), [199_999]);
            assert_eq!(buckets.met(&[7 | 1 << 40, 7]).is_empty(), whole, "the upper bits");
        }
    }
}
