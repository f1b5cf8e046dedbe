//! How completions are drawn.

mod budget;
mod guide;
mod options;
mod params;
mod validate;

pub use budget::BudgetForcing;
pub use guide::Guide;
pub use options::{Dry, LengthDecay, Mirostat, MirostatVersion, Order, SequenceBias, Xtc};
pub use params::SamplingParams;
