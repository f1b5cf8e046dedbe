//! When the reference follows the policy, and how far.
//!
//! ```text
//! every `steps` steps:  reference <- alpha policy + (1 - alpha) reference
//! ```
//!
//! Gorbatovski et al., "Learn Your Reference Model for Real Good Alignment" (TR-DPO, 2024); TRL's
//! `sync_ref_model`. With `alpha` 1 it is the hard reset of ProRL.

use crate::GrpoError;
use refire_core::{BoxError, Stateful, decode_state, encode_state};
use serde::{Deserialize, Serialize};

/// Settings of [`ReferenceSync`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReferenceSyncConfig {
    /// Steps between two synchronisations, at least 1.
    pub steps: u64,
    /// Share of the policy's weights in the new reference.
    pub alpha: f64,
}

impl Default for ReferenceSyncConfig {
    /// TRL: every 512 steps, 0.6 of the policy.
    fn default() -> Self {
        Self { steps: 512, alpha: 0.6 }
    }
}

impl ReferenceSyncConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let alpha = self.alpha > 0.0 && self.alpha <= 1.0;
        let range = "above 0, at most 1";
        let steps =
            GrpoError::unless(self.steps > 0, "reference_sync.steps", self.steps, "at least 1");
        let alpha = GrpoError::unless(alpha, "reference_sync.alpha", self.alpha, range);
        steps.into_iter().chain(alpha).collect()
    }
}

/// The schedule; it remembers the last synchronisation.
///
/// ```
/// use refire_grpo::control::{ReferenceSync, ReferenceSyncConfig};
/// let mut sync = ReferenceSync::new(ReferenceSyncConfig { steps: 2, alpha: 1.0 });
/// let due: Vec<Option<f64>> = (1..=4).map(|step| sync.after(step)).collect();
/// assert_eq!(due, [None, Some(1.0), None, Some(1.0)]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReferenceSync {
    config: ReferenceSyncConfig,
    last: u64,
}

impl ReferenceSync {
    /// A schedule that begins at step 0.
    pub fn new(config: ReferenceSyncConfig) -> Self {
        Self { config, last: 0 }
    }

    /// After `step` steps are done: the policy's share, if it is time.
    pub fn after(&mut self, step: u64) -> Option<f64> {
        let due = step.saturating_sub(self.last) >= self.config.steps;
        due.then(|| {
            self.last = step;
            self.config.alpha
        })
    }
}

impl Stateful for ReferenceSync {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&self.last)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.last = decode_state("ReferenceSync", state)?;
        Ok(())
    }
}
