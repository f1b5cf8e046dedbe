//! Files in and out, row by row, in bounded memory.

mod array;
mod compression;
mod files;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod reader;
mod rejects;
mod row;
mod writer;

pub use files::find_files;
#[cfg(feature = "parquet")]
pub use parquet::ParquetWriter;
pub use reader::{OnBad, ReadConfig, ReadReport, Reader};
pub use writer::Writer;
