use crate::DataError;
use std::path::{Path, PathBuf};

const KINDS: [&str; 5] = ["jsonl", "ndjson", "json", "parquet", "pq"];

/// The data files that paths, folders and glob patterns name: each input in turn, its files sorted
/// by path. A folder gives every data file below it (JSON lines, JSON lists and Parquet, plain or
/// `.gz` or `.zst`); hidden files are passed over.
///
/// ```
/// let folder = std::env::temp_dir().join("refire-find-files");
/// std::fs::create_dir_all(&folder)?;
/// std::fs::write(folder.join("a.jsonl"), "{}")?;
/// let found = refire_data::find_files(&[folder.join("*.jsonl")])?;
/// assert_eq!(found, [folder.join("a.jsonl")]);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When an input names no file.
pub fn find_files<P: AsRef<Path>>(inputs: &[P]) -> Result<Vec<PathBuf>, DataError> {
    let mut files: Vec<PathBuf> = Vec::new();
    for input in inputs.iter().map(AsRef::as_ref) {
        let found = expand(input)?;
        if found.is_empty() {
            return Err(DataError::NoFiles { pattern: input.display().to_string() });
        }
        files.extend(found);
    }
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(file.clone()));
    Ok(files)
}

fn expand(input: &Path) -> Result<Vec<PathBuf>, DataError> {
    if input.is_dir() {
        return walk(input);
    }
    if input.exists() {
        return Ok(vec![input.to_owned()]);
    }
    let unusable = |reason: String| DataError::Unsupported { path: input.to_owned(), reason };
    let pattern = input.to_str().ok_or_else(|| unusable("the pattern is not text".to_owned()))?;
    if !pattern.contains(['*', '?', '[']) {
        return Err(DataError::File {
            path: input.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        });
    }
    let mut found = Vec::new();
    for path in glob::glob(pattern).map_err(|error| unusable(error.to_string()))? {
        let path = path.map_err(|error| DataError::File {
            path: error.path().to_owned(),
            source: error.into(),
        })?;
        if path.is_dir() {
            found.extend(walk(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn walk(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = |source| DataError::File { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        if hidden {
            continue;
        }
        if path.is_dir() {
            found.extend(walk(&path)?);
        } else if is_data(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn is_data(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    plain.rsplit_once('.').is_some_and(|(_, kind)| KINDS.contains(&kind))
}
