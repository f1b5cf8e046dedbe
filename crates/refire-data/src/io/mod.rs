//! Files in and out, row by row, in bounded memory.

mod array;
mod compression;
mod config;
mod files;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod parse;
mod reader;
mod rejects;
mod report;
mod row;
mod rows;
mod writer;

pub use config::{OnBad, ReadConfig};
pub use files::find_files;
#[cfg(feature = "parquet")]
pub use parquet::ParquetWriter;
pub use reader::Reader;
pub use report::ReadReport;
pub use writer::Writer;
