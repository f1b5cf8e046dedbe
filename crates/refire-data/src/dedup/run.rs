//! A full index, written to a file.

use super::spill::Spill;
use super::table::Table;
use std::io;
use xorf::{BinaryFuse8, Filter};

/// The entries of one band in a file, in the order of their hashes. In memory stay nine bits an
/// entry, by which all but one foreign hash in 256 is turned away unread, and the hash at which each
/// page begins.
#[derive(Debug)]
pub(super) struct Run<const N: usize> {
    filter: BinaryFuse8,
    /// The first hash of each page.
    fences: Vec<u32>,
    /// Where it begins in the file.
    start: u64,
    entries: usize,
}

/// Entries read at once.
const PAGE: usize = 256;

impl<const N: usize> Run<N> {
    /// Writes a table to the file.
    pub(super) fn write(table: Table<N>, to: &mut Spill) -> io::Result<Self> {
        let (start, entries) = (to.len(), table.len());
        let (mut fences, mut hashes, mut page) = (Vec::new(), Vec::new(), Vec::new());
        for (index, entry) in table.sorted().enumerate() {
            if index.is_multiple_of(PAGE) {
                to.append(&page)?;
                page.clear();
                fences.push(entry[0]);
            }
            page.extend_from_slice(entry);
            if hashes.last() != Some(&entry[0]) {
                hashes.push(entry[0]);
            }
        }
        to.append(&page)?;
        drop(table);
        let keys = hashes.iter().map(|hash| u64::from(*hash));
        let filter = BinaryFuse8::try_from_iterator(keys).map_err(io::Error::other)?;
        Ok(Self { filter, fences, start, entries })
    }

    /// The entries of a hash.
    pub(super) fn of(&self, hash: u32, from: &mut Spill) -> io::Result<Vec<[u32; N]>> {
        let mut found = Vec::new();
        if !self.filter.contains(&u64::from(hash)) {
            return Ok(found);
        }
        // Equal hashes may begin in the page before the one that begins with them.
        let first = self.fences.partition_point(|fence| *fence < hash).saturating_sub(1);
        for page in (first..self.fences.len()).take_while(|page| self.fences[*page] <= hash) {
            let at = page * PAGE;
            let count = PAGE.min(self.entries - at) * N;
            let numbers = from.read(self.start + (at * N) as u64, count)?;
            let (entries, _) = numbers.as_chunks::<N>();
            found.extend(entries.iter().filter(|entry| entry[0] == hash));
        }
        Ok(found)
    }
}
