//! The n-grams of kept texts: in memory up to a limit, beyond it in a file.

use super::spill::Spill;
use std::path::PathBuf;

/// N-grams of texts, by the texts' numbers.
#[derive(Debug)]
pub(super) struct Grams {
    /// Where each text's grams end; they begin where those of the text before end.
    ends: Vec<u64>,
    /// The first grams of all.
    held: Vec<u32>,
    /// Most grams in `held`.
    limit: usize,
    file: Spill,
    /// Grams behind those in the file.
    waiting: Vec<u32>,
}

/// Grams written together.
const BLOCK: usize = 1 << 16;

impl Grams {
    /// A store that holds `bytes` in memory, and puts what is more into a nameless file in a folder
    /// (the system's own for such files if none is given), which vanishes with the store.
    pub(super) fn new(bytes: usize, folder: Option<PathBuf>) -> Self {
        let limit = bytes / size_of::<u32>();
        let file = Spill::new(folder);
        Self { ends: Vec::new(), held: Vec::new(), limit, file, waiting: Vec::new() }
    }

    /// Takes the grams of the next text.
    pub(super) fn push(&mut self, grams: &[u32]) -> std::io::Result<()> {
        let end = self.ends.last().copied().unwrap_or(0) + grams.len() as u64;
        let full = self.file.len() > 0 || !self.waiting.is_empty();
        if !full && self.held.len() + grams.len() <= self.limit {
            if self.held.capacity() < self.held.len() + grams.len() {
                // Doubling would hold more than the limit.
                let wanted = (2 * self.held.len()).max(BLOCK).min(self.limit);
                self.held
                    .reserve_exact(wanted.max(grams.len() + self.held.len()) - self.held.len());
            }
            self.held.extend_from_slice(grams);
        } else {
            self.waiting.extend_from_slice(grams);
            if self.waiting.len() >= BLOCK {
                self.file.append(&self.waiting)?;
                self.waiting.clear();
            }
        }
        self.ends.push(end);
        Ok(())
    }

    /// The grams of a text.
    pub(super) fn get(&mut self, text: usize) -> std::io::Result<Vec<u32>> {
        let start = text.checked_sub(1).map_or(0, |before| self.ends[before]);
        let length = (self.ends[text] - start) as usize;
        let in_memory = self.held.len() as u64;
        if start < in_memory {
            return Ok(self.held[start as usize..start as usize + length].to_vec());
        }
        let written = in_memory + self.file.len();
        if start >= written {
            let first = (start - written) as usize;
            return Ok(self.waiting[first..first + length].to_vec());
        }
        self.file.read(start - in_memory, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_comes_out() {
        for bytes in [0, 40, 4 << 12, usize::MAX / 8] {
            let mut grams = Grams::new(bytes, None);
            let text = |at: u32| (0..at % 300).map(|i| at << 12 | i).collect::<Vec<u32>>();
            for at in 0..3000 {
                grams.push(&text(at)).unwrap();
                let earlier = at * 7 % (at + 1);
                assert_eq!(grams.get(earlier as usize).unwrap(), text(earlier), "{bytes}");
            }
            assert!(grams.held.len() <= grams.limit);
            assert_eq!(grams.file.len() > 0, bytes < 1 << 20);
        }
        let gone = Some("/nonexistent".into());
        let mut grams = Grams::new(0, gone);
        assert!((0..3000).any(|_| grams.push(&[1; 100]).is_err()));
    }
}
