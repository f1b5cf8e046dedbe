/// Entries of `N` numbers in the order of their first, which is a hash: a sorted list with gaps, in
/// which an entry stands where its hash says, or a little behind.
///
/// It grows by an eighth and within its own memory, so it never holds a second copy of itself, and
/// once it is large is between 7/9 and 7/8 full whatever the number of entries.
#[derive(Debug, Clone)]
pub(super) struct Table<const N: usize> {
    slots: Vec<[u32; N]>,
    /// Places that hashes are spread over; a few more slots may follow them.
    range: usize,
    len: usize,
}

/// The last number of a gap; no entry's last number is this.
pub(super) const GAP: u32 = u32::MAX;

impl<const N: usize> Default for Table<N> {
    fn default() -> Self {
        Self { slots: Vec::new(), range: 0, len: 0 }
    }
}

fn taken<const N: usize>(slot: &[u32; N]) -> bool {
    slot[N - 1] != GAP
}

fn home(range: usize, hash: u32) -> usize {
    ((u64::from(hash) * range as u64) >> 32) as usize
}

impl<const N: usize> Table<N> {
    /// Entries.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<[u32; N]>()
    }

    /// The entries of a hash, in the order in which they came.
    pub(super) fn of(&self, hash: u32) -> impl Iterator<Item = &[u32; N]> {
        let from = home(self.range, hash).min(self.slots.len());
        let near = self.slots[from..].iter().take_while(move |slot| taken(slot) && slot[0] <= hash);
        near.skip_while(move |slot| slot[0] < hash)
    }

    /// All entries, in the order of their hashes.
    pub(super) fn sorted(&self) -> impl Iterator<Item = &[u32; N]> {
        self.slots.iter().filter(|slot| taken(slot))
    }

    /// Adds an entry behind those of the same hash.
    pub(super) fn insert(&mut self, entry: [u32; N]) {
        if 8 * (self.len + 1) > 7 * self.range {
            self.grow();
        }
        let start = home(self.range, entry[0]);
        let before = |slot: &&[u32; N]| taken(slot) && slot[0] <= entry[0];
        let at = start + self.slots[start..].iter().take_while(before).count();
        let end = at + self.slots[at..].iter().take_while(|slot| taken(slot)).count();
        if end == self.slots.len() {
            if end == self.slots.capacity() {
                self.slots.reserve_exact(64);
            }
            self.slots.push([GAP; N]);
        }
        self.slots.copy_within(at..end, at + 1);
        self.slots[at] = entry;
        self.len += 1;
    }

    fn grow(&mut self) {
        // Small tables double.
        let range = self.range + (self.range / 8).max(self.range.min(1 << 14)) + 64;
        // Entries go to the end of the longer list first, and from there to their places: it must
        // be so long that none comes to stand behind where it is read.
        let (mut next, mut slack) = (0, 0);
        for (index, slot) in self.sorted().enumerate() {
            let at = home(range, slot[0]).max(next);
            (next, slack) = (at + 1, slack.max(at - index));
        }
        let old = self.slots.len();
        let size = old.max(range).max(self.len + slack);
        self.slots.reserve_exact(size - old);
        self.slots.resize(size, [GAP; N]);
        let mut first = size;
        for from in (0..old).rev() {
            if taken(&self.slots[from]) {
                first -= 1;
                self.slots.swap(first, from);
            }
        }
        let mut next = 0;
        for from in first..size {
            let at = home(range, self.slots[from][0]).max(next);
            self.slots.swap(at, from);
            next = at + 1;
        }
        self.range = range;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::mix;

    fn check(hashes: impl Iterator<Item = u32>) {
        let mut table = Table::<2>::default();
        let mut known = std::collections::BTreeMap::<u32, Vec<u32>>::new();
        for (text, hash) in hashes.enumerate() {
            let text = text as u32;
            table.insert([hash, text]);
            known.entry(hash).or_default().push(text);
            if text.is_multiple_of(997) {
                assert_eq!(table.sorted().count(), table.len());
            }
        }
        for (hash, texts) in &known {
            let found: Vec<u32> = table.of(*hash).map(|slot| slot[1]).collect();
            assert_eq!(&found, texts);
            let next = hash.wrapping_add(1);
            assert_eq!(table.of(next).count(), known.get(&next).map_or(0, Vec::len));
        }
        let sorted: Vec<_> = table.sorted().map(|slot| (slot[0], slot[1])).collect();
        assert!(sorted.is_sorted() && sorted.len() == table.len());
        let least = 8 * table.len() * 9 / 7;
        println!("{} entries, {} bytes", table.len(), table.bytes());
        assert!(table.bytes() <= least + least / 8 + 4096 + 16 * table.len().min(20_000));
    }

    #[test]
    fn entries_are_found_by_their_hash() {
        check((0..100_000_u64).map(|i| mix(i) as u32));
        // A few hashes many times, and the two ends.
        check((0..20_000_u64).map(|i| (mix(i % 100) >> (i % 32)) as u32));
        check((0..5_000).map(|i| u32::MAX - i % 7));
        check((0..5_000).map(|i| i % 7));
        assert_eq!(Table::<2>::default().of(7).count(), 0);
    }
}
