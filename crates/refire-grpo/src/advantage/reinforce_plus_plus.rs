//! REINFORCE++: whitened returns, without a critic.
//!
//! ```text
//! plain       A_t = whiten(G_t)                   G_t = r_t + gamma G_{t+1}
//! baseline    A_t = whiten(R_i - mean_group R)
//! ```
//!
//! Hu, "REINFORCE++" (2025). The divergence from the reference usually is part of the reward, token
//! by token. Whitening is over all visible tokens of the step, so that long rows weigh more.

use super::statistics::{Singleton, check};
use super::view::{groups, per_token, scored_mask, spread, token_rewards};
use super::{GroupNorm, Holes, KlInReward, Whiten, group_norm, returns_to_go};
use crate::GrpoError;
use refire_core::{Advantage, Advantages, BoxError, Needs, Stateful, StepView};
use serde::{Deserialize, Serialize};

/// Settings of REINFORCE++; an [`Advantage`] by itself.
///
/// Tier one is [`returns_to_go`] and [`Whiten::apply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReinforcePlusPlus {
    /// Discount of what is to come.
    pub gamma: f64,
    /// What masked tokens do.
    pub holes: Holes,
    /// Whitening over the step.
    pub whiten: Whiten,
    /// The divergence from the reference as part of the reward.
    pub kl: Option<KlInReward>,
}

impl Default for ReinforcePlusPlus {
    /// No discount, and tool tokens are skipped (verl lets them cut the return).
    fn default() -> Self {
        Self { gamma: 1.0, holes: Holes::Skip, whiten: Whiten::default(), kl: None }
    }
}

fn needs(kl: Option<&KlInReward>) -> Needs {
    let kl = kl.is_some();
    Needs { old_logprobs: kl, ref_logprobs: kl, ..Needs::NONE }
}

impl ReinforcePlusPlus {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let unit = (0.0..=1.0).contains(&self.gamma);
        let gamma = GrpoError::unless(unit, "advantage.gamma", self.gamma, "from 0 to 1");
        let parts = gamma.into_iter().chain(self.whiten.validate());
        parts.chain(self.kl.iter().flat_map(KlInReward::validate)).collect()
    }
}

impl Stateful for ReinforcePlusPlus {}

impl Advantage for ReinforcePlusPlus {
    fn needs(&self) -> Needs {
        needs(self.kl.as_ref())
    }

    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        let mask = scored_mask(step);
        let rewards = token_rewards(step, &step.rewards(), self.kl.as_ref())?;
        let returns = returns_to_go(&rewards, &mask, self.gamma, self.holes)?;
        Ok(per_token(&self.whiten.apply(&returns, &mask)?, step))
    }
}

/// Settings of [`reinforce_plus_plus_baseline`]; an [`Advantage`] by itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReinforcePlusPlusBaseline {
    /// What a completion without scored siblings is worth.
    pub singleton: Singleton,
    /// Whitening over the step.
    pub whiten: Whiten,
    /// The divergence from the reference as part of the reward, added after the baseline.
    pub kl: Option<KlInReward>,
}

impl ReinforcePlusPlusBaseline {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let kl = self.kl.iter().flat_map(KlInReward::validate);
        self.whiten.validate().into_iter().chain(kl).collect()
    }
}

/// One advantage per token: centred rewards of rows, whitened over visible tokens.
///
/// ```
/// use refire_grpo::advantage::{ReinforcePlusPlusBaseline, reinforce_plus_plus_baseline};
/// let mask = [vec![true], vec![true, true, true]];
/// let config = ReinforcePlusPlusBaseline::default();
/// let a = reinforce_plus_plus_baseline(&[Some(1.0), Some(0.0)], &[0, 0], &mask, &config)?;
/// // The long row is most of what there is, and so close to the mean.
/// assert!(a[0][0] > 1.4 && a[1][0] > -0.6);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the lists don't fit each other or a reward is not finite.
pub fn reinforce_plus_plus_baseline(
    rewards: &[Option<f64>],
    groups: &[usize],
    mask: &[Vec<bool>],
    config: &ReinforcePlusPlusBaseline,
) -> Result<Vec<Vec<f64>>, GrpoError> {
    check(rewards, groups)?;
    let centred = GroupNorm { singleton: config.singleton, ..GroupNorm::centred() };
    let centred = group_norm(rewards, groups, &centred)?;
    let rows = mask.iter().zip(rewards);
    let mask: Vec<Vec<bool>> =
        rows.map(|(mask, reward)| mask.iter().map(|m| *m && reward.is_some()).collect()).collect();
    config.whiten.apply(&spread(&centred, &mask)?, &mask)
}

impl Stateful for ReinforcePlusPlusBaseline {}

impl Advantage for ReinforcePlusPlusBaseline {
    fn needs(&self) -> Needs {
        needs(self.kl.as_ref())
    }

    fn advantages(&mut self, step: &StepView<'_>) -> Result<Advantages, BoxError> {
        let (rewards, groups) = (step.rewards(), groups(step));
        if self.kl.is_none() {
            let rows = reinforce_plus_plus_baseline(&rewards, &groups, step.mask, self)?;
            return Ok(per_token(&rows, step));
        }
        let centred = GroupNorm { singleton: self.singleton, ..GroupNorm::centred() };
        let centred: Vec<Option<f64>> =
            group_norm(&rewards, &groups, &centred)?.into_iter().map(Some).collect();
        let mask = scored_mask(step);
        let rewards = token_rewards(step, &centred, self.kl.as_ref())?;
        let returns = returns_to_go(&rewards, &mask, 1.0, Holes::Skip)?;
        Ok(per_token(&self.whiten.apply(&returns, &mask)?, step))
    }
}
