//! Which kept texts share a band.

use super::run::Run;
use super::spill::Spill;
use super::table::{GAP, Table};
use std::io;
use std::path::PathBuf;

/// A table for each band from keys to texts.
///
/// Where every meeting is verified, 32 bits of a key are enough: a false meeting costs a
/// comparison. Otherwise a meeting is a verdict, and all 64 bits are kept.
#[derive(Debug)]
pub(super) enum Buckets {
    Short(Bands<2>),
    Whole(Bands<3>),
}

impl Buckets {
    /// An index that holds `bytes` of tables in memory, and puts those that are full into a
    /// nameless file in a folder.
    pub(super) fn new(
        bands: usize,
        whole_keys: bool,
        bytes: usize,
        folder: Option<PathBuf>,
    ) -> Self {
        if whole_keys {
            Self::Whole(Bands::new(bands, bytes, folder))
        } else {
            Self::Short(Bands::new(bands, bytes, folder))
        }
    }

    /// Kept texts that share a band with the keys, oldest first.
    pub(super) fn met(&mut self, keys: &[u64]) -> io::Result<Vec<usize>> {
        match self {
            Self::Short(bands) => bands.met(keys),
            Self::Whole(bands) => bands.met(keys),
        }
    }

    /// Keeps a text; its number is the count of those before it.
    pub(super) fn keep(&mut self, keys: &[u64]) -> io::Result<()> {
        match self {
            Self::Short(bands) => bands.keep(keys),
            Self::Whole(bands) => bands.keep(keys),
        }
    }
}

/// Entries of a key's lower half, its upper half if there is room, and the text.
#[derive(Debug)]
pub(super) struct Bands<const N: usize> {
    tables: Vec<Table<N>>,
    /// Most bytes of the tables.
    bytes: usize,
    /// Full tables, a list for each band.
    runs: Vec<Vec<Run<N>>>,
    file: Spill,
    texts: u32,
}

fn entry<const N: usize>(key: u64, text: u32) -> [u32; N] {
    let mut entry = [(key >> 32) as u32; N];
    (entry[0], entry[N - 1]) = (key as u32, text);
    entry
}

impl<const N: usize> Bands<N> {
    fn new(bands: usize, bytes: usize, folder: Option<PathBuf>) -> Self {
        let tables = (0..bands).map(|_| Table::default()).collect();
        let runs = (0..bands).map(|_| Vec::new()).collect();
        Self { tables, bytes, runs, file: Spill::new(folder), texts: 0 }
    }

    fn met(&mut self, keys: &[u64]) -> io::Result<Vec<usize>> {
        let mut met = Vec::new();
        for ((table, runs), key) in self.tables.iter().zip(&self.runs).zip(keys) {
            let wanted = entry::<N>(*key, 0);
            let mut take = |found: &[u32; N]| {
                if found[..N - 1] == wanted[..N - 1] {
                    met.push(found[N - 1] as usize);
                }
            };
            table.of(wanted[0]).for_each(&mut take);
            for run in runs {
                run.of(wanted[0], &mut self.file)?.iter().for_each(&mut take);
            }
        }
        met.sort_unstable();
        met.dedup();
        Ok(met)
    }

    fn keep(&mut self, keys: &[u64]) -> io::Result<()> {
        if self.texts == GAP {
            return Err(io::Error::other(format!("the index is full: it holds {GAP} texts")));
        }
        for (table, key) in self.tables.iter_mut().zip(keys) {
            table.insert(entry(*key, self.texts));
        }
        self.texts += 1;
        // A table is looked at now and then: it grows by an eighth at most between two looks.
        if self.texts.is_multiple_of(1024) && self.held() > self.bytes {
            self.write()?;
        }
        Ok(())
    }

    fn held(&self) -> usize {
        self.tables.iter().map(Table::bytes).sum()
    }

    /// Puts the tables into the file, one after the other, and begins new ones.
    fn write(&mut self) -> io::Result<()> {
        for (table, runs) in self.tables.iter_mut().zip(&mut self.runs) {
            runs.push(Run::write(std::mem::take(table), &mut self.file)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::mix;

    #[test]
    fn texts_meet_where_a_band_is_equal() {
        for (whole, bytes) in [(false, usize::MAX), (true, usize::MAX), (false, 1 << 20), (true, 0)]
        {
            let mut buckets = Buckets::new(2, whole, bytes, None);
            for text in 0..200_000_u64 {
                buckets.keep(&[mix(text % 1000), mix(text)]).unwrap();
            }
            let mut met = |keys: [u64; 2]| buckets.met(&keys).unwrap();
            let seven = mix(7);
            assert_eq!(met([seven, 7]).len(), 200, "one in a thousand, by the first band");
            assert_eq!(met([1 << 20, mix(199_999)]), [199_999]);
            assert_eq!(met([1 << 20, mix(3)]), [3]);
            assert_eq!(met([seven ^ 1 << 40, 7]).is_empty(), whole, "the upper bits");
            assert!(met([5, 5]).is_empty());
        }
        let gone = Some("/nonexistent".into());
        let mut buckets = Buckets::new(2, false, 0, gone);
        assert!((0..3000).any(|text| buckets.keep(&[mix(text); 2]).is_err()));
    }
}
