//! GAE: a critic's temporal differences, discounted.
//!
//! ```text
//! delta_t = r_t + gamma V_{t+1} - V_t
//! A_t     = delta_t + gamma lambda A_{t+1}
//! return  = A_t + V_t                           the critic's target, TD(lambda)
//! ```
//!
//! Schulman et al. (2016). verl skips masked tokens, so that a tool's output neither discounts nor
//! resets; OpenRLHF takes them as steps of value and reward 0. Both whiten the result.

use super::view::{column, per_token, ragged, scored_mask, token_rewards};
use super::{Holes, KlInReward, Whiten};
use crate::GrpoError;
use refire_core::{Advantage, Advantages, BoxError, Needs, Stateful, StepView};
use serde::{Deserialize, Serialize};

/// Settings of [`gae`]; an [`Advantage`] by itself, which reads a critic's values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gae {
    /// Discount of what is to come.
    pub gamma: f64,
    /// How far temporal differences reach: 0 one step, 1 all.
    pub lambda: f64,
    /// What masked tokens do.
    pub holes: Holes,
    /// Whitening of the advantages over the step.
    pub whiten: Option<Whiten>,
    /// The divergence from the reference as part of the reward.
    pub kl: Option<KlInReward>,
}

impl Default for Gae {
    /// verl and OpenRLHF: both 1, whitened; masked tokens are skipped, as in verl.
    fn default() -> Self {
        let whiten = Some(Whiten::default());
        Self { gamma: 1.0, lambda: 1.0, holes: Holes::Skip, whiten, kl: None }
    }
}

impl Gae {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let unit = |x: f64| (0.0..=1.0).contains(&x);
        let own = [
            GrpoError::unless(unit(self.gamma), "advantage.gamma", self.gamma, "from 0 to 1"),
            GrpoError::unless(unit(self.lambda), "advantage.lambda", self.lambda, "from 0 to 1"),
            GrpoError::conflict(
                self.holes == Holes::Cut,
                "GAE can't cut rows at their holes",
                "set `advantage.holes` to skip or pass",
            ),
        ];
        let whiten = self.whiten.iter().flat_map(Whiten::validate);
        let kl = self.kl.iter().flat_map(KlInReward::validate);
        own.into_iter().flatten().chain(whiten).chain(kl).collect()
    }
}

/// Advantages, not yet whitened, and returns; both 0 where masked.
///
/// ```
/// use refire_grpo::advantage::{Gae, gae};
/// let (rewards, values) = ([vec![0.0, 1.0]], [vec![0.5, 0.5]]);
/// let config = Gae { lambda: 0.0, ..Gae::default() };
/// let (advantages, returns) = gae(&rewards, &values, &[vec![true, true]], &config)?;
/// assert_eq!(advantages, [[0.0, 0.5]]);
/// assert_eq!(returns, [[0.5, 1.0]]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the columns don't fit each other.
#[allow(clippy::type_complexity, reason = "two columns, named in the documentation")]
pub fn gae(
    rewards: &[Vec<f64>],
    values: &[Vec<f64>],
    mask: &[Vec<bool>],
    config: &Gae,
) -> Result<(Vec<Vec<f64>>, Vec<Vec<f64>>), GrpoError> {
    GrpoError::same_shape("rewards", rewards, mask)?;
    GrpoError::same_shape("values", values, mask)?;
    let rows = rewards.iter().zip(values).zip(mask);
    Ok(rows.map(|((rewards, values), mask)| row(rewards, values, mask, config)).unzip())
}

fn row(rewards: &[f64], values: &[f64], mask: &[bool], config: &Gae) -> (Vec<f64>, Vec<f64>) {
    let (mut advantages, mut returns) = (vec![0.0; rewards.len()], vec![0.0; rewards.len()]);
    let (mut next_value, mut next) = (0.0, 0.0);
    for token in (0..rewards.len()).rev() {
        let seen = mask[token];
        if !seen && config.holes != Holes::Pass {
            continue;
        }
        let (reward, value) = if seen { (rewards[token], values[token]) } else { (0.0, 0.0) };
        let delta = reward + config.gamma * next_value - value;
        next = delta + config.gamma * config.lambda * next;
        next_value = value;
        if seen {
            (advantages[token], returns[token]) = (next, next + value);
        }
    }
    (advantages, returns)
}

impl Stateful for Gae {}

impl Advantage for Gae {
    fn needs(&self) -> Needs {
        let kl = self.kl.is_some();
        Needs { values: true, old_logprobs: kl, ref_logprobs: kl, ..Needs::NONE }
    }

    /// Rows without a score have advantage 0 and, as a critic's target, its own values.
    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        let values = column(&step.columns.values, "values")?;
        let mask = scored_mask(step);
        let rewards = token_rewards(step, &step.rewards(), self.kl.as_ref())?;
        let (raw, mut returns) = gae(&rewards, &values, &mask, self)?;
        for (row, score) in step.scores.iter().enumerate() {
            if score.total().is_none() {
                returns[row].clone_from(&values[row]);
            }
        }
        let advantages = match &self.whiten {
            Some(whiten) => whiten.apply(&raw, &mask)?,
            None => raw,
        };
        let returns = Some(ragged(&returns, step));
        Ok(Advantages { returns, ..per_token(&advantages, step) })
    }
}
