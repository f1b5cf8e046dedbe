//! An entropy bonus that wakes up when entropy falls.
//!
//! ```text
//! applied = coef if last entropy <= target else 0
//! coef   <- clip(coef + delta, min, max) if entropy <= target else clip(coef - delta, min, max)
//! ```
//!
//! Skywork-OR1 (arXiv 2505.22312); TRL's `use_adaptive_entropy`. What a step measures changes the
//! next step's coefficient.

use crate::GrpoError;
use crate::loss::{not_negative, positive};
use refire_core::{BoxError, Stateful, decode_state, encode_state};
use serde::{Deserialize, Serialize};

/// Settings of [`AdaptiveEntropy`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaptiveEntropyConfig {
    /// Entropy at or below which the bonus is applied, in nats per token.
    pub target: f64,
    /// Change of the coefficient per step.
    pub delta: f64,
    /// Least coefficient.
    pub min: f64,
    /// Largest coefficient.
    pub max: f64,
}

impl Default for AdaptiveEntropyConfig {
    /// TRL: target 0.2, steps of 0.005 between 0 and 1.
    fn default() -> Self {
        Self { target: 0.2, delta: 0.005, min: 0.0, max: 1.0 }
    }
}

impl AdaptiveEntropyConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let max = self.max.is_finite() && self.max >= self.min;
        [
            positive("entropy_controller.target", self.target),
            positive("entropy_controller.delta", self.delta),
            not_negative("entropy_controller.min", self.min),
            GrpoError::unless(max, "entropy_controller.max", self.max, "at least its min"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The controller.
///
/// ```
/// use refire_grpo::control::{AdaptiveEntropy, AdaptiveEntropyConfig};
/// let mut entropy = AdaptiveEntropy::new(0.01, AdaptiveEntropyConfig::default());
/// // Nothing is known of the entropy yet.
/// assert_eq!(entropy.applied(), 0.0);
/// entropy.update(0.1);
/// assert!((entropy.applied() - 0.015).abs() < 1e-12);
/// entropy.update(0.5);
/// assert_eq!(entropy.applied(), 0.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveEntropy {
    config: AdaptiveEntropyConfig,
    memory: Memory,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Memory {
    coef: f64,
    last: Option<f64>,
}

impl AdaptiveEntropy {
    /// Starts from a coefficient, without any measurement.
    pub fn new(start: f64, config: AdaptiveEntropyConfig) -> Self {
        Self { config, memory: Memory { coef: start, last: None } }
    }

    /// The coefficient, applied or not.
    pub fn coef(&self) -> f64 {
        self.memory.coef
    }

    /// The coefficient of this step's bonus.
    pub fn applied(&self) -> f64 {
        let low = self.memory.last.is_some_and(|last| last <= self.config.target);
        if low { self.memory.coef } else { 0.0 }
    }

    /// Learns this step's mean entropy.
    pub fn update(&mut self, entropy: f64) {
        let AdaptiveEntropyConfig { target, delta, min, max } = self.config;
        let coef = self.memory.coef;
        let coef =
            if entropy <= target { (coef + delta).min(max) } else { (coef - delta).max(min) };
        self.memory = Memory { coef, last: Some(entropy) };
    }
}

impl Stateful for AdaptiveEntropy {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&self.memory)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.memory = decode_state("AdaptiveEntropy", state)?;
        Ok(())
    }
}
