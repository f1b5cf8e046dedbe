//! Parquet tables, row by row.

mod cell;
mod read;
mod schema;
mod write;

pub(super) use read::{Table, is_parquet};
pub use write::ParquetWriter;
