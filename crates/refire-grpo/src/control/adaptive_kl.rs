//! A KL coefficient that steers the divergence to a target.
//!
//! ```text
//! value <- value (1 + clip(KL / target - 1, -0.2, 0.2) n / horizon)
//! ```
//!
//! Ziegler et al., "Fine-Tuning Language Models from Human Preferences" (2019); verl and OpenRLHF.

use crate::GrpoError;
use crate::loss::positive;
use refire_core::{BoxError, Stateful, decode_state, encode_state};
use serde::{Deserialize, Serialize};

/// Settings of [`AdaptiveKl`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaptiveKlConfig {
    /// The divergence to hold, in nats per token (verl and OpenRLHF measure it so).
    pub target: f64,
    /// How many rows it takes to change the coefficient by the whole error.
    pub horizon: f64,
}

impl Default for AdaptiveKlConfig {
    /// Ziegler's 6 and 10,000; 6 was meant for sums over short answers.
    fn default() -> Self {
        Self { target: 6.0, horizon: 10_000.0 }
    }
}

impl AdaptiveKlConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let fields = [
            positive("kl_controller.target", self.target),
            positive("kl_controller.horizon", self.horizon),
        ];
        fields.into_iter().flatten().collect()
    }
}

/// The controller.
///
/// ```
/// use refire_grpo::control::{AdaptiveKl, AdaptiveKlConfig};
/// let mut kl = AdaptiveKl::new(0.1, AdaptiveKlConfig { target: 1.0, horizon: 100.0 });
/// kl.update(5.0, 50.0);
/// assert!((kl.value() - 0.11).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveKl {
    config: AdaptiveKlConfig,
    value: f64,
}

impl AdaptiveKl {
    /// Starts from a coefficient.
    pub fn new(start: f64, config: AdaptiveKlConfig) -> Self {
        Self { config, value: start }
    }

    /// The coefficient.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Learns the divergence of `rows` rows.
    pub fn update(&mut self, kl: f64, rows: f64) {
        let error = (kl / self.config.target - 1.0).clamp(-0.2, 0.2);
        self.value *= 1.0 + error * rows / self.config.horizon;
    }
}

impl Stateful for AdaptiveKl {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&self.value)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.value = decode_state("AdaptiveKl", state)?;
        Ok(())
    }
}
