//! Changes to what the model reads, while the targets stay what they are.

mod masked_thought;
mod neftune;

pub use masked_thought::{MaskedThoughtConfig, Replacement};
pub use neftune::NeftuneConfig;
