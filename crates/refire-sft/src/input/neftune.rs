//! NEFTune: noise on the embeddings while training.
//!
//! ```text
//! embedding += uniform(-1, 1) alpha / sqrt(length width)
//! ```
//!
//! Jain et al., "NEFTune: Noisy Embeddings Improve Instruction Finetuning" (2023); transformers, with
//! `length` the row's own instead of the padded batch's. Never in evaluation.

use crate::SftError;
use crate::error::unless;
use refire_core::{Purpose, Stream};
use refire_objective::InputEdit;
use serde::{Deserialize, Serialize};

/// How much noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NeftuneConfig {
    /// Strength, above 0.
    pub alpha: f64,
}

impl Default for NeftuneConfig {
    /// 5, the least of the paper's 5, 10 and 15.
    fn default() -> Self {
        Self { alpha: 5.0 }
    }
}

impl NeftuneConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<SftError> {
        let fine = self.alpha.is_finite() && self.alpha > 0.0;
        unless(fine, "alpha", self.alpha, "a positive number").into_iter().collect()
    }

    /// The edit of one micro-batch: its noise depends on the run's seed, the step and the
    /// micro-batch's number within it.
    ///
    /// ```
    /// use refire_sft::input::NeftuneConfig;
    /// let noise = NeftuneConfig::default();
    /// assert_eq!(noise.edit(1, 2, 0), noise.edit(1, 2, 0));
    /// assert_ne!(noise.edit(1, 2, 0), noise.edit(1, 3, 0));
    /// ```
    pub fn edit(&self, seed: u64, step: u64, micro_batch: u64) -> InputEdit {
        let seed = Stream::new(seed, Purpose::named("neftune"), step, micro_batch, 0).bits();
        InputEdit::Noise { alpha: self.alpha, seed }
    }
}
