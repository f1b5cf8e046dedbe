//! The stages as functions of Apache DataFusion, for data beyond one machine.

mod dedup;
mod duplicates;
mod functions;
mod stages;

pub use stages::SqlStages;
