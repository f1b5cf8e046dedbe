//! Where `unsafe` may stand: in the `raw` module of `refire-sandbox`, on one memory-map line in
//! `refire-model`, and nowhere else.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{error::Error, metadata::Metadata};

/// A source line with `unsafe` in its code.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) place: String,
    pub(super) line: String,
}

/// Reads every Rust file of the members and of the workspace's own folders.
pub(super) fn check(metadata: &Metadata) -> Result<Vec<String>, Error> {
    let root = &metadata.workspace_root;
    let mut found = Vec::new();
    for package in &metadata.packages {
        if let Some(folder) = package.manifest_path.parent() {
            found.extend(misplaced(&package.name, &scan(root, folder)?));
        }
    }
    // The facade owns these, outside its own folder.
    for folder in ["benches", "examples", "tests"] {
        found.extend(misplaced("refire", &scan(root, &root.join(folder))?));
    }
    Ok(found)
}

/// The only module of `refire-sandbox` that may have any.
const RAW: &str = "crates/refire-sandbox/src/linux/raw/";

/// Names each hit the crate may not have.
pub(super) fn misplaced(name: &str, hits: &[Hit]) -> Vec<String> {
    let alone = hits.len() == 1;
    let allowed = |hit: &&Hit| match name {
        "refire-sandbox" => hit.place.starts_with(RAW),
        "refire-model" => alone && hit.line.to_lowercase().contains("mmap"),
        _ => false,
    };
    let rule = match name {
        "refire-sandbox" => "allowed in its module `raw`",
        "refire-model" => "one memory-map line is allowed",
        _ => "not allowed",
    };
    let refused = hits.iter().filter(|hit| !allowed(hit));
    refused.map(|hit| format!("unsafe code at {} ({rule}): {}", hit.place, hit.line)).collect()
}

fn scan(root: &Path, folder: &Path) -> Result<Vec<Hit>, Error> {
    let mut hits = Vec::new();
    for path in rust_files(folder)? {
        let text = fs::read_to_string(&path)
            .map_err(|source| Error::Read { path: path.clone(), source })?;
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        hits.extend(unsafe_lines(&text).map(|(number, line)| Hit {
            place: format!("{shown}:{number}"),
            line: line.trim().to_owned(),
        }));
    }
    Ok(hits)
}

/// All `.rs` files under a folder, sorted; none when the folder is missing.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>().map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The lines, counted from 1, whose code holds the word `unsafe`.
pub(super) fn unsafe_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let code = code_of(line);
        let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|word| word == "unsafe").then_some((index + 1, line))
    })
}

/// A line without its strings and its `//` comment. Strings and comments of several lines are not
/// followed: a false alarm is possible there, and seen at once.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut in_string = false;
    let line = line.replace("'\"'", "''").replace("\\\\", "").replace("\\\"", "");
    for (at, c) in line.char_indices() {
        if c == '"' {
            in_string = !in_string;
        } else if !in_string {
            if line[at..].starts_with("//") {
                break;
            }
            code.push(c);
        }
    }
    code
}
