use super::plain;
use crate::advantage::{AdvantageConfig, Gae, KlInReward};
use crate::loss::ValueLossConfig;
use crate::{PolicyLossConfig, Recipe};

/// PPO: Schulman et al. (2017), as Ziegler et al. and OpenRLHF train language models with it. A
/// critic with GAE (both factors 1), whitened advantages, the divergence in the reward (0.01, k1),
/// clips of 0.2 and, for values, 0.5; the paper goes through a batch of rollouts several times.
///
/// ```
/// let recipe = refire_grpo::preset::ppo();
/// assert!(recipe.needs().values && recipe.value.is_some());
/// ```
pub fn ppo() -> Recipe {
    let gae = Gae { kl: Some(KlInReward::default()), ..Gae::default() };
    Recipe {
        value: Some(ValueLossConfig::default()),
        updates_per_rollout: 4,
        ..plain(AdvantageConfig::Gae(gae), PolicyLossConfig::default())
    }
}
