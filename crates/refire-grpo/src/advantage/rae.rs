//! RAE: a running baseline for each role.
//!
//! ```text
//! A_i    = R_i - b_role
//! b_role <- decay b_role + (1 - decay) R_i
//! ```
//!
//! "SPIRAL" (arXiv 2506.24119); prime-rl. In a zero-sum game the mean of a group says nothing; what
//! a role usually gets does. Rows are taken in order, and each is judged before it moves the
//! baseline. The baselines are saved with the run; prime-rl begins anew from 0.

use crate::GrpoError;
use refire_core::{
    Advantage, Advantages, BoxError, Stateful, StepView, decode_state, encode_state,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of [`Rae`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RaeConfig {
    /// Share of the old baseline that stays.
    pub decay: f64,
    /// Key of the prompt's `meta` that names the role; without it all rows share one.
    pub role: String,
}

impl Default for RaeConfig {
    /// SPIRAL and prime-rl: 0.95.
    fn default() -> Self {
        Self { decay: 0.95, role: "role".to_owned() }
    }
}

impl RaeConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let fine = (0.0..1.0).contains(&self.decay);
        GrpoError::unless(fine, "advantage.decay", self.decay, "from 0, below 1")
            .into_iter()
            .collect()
    }
}

/// The advantage, with its baselines.
///
/// ```
/// use refire_grpo::advantage::{Rae, RaeConfig};
/// let mut rae = Rae::new(RaeConfig { decay: 0.5, ..RaeConfig::default() });
/// let rewards = [("white", Some(1.0)), ("black", Some(-1.0)), ("white", Some(1.0))];
/// assert_eq!(rae.judge(rewards)?, [1.0, -1.0, 0.5]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rae {
    config: RaeConfig,
    baselines: BTreeMap<String, f64>,
}

impl Rae {
    /// Baselines of 0.
    pub fn new(config: RaeConfig) -> Self {
        Self { config, baselines: BTreeMap::new() }
    }

    /// What a role usually gets.
    pub fn baseline(&self, role: &str) -> f64 {
        self.baselines.get(role).copied().unwrap_or(0.0)
    }

    /// One advantage per row of roles and rewards, in order. Rows without a score get 0 and move
    /// nothing.
    ///
    /// # Errors
    /// When a reward is not finite; no baseline has moved then.
    pub fn judge<'a>(
        &mut self,
        rows: impl IntoIterator<Item = (&'a str, Option<f64>)>,
    ) -> Result<Vec<f64>, GrpoError> {
        let rows: Vec<(&str, Option<f64>)> = rows.into_iter().collect();
        let bad = rows.iter().position(|(_, r)| r.is_some_and(|r| !r.is_finite()));
        if let Some((row, value)) = bad.and_then(|row| Some((row, rows[row].1?))) {
            return Err(GrpoError::RewardNotFinite { row, value });
        }
        let decay = self.config.decay;
        let mut judge = |(role, reward): (&str, Option<f64>)| {
            let Some(reward) = reward else { return 0.0 };
            let baseline = self.baselines.entry(role.to_owned()).or_default();
            let advantage = reward - *baseline;
            *baseline = decay * *baseline + (1.0 - decay) * reward;
            advantage
        };
        Ok(rows.into_iter().map(&mut judge).collect())
    }
}

impl Stateful for Rae {
    fn state(&self) -> Result<Vec<u8>, BoxError> {
        encode_state(&self.baselines)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BoxError> {
        self.baselines = decode_state("Rae", state)?;
        Ok(())
    }
}

impl Advantage for Rae {
    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        let key = self.config.role.clone();
        let roles = step.iter().map(|(_, prompt, _)| {
            prompt.meta.get(&key).and_then(|role| role.as_str()).unwrap_or_default().to_owned()
        });
        let roles: Vec<String> = roles.collect();
        let rows = roles.iter().map(String::as_str).zip(step.rewards());
        Ok(Advantages::per_completion(self.judge(rows)?))
    }
}
