//! ReMax: the reward against that of the greedy completion.
//!
//! ```text
//! A_t = sum_{s >= t} r_s - R(greedy)
//! ```
//!
//! Li et al., "ReMax" (2023); verl. The baseline takes a completion at temperature 0 for each
//! prompt, which [`Needs::greedy_sibling`](refire_core::Needs) asks for and
//! [`Columns::greedy_rewards`](refire_core::Columns) brings. A prompt whose greedy completion has no
//! score gives its rows advantage 0.

use super::view::{per_token, scored_mask, token_rewards};
use super::{Holes, returns_to_go};
use crate::GrpoError;
use refire_core::{Advantage, Advantages, BoxError, CoreError, Needs, Stateful, StepView};
use serde::{Deserialize, Serialize};

/// The advantage; it has no settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Remax {}

/// One advantage per token, 0 where masked; `baselines` has the greedy reward of each row's prompt.
///
/// ```
/// use refire_grpo::advantage::remax;
/// let advantages = remax(&[vec![0.5, 1.0]], &[1.0], &[vec![true, true]])?;
/// assert_eq!(advantages, [[0.5, 0.0]]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the columns don't fit each other.
pub fn remax(
    rewards: &[Vec<f64>],
    baselines: &[f64],
    mask: &[Vec<bool>],
) -> Result<Vec<Vec<f64>>, GrpoError> {
    let (found, expected) = (baselines.len(), mask.len());
    if found != expected {
        return Err(GrpoError::Count { what: "baselines of rows", found, expected });
    }
    let mut advantages = returns_to_go(rewards, mask, 1.0, Holes::Skip)?;
    for ((row, baseline), mask) in advantages.iter_mut().zip(baselines).zip(mask) {
        row.iter_mut().zip(mask).filter(|(_, m)| **m).for_each(|(a, _)| *a -= baseline);
    }
    Ok(advantages)
}

impl Stateful for Remax {}

impl Advantage for Remax {
    fn needs(&self) -> Needs {
        Needs { greedy_sibling: true, ..Needs::NONE }
    }

    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        let missing = CoreError::MissingColumn { column: "greedy_rewards" };
        let greedy = step.columns.greedy_rewards.as_ref().ok_or(missing)?;
        let (found, expected) = (greedy.len(), step.groups.len());
        if found != expected {
            return Err(
                GrpoError::Count { what: "greedy rewards of groups", found, expected }.into()
            );
        }
        let baselines: Vec<Option<f64>> = step.iter().map(|(group, _, _)| greedy[group]).collect();
        let rows = scored_mask(step).into_iter().zip(&baselines);
        let mask: Vec<Vec<bool>> = rows
            .map(|(mask, known)| mask.into_iter().map(|m| m && known.is_some()).collect())
            .collect();
        let baselines: Vec<f64> = baselines.into_iter().map(Option::unwrap_or_default).collect();
        let rewards = token_rewards(step, &step.rewards(), None)?;
        Ok(per_token(&remax(&rewards, &baselines, &mask)?, step))
    }
}
