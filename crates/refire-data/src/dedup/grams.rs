//! The n-grams of kept texts: in memory up to a limit, beyond it in a file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
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
    folder: Option<PathBuf>,
    file: Option<File>,
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
        Self { ends: Vec::new(), held: Vec::new(), limit, folder, file: None, waiting: Vec::new() }
    }

    /// Takes the grams of the next text.
    pub(super) fn push(&mut self, grams: &[u32]) -> std::io::Result<()> {
        let end = self.ends.last().copied().unwrap_or(0) + grams.len() as u64;
        let full = self.file.is_some() || !self.waiting.is_empty();
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
                self.write()?;
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
        let all = self.ends.last().copied().unwrap_or(0);
        let written = all - self.waiting.len() as u64;
        if start >= written {
            let first = (start - written) as usize;
            return Ok(self.waiting[first..first + length].to_vec());
        }
        let Some(file) = &mut self.file else { return Ok(Vec::new()) };
        let mut bytes = vec![0; length * size_of::<u32>()];
        file.seek(SeekFrom::Start((start - in_memory) * size_of::<u32>() as u64))?;
        file.read_exact(&mut bytes)?;
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, byte| n << 8 | u32::from(*byte));
        Ok(bytes.chunks_exact(size_of::<u32>()).map(number).collect())
    }

    fn write(&mut self) -> std::io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => match &self.folder {
                Some(folder) => tempfile::tempfile_in(folder)?,
                None => tempfile::tempfile()?,
            },
        };
        let file = self.file.insert(file);
        let bytes: Vec<u8> = self.waiting.iter().flat_map(|gram| gram.to_le_bytes()).collect();
        file.seek(SeekFrom::End(0))?;
        file.write_all(&bytes)?;
        self.waiting.clear();
        Ok(())
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
            assert_eq!(grams.file.is_some(), bytes < 1 << 20);
        }
        let gone = Some("/nonexistent".into());
        let mut grams = Grams::new(0, gone);
        assert!((0..3000).any(|_| grams.push(&[1; 100]).is_err()));
    }
}
