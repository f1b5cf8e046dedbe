//! What a run leaves in the working folder and in shared memory.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// What was there before.
#[derive(Debug)]
pub(crate) struct Residue {
    before: BTreeSet<PathBuf>,
}

impl Residue {
    /// Remembers what is there.
    ///
    /// # Errors
    /// When the working folder can't be read.
    pub(crate) fn look() -> io::Result<Self> {
        Ok(Self { before: entries()? })
    }

    /// What is there now and was not then.
    ///
    /// # Errors
    /// When the working folder can't be read.
    pub(crate) fn left(&self) -> io::Result<Vec<String>> {
        Ok(entries()?.difference(&self.before).map(|path| path.display().to_string()).collect())
    }
}

fn entries() -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for folder in [".", "/dev/shm"] {
        if Path::new(folder).is_dir() {
            for entry in std::fs::read_dir(folder)? {
                found.insert(entry?.path());
            }
        }
    }
    Ok(found)
}
