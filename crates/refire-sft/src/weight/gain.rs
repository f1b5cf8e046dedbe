//! Gain weights: examples that improve slowly count more.
//!
//! ```text
//! g_i = loss_i(previous visit) - loss_i(last visit)
//! w_i = 1 + a sigmoid(-g_i / tau),  scaled to mean 1 over the examples asked for
//! ```
//!
//! Our reading of the abstract of GLOW (gain-based loss weighting of supervised fine-tuning with
//! wrong answers, 2025), whose exact map we don't know: examples whose loss hardly falls from epoch
//! to epoch are taken for the informative ones. An example seen less than twice has weight 1 before
//! scaling.

use crate::SftError;
use crate::error::unless;
use refire_core::{BoxError, Stateful, decode_state, encode_state};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The map from gain to weight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GainConfig {
    /// How much more an example without gain counts, 0 or above.
    pub strength: f64,
    /// Gain, in nats per token, that makes a difference; above 0.
    pub temperature: f64,
}

impl Default for GainConfig {
    /// Ours: up to twice the weight, at a scale of a tenth of a nat.
    fn default() -> Self {
        Self { strength: 1.0, temperature: 0.1 }
    }
}

impl GainConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<SftError> {
        let Self { strength, temperature } = *self;
        let strong = strength.is_finite() && strength >= 0.0;
        let warm = temperature.is_finite() && temperature > 0.0;
        [
            unless(strong, "strength", strength, "0 or a positive number"),
            unless(warm, "temperature", temperature, "a positive number"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Weights that have seen nothing.
    ///
    /// # Errors
    /// When [`validate`](Self::validate) finds a problem.
    pub fn build(&self) -> Result<GainWeights, SftError> {
        SftError::collect(self.validate())?;
        Ok(GainWeights { config: *self, losses: BTreeMap::new() })
    }
}

/// Losses of examples by id, and the weights that follow from them. Saved and restored.
///
/// ```
/// use refire_sft::weight::GainConfig;
/// let mut weights = GainConfig::default().build()?;
/// for (id, loss) in [(1, 2.0), (2, 2.0), (1, 1.0), (2, 1.9)] {
///     weights.observe(id, loss);
/// }
/// let found = weights.weights(&[1, 2]);
/// assert!(found[1] > found[0] && (found[0] + found[1] - 2.0).abs() < 1e-12);
/// # Ok::<(), refire_sft::SftError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GainWeights {
    config: GainConfig,
    /// Last loss, and the gain that led to it.
    losses: BTreeMap<u64, (f64, Option<f64>)>,
}

impl GainWeights {
    /// Takes in the mean loss per token of one visit of an example.
    pub fn observe(&mut self, id: u64, loss: f64) {
        let gain = self.losses.get(&id).map(|(previous, _)| previous - loss);
        self.losses.insert(id, (loss, gain));
    }

    /// Weights of examples, with mean 1.
    pub fn weights(&self, ids: &[u64]) -> Vec<f64> {
        let raw: Vec<f64> = ids.iter().map(|id| self.raw(*id)).collect();
        let mean = raw.iter().sum::<f64>() / raw.len().max(1) as f64;
        raw.into_iter().map(|weight| weight / mean).collect()
    }

    fn raw(&self, id: u64) -> f64 {
        let gain = self.losses.get(&id).and_then(|(_, gain)| *gain);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let more = |gain: f64| self.config.strength * sigmoid(-gain / self.config.temperature);
        1.0 + gain.map_or(0.0, more)
    }
}

impl Stateful for GainWeights {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&self.losses.iter().collect::<Vec<_>>())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        let losses: Vec<(u64, (f64, Option<f64>))> = decode_state("GainWeights", state)?;
        self.losses = losses.into_iter().collect();
        Ok(())
    }
}
