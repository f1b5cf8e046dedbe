//! The rows of one file, whatever holds them.

use super::array::Elements;
use super::compression;
use super::lines::Lines;
use super::row::Raw;
use crate::DataError;
use std::path::Path;

pub(super) enum Rows {
    Lines(Lines),
    Elements(Elements),
    #[cfg(feature = "parquet")]
    Table(Box<super::parquet::Table>),
}

impl Rows {
    pub(super) fn open(path: &Path, limit: usize) -> Result<Self, DataError> {
        #[cfg(feature = "parquet")]
        if super::parquet::is_parquet(path)? {
            return Ok(Self::Table(Box::new(super::parquet::Table::open(path)?)));
        }
        let mut file = compression::open(path)?;
        let unsupported = |reason: &str| DataError::Unsupported {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let failed = |source| DataError::File { path: path.to_owned(), source };
        let start = file.fill_buf().map_err(failed)?;
        if start.starts_with(b"PAR1") {
            return Err(unsupported("Parquet files need the feature `parquet` of refire-data"));
        }
        // Of two bytes, one is 0 in what JSON begins with; else these are bad bytes of a first line.
        if matches!(start, [0xff, 0xfe, _, 0, ..] | [0xfe, 0xff, 0, ..]) {
            return Err(unsupported("the text is UTF-16; convert it to UTF-8"));
        }
        let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        let list = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        Ok(if list {
            Self::Elements(Elements::new(file, limit))
        } else {
            Self::Lines(Lines::new(file, limit))
        })
    }

    pub(super) fn next_row(&mut self) -> Option<Raw> {
        match self {
            Self::Lines(lines) => lines.next_row(),
            Self::Elements(elements) => match elements.next_row() {
                Some(raw) => Some(raw),
                None => {
                    *self = Self::Lines(elements.rest()?);
                    self.next_row()
                }
            },
            #[cfg(feature = "parquet")]
            Self::Table(table) => table.next_row(),
        }
    }
}
