//! Runs a model's code against tests: confined, fast, and without being fooled.

mod census;
mod comparator;
mod config;
mod error;
mod job;
mod language;
mod layer;
mod limits;
#[cfg(target_os = "linux")]
mod linux;
mod pool;
mod python;
mod suite;
mod verdict;

pub use census::Census;
pub use comparator::Comparator;
pub use config::{Require, SandboxConfig, Start};
pub use error::SandboxError;
pub use job::Job;
pub use language::{Compiler, Cpp, Language, Python3};
pub use layer::{Layer, LayerState, Layers};
pub use limits::Limits;
pub use pool::{Sandbox, doctor};
pub use suite::{Call, StdioCase, Suite, Tolerance};
pub use verdict::{Clock, Integrity, Outcome, TestResult, Usage, Verdict};
