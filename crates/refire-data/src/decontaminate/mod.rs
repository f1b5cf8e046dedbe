//! What of the training data stands in a benchmark.

mod check;
mod config;
mod index;
mod letters;
mod report;

pub use check::Decontaminator;
pub use config::DecontaminationConfig;
pub use report::{Contamination, DecontaminationReport, Pass};
