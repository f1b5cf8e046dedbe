use crate::text::KeyMap;

/// Which items hold a gram.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// One bit a hash, to turn away most grams before the map is asked.
    bits: Vec<u64>,
    /// First entry of a gram in `items`, plus 1.
    grams: KeyMap<u32>,
    /// (item, next entry of the same gram plus 1).
    items: Vec<(u32, u32)>,
}

/// Bits of the filter for each gram; a power of two near it keeps the map unasked for all but one
/// foreign gram in sixteen.
const BITS_PER_GRAM: usize = 16;

impl Index {
    /// Adds a gram of an item; a gram that stands twice in an item is added once.
    pub(super) fn add(&mut self, gram: u64, item: u32) {
        let first = self.grams.get(&gram).copied().unwrap_or(0);
        if self.items_from(first).any(|known| known == item) {
            return;
        }
        self.items.push((item, first));
        self.grams.insert(gram, self.items.len() as u32);
        let wanted = (self.grams.len() * BITS_PER_GRAM).next_power_of_two().max(1 << 12) / 64;
        if self.bits.len() < wanted {
            self.bits = vec![0; wanted];
            let all: Vec<u64> = self.grams.keys().copied().collect();
            all.into_iter().for_each(|gram| self.set(gram));
        }
        self.set(gram);
    }

    fn set(&mut self, gram: u64) {
        let (word, bit) = self.place(gram);
        self.bits[word] |= bit;
    }

    #[inline(always)]
    fn place(&self, gram: u64) -> (usize, u64) {
        // The map uses the lower and the uppermost bits of a key; take others.
        let hash = gram >> 20;
        ((hash >> 6) as usize & (self.bits.len() - 1), 1 << (hash & 63))
    }

    /// The items that hold a gram.
    #[inline(always)]
    pub(super) fn items(&self, gram: u64) -> impl Iterator<Item = u32> {
        let first = if self.bits.is_empty() {
            0
        } else {
            let (word, bit) = self.place(gram);
            if self.bits[word] & bit == 0 { 0 } else { self.grams.get(&gram).copied().unwrap_or(0) }
        };
        self.items_from(first)
    }

    fn items_from(&self, mut next: u32) -> impl Iterator<Item = u32> {
        std::iter::from_fn(move || {
            let (item, further) = *self.items.get((next as usize).checked_sub(1)?)?;
            next = further;
            Some(item)
        })
    }
}
