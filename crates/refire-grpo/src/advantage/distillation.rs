//! On-policy distillation as an advantage: what the teacher thinks of each token.
//!
//! ```text
//! r_t = teacher_logprob_t - old_logprob_t
//! A_t = scale sum_{s >= t} gamma^(s - t) r_s  [ / number of tokens from t on ]
//! ```
//!
//! With `gamma` 0, the default, it is the single-step part of MiniLLM (Gu et al., 2024) and "On-Policy
//! Distillation" (2025): the reverse KL, token by token. With `gamma` 1 and `length_normalize` it is
//! MiniLLM's reward to go. The teacher is the reference column; no reward is read, and every row
//! takes part, scored or not. MiniLLM's teacher-mixed sampling belongs to the engine.

use super::view::{column, per_token};
use super::{Holes, returns_to_go};
use crate::GrpoError;
use refire_core::{Advantage, Advantages, BoxError, Needs, Stateful, StepView};
use serde::{Deserialize, Serialize};

/// Settings of [`distillation`]; an [`Advantage`] by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Distillation {
    /// Discount of later tokens.
    pub gamma: f64,
    /// Divide by the number of visible tokens from here on.
    pub length_normalize: bool,
    /// Bound on the difference of log-probabilities, both ways.
    pub clamp: Option<f64>,
    /// Factor on the result.
    pub scale: f64,
}

impl Default for Distillation {
    /// The reverse KL of each token by itself.
    fn default() -> Self {
        Self { gamma: 0.0, length_normalize: false, clamp: None, scale: 1.0 }
    }
}

impl Distillation {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let unit = (0.0..=1.0).contains(&self.gamma);
        let scale = self.scale.is_finite();
        let clamp = self.clamp.and_then(|bound| crate::loss::positive("advantage.clamp", bound));
        [
            GrpoError::unless(unit, "advantage.gamma", self.gamma, "from 0 to 1"),
            GrpoError::unless(scale, "advantage.scale", self.scale, "a finite number"),
            clamp,
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// One advantage per token, 0 where masked.
///
/// ```
/// use refire_grpo::advantage::{Distillation, distillation};
/// let (teacher, policy) = ([vec![-1.0, -3.0]], [vec![-2.0, -1.0]]);
/// let mask = [vec![true, true]];
/// assert_eq!(distillation(&teacher, &policy, &mask, &Distillation::default())?, [[1.0, -2.0]]);
/// let all = Distillation { gamma: 1.0, length_normalize: true, ..Distillation::default() };
/// assert_eq!(distillation(&teacher, &policy, &mask, &all)?, [[-0.5, -2.0]]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the columns don't fit each other.
pub fn distillation(
    teacher_logprobs: &[Vec<f64>],
    old_logprobs: &[Vec<f64>],
    mask: &[Vec<bool>],
    config: &Distillation,
) -> Result<Vec<Vec<f64>>, GrpoError> {
    GrpoError::same_shape("teacher_logprobs", teacher_logprobs, mask)?;
    GrpoError::same_shape("old_logprobs", old_logprobs, mask)?;
    let gap = |(teacher, old): (&f64, &f64)| {
        let gap = teacher - old;
        config.scale * config.clamp.map_or(gap, |bound| gap.clamp(-bound, bound))
    };
    let rows = teacher_logprobs.iter().zip(old_logprobs);
    let rewards: Vec<Vec<f64>> = rows.map(|(t, o)| t.iter().zip(o).map(gap).collect()).collect();
    let mut advantages = returns_to_go(&rewards, mask, config.gamma, Holes::Skip)?;
    if config.length_normalize {
        for (row, mask) in advantages.iter_mut().zip(mask) {
            let mut left = 0.0;
            for (advantage, _) in row.iter_mut().zip(mask).rev().filter(|(_, m)| **m) {
                left += 1.0;
                *advantage /= left;
            }
        }
    }
    Ok(advantages)
}

impl Stateful for Distillation {}

impl Advantage for Distillation {
    fn needs(&self) -> Needs {
        Needs { old_logprobs: true, ref_logprobs: true, ..Needs::NONE }
    }

    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        let old = column(&step.columns.old_logprobs, "old_logprobs")?;
        let teacher = column(&step.columns.ref_logprobs, "ref_logprobs")?;
        Ok(per_token(&distillation(&teacher, &old, step.mask, self)?, step))
    }
}
