//! Data for post-training: read, check, deduplicate, decontaminate, filter, select, schedule, pack.

mod error;
mod example;
mod import;
mod io;
mod load;
mod pack;

pub use error::DataError;
pub use example::{
    ColumnMap, Content, Converted, Example, Kind, Origin, Record, RecordId, content_id,
};
pub use import::Format;
#[cfg(feature = "parquet")]
pub use io::ParquetWriter;
pub use io::{OnBad, ReadConfig, ReadReport, Reader, Writer, find_files};
pub use load::{Permutation, Prefetch, Shuffle, ShuffledRows};
pub use pack::{
    Balance, PackedRow, Piece, Plan, Strategy, balance, group_by_length, pack, pack_rows,
    token_budget,
};
