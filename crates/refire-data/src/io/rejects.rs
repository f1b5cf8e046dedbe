use super::compression::Sink;
use crate::DataError;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file that rows set aside go to: one JSON object a row, with `file`, `line`, `field`,
/// `reason` and the beginning of the row itself as `row`.
#[derive(Debug)]
pub(super) struct Rejects {
    path: PathBuf,
    sink: Sink,
}

impl Rejects {
    pub(super) fn create(path: &Path) -> Result<Self, DataError> {
        Ok(Self { path: path.to_owned(), sink: Sink::create(path, path)? })
    }

    pub(super) fn add(
        &mut self,
        file: &Path,
        line: u64,
        field: &str,
        reason: &str,
        shown: &[u8],
    ) -> Result<(), DataError> {
        let file = file.display().to_string();
        let shown = String::from_utf8_lossy(shown);
        let row =
            json!({ "file": file, "line": line, "field": field, "reason": reason, "row": shown });
        writeln!(self.sink, "{row}")
            .map_err(|source| DataError::File { path: self.path.clone(), source })
    }

    pub(super) fn finish(self) -> Result<(), DataError> {
        let path = self.path;
        self.sink.finish().map_err(|source| DataError::File { path, source })
    }
}
