//! What a run leaves in the working folder and in shared memory.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Other programs of the machine have their files in shared memory for a moment, too.
const MOMENT: Duration = Duration::from_millis(300);

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

    /// What is there now, and still a moment later, and was not then.
    ///
    /// # Errors
    /// When the working folder can't be read.
    pub(crate) fn left(&self) -> io::Result<Vec<String>> {
        let mut left = self.new_entries()?;
        if !left.is_empty() {
            thread::sleep(MOMENT);
            let later = self.new_entries()?;
            left.retain(|path| later.contains(path));
        }
        Ok(left.iter().map(|path| path.display().to_string()).collect())
    }

    fn new_entries(&self) -> io::Result<BTreeSet<PathBuf>> {
        Ok(entries()?.difference(&self.before).cloned().collect())
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
