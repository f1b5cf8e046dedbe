//! Weights of whole examples, to become the token weights of their rows.

mod gain;

pub use gain::{GainConfig, GainWeights};
