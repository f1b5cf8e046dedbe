use crate::TrainError;
use crate::drive::Trained;
use refire_core::BoxError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// When and where checkpoints are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Folder that holds them, each as `step-<n>`.
    pub dir: PathBuf,
    /// Steps between two.
    pub every: u64,
    /// How many of the newest stay.
    pub keep: usize,
}

impl CheckpointConfig {
    /// Every hundred steps, the newest two stay.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), every: 100, keep: 2 }
    }

    /// The newest complete checkpoint, if there is one.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn latest(&self) -> Result<Option<PathBuf>, TrainError> {
        Ok(list(&self.dir)?.pop().map(|(_, path)| path))
    }
}

/// What a checkpoint holds beside the models: everything with memory, by name.
pub(crate) type States = BTreeMap<String, Vec<u8>>;

/// What a checkpoint says about itself, in `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunInfo {
    pub(crate) phase: String,
    pub(crate) step: u64,
    pub(crate) config: serde_json::Value,
}

/// Writes a checkpoint into a temporary folder, syncs it and gives it its name: a folder called
/// `step-<n>` is complete.
pub(crate) fn save(
    config: &CheckpointConfig,
    info: &RunInfo,
    models: &[(&str, Trained<'_>)],
    states: &States,
) -> Result<PathBuf, BoxError> {
    let path = config.dir.join(format!("step-{:08}", info.step));
    let temporary = config.dir.join(format!(".step-{:08}.tmp", info.step));
    remove(&temporary)?;
    let state_dir = temporary.join("state");
    fs::create_dir_all(&state_dir).map_err(TrainError::io("create", &state_dir))?;
    for (name, model) in models {
        model.save_state(&temporary.join(name))?;
    }
    for (name, bytes) in states {
        write(&state_dir.join(name), bytes)?;
    }
    write(&temporary.join("run.json"), &serde_json::to_vec_pretty(info)?)?;
    sync(&temporary)?;
    remove(&path)?;
    fs::rename(&temporary, &path).map_err(TrainError::io("rename", &temporary))?;
    let mut all = list(&config.dir)?;
    all.truncate(all.len().saturating_sub(config.keep.max(1)));
    all.iter().try_for_each(|(_, old)| remove(old))?;
    Ok(path)
}

/// Reads a checkpoint's account of itself and its states.
pub(crate) fn load(path: &Path) -> Result<(RunInfo, States), BoxError> {
    let file = path.join("run.json");
    let text = fs::read(&file).map_err(TrainError::io("read", &file))?;
    let info = serde_json::from_slice(&text).map_err(|source| TrainError::Json {
        path: file,
        line: source.line() as u64,
        source,
    })?;
    let dir = path.join("state");
    let mut states = States::new();
    for entry in fs::read_dir(&dir).map_err(TrainError::io("read", &dir))? {
        let file = entry.map_err(TrainError::io("read", &dir))?.path();
        let bytes = fs::read(&file).map_err(TrainError::io("read", &file))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        states.insert(name, bytes);
    }
    Ok((info, states))
}

/// Complete checkpoints, oldest first.
fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, TrainError> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(TrainError::io("read", dir))? {
        let path = entry.map_err(TrainError::io("read", dir))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let step = name.strip_prefix("step-").and_then(|n| n.parse().ok());
        found.extend(step.map(|step| (step, path.clone())));
    }
    found.sort();
    Ok(found)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    fs::write(path, bytes).map_err(TrainError::io("write", path))
}

fn remove(path: &Path) -> Result<(), TrainError> {
    if path.exists() {
        fs::remove_dir_all(path).map_err(TrainError::io("remove", path))
    } else {
        Ok(())
    }
}

/// Brings a folder's files to the disk, so that a renamed folder is never hollow.
fn sync(dir: &Path) -> Result<(), TrainError> {
    for entry in fs::read_dir(dir).map_err(TrainError::io("read", dir))? {
        let path = entry.map_err(TrainError::io("read", dir))?.path();
        if path.is_dir() {
            sync(&path)?;
        } else {
            let file = File::open(&path).map_err(TrainError::io("open", &path))?;
            file.sync_all().map_err(TrainError::io("sync", &path))?;
        }
    }
    Ok(())
}
