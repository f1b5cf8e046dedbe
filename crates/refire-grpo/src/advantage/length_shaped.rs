//! Length-shaped groups: of two right answers the shorter one is better.
//!
//! ```text
//! penalty_i = mean R (w_out out_i / max out + w_in in_i / max in + w_turns turns_i / max turns)
//! A_i       = R'_i - mean R'                   R' = R - penalty
//! ```
//!
//! prime-rl's length penalty: as it scales with the pass rate, a group that is always wrong isn't
//! pushed to be short.

use super::statistics::{check, members};
use super::view::groups;
use crate::GrpoError;
use crate::loss::not_negative;
use refire_core::{
    Advantage, Advantages, Author, BoxError, Completion, Prompt, Stateful, StepView,
};
use serde::{Deserialize, Serialize};

/// Settings of [`length_shaped`]; an [`Advantage`] by itself.
///
/// As one, `output` counts the policy's tokens, `input` those of the prompt and the environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LengthShaped {
    /// Weight of tokens written.
    pub output: f64,
    /// Weight of tokens read.
    pub input: f64,
    /// Weight of turns.
    pub turns: f64,
}

impl Default for LengthShaped {
    /// prime-rl: 0.25, 0.1, 0.1.
    fn default() -> Self {
        Self { output: 0.25, input: 0.1, turns: 0.1 }
    }
}

/// How much a row cost.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cost {
    /// Tokens written.
    pub output: f64,
    /// Tokens read.
    pub input: f64,
    /// Turns taken.
    pub turns: f64,
}

impl Cost {
    /// Of a prompt and its completion.
    pub fn of(prompt: &Prompt, completion: &Completion) -> Self {
        let output = completion.loss_mask.iter().filter(|m| **m).count();
        let own = completion.turns.iter().filter(|turn| turn.author == Author::Policy).count();
        let input = prompt.tokens.len() + completion.len() - output;
        Self { output: output as f64, input: input as f64, turns: own.max(1) as f64 }
    }
}

impl LengthShaped {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        [
            not_negative("advantage.output", self.output),
            not_negative("advantage.input", self.input),
            not_negative("advantage.turns", self.turns),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// One advantage per row; siblings share a number in `groups`.
///
/// ```
/// use refire_grpo::advantage::{Cost, LengthShaped, length_shaped};
/// let costs = [10.0, 20.0].map(|output| Cost { output, ..Cost::default() });
/// let config = LengthShaped { output: 1.0, input: 0.0, turns: 0.0 };
/// assert_eq!(length_shaped(&[Some(1.0), Some(1.0)], &costs, &[0, 0], &config)?, [0.25, -0.25]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the lists differ in length or a reward is not finite.
pub fn length_shaped(
    rewards: &[Option<f64>],
    costs: &[Cost],
    groups: &[usize],
    config: &LengthShaped,
) -> Result<Vec<f64>, GrpoError> {
    check(rewards, groups)?;
    let (found, expected) = (costs.len(), rewards.len());
    if found != expected {
        return Err(GrpoError::Count { what: "costs of rows", found, expected });
    }
    let mut advantages = vec![0.0; rewards.len()];
    for rows in members(groups).into_values() {
        let scored: Vec<(usize, f64)> =
            rows.into_iter().filter_map(|row| Some((row, rewards[row]?))).collect();
        let count = scored.len().max(1) as f64;
        let mean = scored.iter().map(|(_, reward)| reward).sum::<f64>() / count;
        let largest = |part: fn(&Cost) -> f64| {
            scored.iter().map(|(row, _)| part(&costs[*row])).fold(1.0, f64::max)
        };
        let (output, input, turns) =
            (largest(|c| c.output), largest(|c| c.input), largest(|c| c.turns));
        let shaped = scored.iter().map(|(row, reward)| {
            let cost = &costs[*row];
            let penalty = config.output * cost.output / output
                + config.input * cost.input / input
                + config.turns * cost.turns / turns;
            (*row, reward - mean * penalty)
        });
        let shaped: Vec<(usize, f64)> = shaped.collect();
        let mean = shaped.iter().map(|(_, reward)| reward).sum::<f64>() / count;
        shaped.iter().for_each(|(row, reward)| advantages[*row] = reward - mean);
    }
    Ok(advantages)
}

impl Stateful for LengthShaped {}

impl Advantage for LengthShaped {
    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        let costs: Vec<Cost> = step.iter().map(|(_, p, c)| Cost::of(p, c)).collect();
        let rows = length_shaped(&step.rewards(), &costs, &groups(step), self)?;
        Ok(Advantages::per_completion(rows))
    }
}
