use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// Numbers in a nameless file, which is made when the first are written and vanishes with this.
#[derive(Debug)]
pub(super) struct Spill {
    folder: Option<PathBuf>,
    file: Option<File>,
    len: u64,
    bytes: Vec<u8>,
}

const WIDTH: usize = size_of::<u32>();

impl Spill {
    /// A file in a folder, or in the system's own for such files if none is given.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, file: None, len: 0, bytes: Vec::new() }
    }

    /// Numbers in the file.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Writes numbers behind the last ones.
    pub(super) fn append(&mut self, numbers: &[u32]) -> std::io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => match &self.folder {
                Some(folder) => tempfile::tempfile_in(folder)?,
                None => tempfile::tempfile()?,
            },
        };
        let file = self.file.insert(file);
        self.bytes.clear();
        numbers.iter().for_each(|number| self.bytes.extend(number.to_le_bytes()));
        file.seek(SeekFrom::Start(self.len * WIDTH as u64))?;
        file.write_all(&self.bytes)?;
        self.len += numbers.len() as u64;
        Ok(())
    }

    /// Reads `count` numbers from number `at` on.
    pub(super) fn read(&mut self, at: u64, count: usize) -> std::io::Result<Vec<u32>> {
        let Some(file) = &mut self.file else {
            return if count == 0 {
                Ok(Vec::new())
            } else {
                Err(std::io::ErrorKind::UnexpectedEof.into())
            };
        };
        self.bytes.resize(count * WIDTH, 0);
        file.seek(SeekFrom::Start(at * WIDTH as u64))?;
        file.read_exact(&mut self.bytes)?;
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, byte| n << 8 | u32::from(*byte));
        Ok(self.bytes.chunks_exact(WIDTH).map(number).collect())
    }
}
