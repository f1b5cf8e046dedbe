use crate::TrainError;
use refire_core::Phase;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The name of a phase in the logs.
pub(crate) fn phase_name(phase: Phase) -> String {
    format!("{phase:?}").to_lowercase()
}

/// The columns that every line of a log begins with.
#[derive(Debug, Deserialize)]
struct Head {
    phase: String,
    step: u64,
}

/// A log of JSON lines that is cut back when a run goes on from a checkpoint.
#[derive(Debug)]
pub(crate) struct Lines {
    owner: &'static str,
    path: PathBuf,
    open: Option<(String, File)>,
}

impl Lines {
    pub(crate) fn new(owner: &'static str, path: PathBuf) -> Self {
        Self { owner, path, open: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file for a phase, without what the phase will write again after `done` steps.
    pub(crate) fn start(&mut self, phase: Phase, done: u64) -> Result<(), TrainError> {
        let phase = phase_name(phase);
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(TrainError::io("create", folder))?;
        }
        if self.path.try_exists().map_err(TrainError::io("read", &self.path))? {
            cut(&self.path, &phase, done)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&self.path);
        self.open = Some((phase, file.map_err(TrainError::io("write", &self.path))?));
        Ok(())
    }

    /// The phase that runs.
    pub(crate) fn phase(&self, event: &'static str) -> Result<&str, TrainError> {
        match &self.open {
            Some((phase, _)) => Ok(phase),
            None => Err(TrainError::NotStarted { owner: self.owner, event }),
        }
    }

    /// Appends whole lines in one write, so that a kill tears at most the last one.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<(), TrainError> {
        let owner = self.owner;
        let (_, file) =
            self.open.as_mut().ok_or(TrainError::NotStarted { owner, event: "write" })?;
        file.write_all(lines)
            .and_then(|()| file.flush())
            .map_err(TrainError::io("write", &self.path))
    }
}

/// A value as one line. Infinities and NaN become `null`.
pub(crate) fn to_line<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, TrainError> {
    let mut line = serde_json::to_vec(value).map_err(|source| TrainError::Json {
        path: path.to_owned(),
        line: 0,
        source,
    })?;
    line.push(b'\n');
    Ok(line)
}

/// Calls `f` with each line, raw and read. A torn last line, left by a kill, is passed over.
pub(crate) fn for_each_line<T: DeserializeOwned>(
    path: &Path,
    mut f: impl FnMut(&[u8], T) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let mut reader = BufReader::new(File::open(path).map_err(TrainError::io("read", path))?);
    let mut raw = Vec::new();
    for line in 1.. {
        raw.clear();
        if reader.read_until(b'\n', &mut raw).map_err(TrainError::io("read", path))? == 0 {
            break;
        }
        let whole = raw.last() == Some(&b'\n');
        if whole {
            raw.pop();
        }
        match serde_json::from_slice(&raw) {
            Ok(value) => f(&raw, value)?,
            Err(_) if !whole => break,
            Err(source) => return Err(TrainError::Json { path: path.to_owned(), line, source }),
        }
    }
    Ok(())
}

/// Rewrites a log without what comes after `done` steps of `phase`.
///
/// Other phases stay if they stand before this one: what stands behind was made from weights that
/// the run is about to replace.
fn cut(path: &Path, phase: &str, done: u64) -> Result<(), TrainError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let file = File::create(&temporary).map_err(TrainError::io("create", &temporary))?;
    let mut writer = BufWriter::new(file);
    let mut reached = false;
    for_each_line(path, |raw, head: Head| {
        let same = head.phase == phase;
        reached |= same;
        // A run that starts anew measures step 0 again.
        let keep = if same { done > 0 && head.step <= done } else { !reached };
        if keep {
            let written = writer.write_all(raw).and_then(|()| writer.write_all(b"\n"));
            written.map_err(TrainError::io("write", &temporary))?;
        }
        Ok(())
    })?;
    let synced = writer.flush().and_then(|()| writer.get_ref().sync_all());
    synced.map_err(TrainError::io("write", &temporary))?;
    drop(writer);
    fs::rename(&temporary, path).map_err(TrainError::io("write", path))
}
