//! Changes to what the model reads, while the targets stay what they are.

mod masked_source;
mod masked_thought;
mod neftune;

pub use masked_source::MaskedRows;
pub use masked_thought::{MaskedThoughtConfig, Replacement};
pub use neftune::NeftuneConfig;
