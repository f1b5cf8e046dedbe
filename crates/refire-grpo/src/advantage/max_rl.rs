//! MaxRL: hard prompts weigh by the inverse of their success rate.
//!
//! ```text
//! A_i = (R_i - mean_group) / mean_group        0 where the mean is not positive
//! ```
//!
//! "Maximum Likelihood Reinforcement Learning" (arXiv 2602.02710); prime-rl. For rewards of 0 or 1
//! the gradient is that of the likelihood, to the order of the group's size. Negative rewards have
//! no such meaning.

use super::statistics::{Deviation, by_group, check, per_row};
use super::view::groups;
use crate::GrpoError;
use refire_core::{Advantage, Advantages, BoxError, Stateful, StepView};
use serde::{Deserialize, Serialize};

/// The advantage; it has no settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaxRl {}

/// One advantage per row; siblings share a number in `groups`.
///
/// ```
/// use refire_grpo::advantage::max_rl;
/// let advantages = max_rl(&[1.0, 0.0, 0.0, 0.0].map(Some), &[0; 4])?;
/// assert_eq!(advantages, [3.0, -1.0, -1.0, -1.0]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the lists differ in length or a reward is not finite.
pub fn max_rl(rewards: &[Option<f64>], groups: &[usize]) -> Result<Vec<f64>, GrpoError> {
    check(rewards, groups)?;
    let own = by_group(rewards, groups, Deviation::Sample);
    Ok(per_row(rewards, groups, &own, |reward, own| {
        if own.mean > 0.0 { (reward - own.mean) / own.mean } else { 0.0 }
    }))
}

impl Stateful for MaxRl {}

impl Advantage for MaxRl {
    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        Ok(Advantages::per_completion(max_rl(&step.rewards(), &groups(step))?))
    }
}
