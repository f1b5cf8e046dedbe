use super::{centred, clip, group_norm, plain, row_means};
use crate::advantage::{
    AdvantageConfig, Gpg, KlInReward, MaxRl, Opo, PassAtK, RaeConfig, ReinforcePlusPlus,
    ReinforcePlusPlusBaseline, Remax, Rloo,
};
use crate::filter::{DynamicSampling, FilterConfig};
use crate::loss::{LossKind, RatioLevel, Reinforce};
use crate::{OverlongConfig, PolicyLossConfig, Recipe, SoftOverlongConfig};
use refire_objective::{Aggregation, KlEstimator};

/// GRPO: Shao et al., "DeepSeekMath" (2024).
///
/// Advantages are normalised by the group's standard deviation, each row's loss is a mean over its
/// tokens, k3 KL with weight 0.04, one update per batch of rollouts. The paper gives no clip range;
/// 0.2 is PPO's and that of every implementation. It samples 64 completions of at most 1,024
/// tokens per question and learns at 1e-6.
///
/// ```
/// let recipe = refire_grpo::preset::grpo();
/// assert_eq!(recipe.loss.kl_beta, 0.04);
/// assert!(recipe.needs().ref_logprobs);
/// ```
pub fn grpo() -> Recipe {
    let loss =
        PolicyLossConfig { kl_beta: 0.04, aggregation: row_means(), ..PolicyLossConfig::default() };
    plain(group_norm(), loss)
}

/// DAPO: Yu et al., "DAPO: An Open-Source LLM Reinforcement Learning System at Scale" (2025).
///
/// Clip-higher 0.2 / 0.28, no KL, mean over all tokens, dynamic sampling, overlong filtering and
/// the soft punishment over the last 4,096 of 20,480 tokens: every part of the paper's table 1,
/// which adds them one by one. The authors' verl script has the punishment without the filtering.
/// A batch of rollouts is 512 prompts with 16 completions; 512 completions make an update, so that
/// there are 16 in one pass, at 1e-6.
///
/// The soft punishment gives rewards a spread of its own: let
/// [`DynamicSampling::part`] name the part of the reward that says whether an answer is right.
///
/// ```
/// let recipe = refire_grpo::preset::dapo();
/// assert!(recipe.filter.is_some() && !recipe.needs().ref_logprobs);
/// ```
pub fn dapo() -> Recipe {
    let loss = PolicyLossConfig {
        surrogate: clip(0.2, 0.28),
        aggregation: Aggregation::TokenMean,
        ..PolicyLossConfig::default()
    };
    Recipe {
        filter: Some(FilterConfig::DynamicSampling(DynamicSampling::default())),
        overlong: OverlongConfig {
            mask_truncated: true,
            soft: Some(SoftOverlongConfig { max_tokens: 20_480, buffer: 4_096 }),
        },
        updates_per_rollout: 16,
        ..plain(group_norm(), loss)
    }
}

/// Dr.GRPO: Liu et al., "Understanding R1-Zero-Like Training" (2025).
///
/// GRPO without its two biases: advantages are centred and not divided, and losses are summed and
/// divided by a constant, so that neither easy questions nor short answers weigh more. No KL. The
/// constant is the token limit of a completion, 3,000 in the paper: set
/// [`SumNorm::length`](Aggregation::SumNorm) to that of the run, as it scales the loss. Groups have
/// 8 completions.
///
/// ```
/// use refire_grpo::preset;
/// use refire_objective::Aggregation;
/// let mut recipe = preset::dr_grpo();
/// recipe.loss.aggregation = Aggregation::SumNorm { length: 512.0, per_row: true };
/// assert!(recipe.validate().is_empty());
/// ```
pub fn dr_grpo() -> Recipe {
    let loss = PolicyLossConfig {
        aggregation: Aggregation::SumNorm { length: 3_000.0, per_row: true },
        ..PolicyLossConfig::default()
    };
    plain(centred(), loss)
}

/// RLOO: Ahmadian et al., "Back to Basics" (2024), as TRL trains it.
///
/// Leave-one-out baseline, the row's divergence (0.05, k1) in the reward, and PPO's clip on the
/// ratio of whole sequences.
///
/// ```
/// assert!(refire_grpo::preset::rloo().needs().ref_logprobs);
/// ```
pub fn rloo() -> Recipe {
    let kl = Some(KlInReward { beta: 0.05, ..KlInReward::default() });
    let loss = PolicyLossConfig {
        ratio: RatioLevel::SequenceSum,
        aggregation: row_means(),
        ..PolicyLossConfig::default()
    };
    plain(AdvantageConfig::Rloo(Rloo { kl, ..Rloo::default() }), loss)
}

/// REINFORCE++: Hu (2025). Returns with the divergence in the reward (0.01, k1), whitened over the
/// step's tokens; PPO's clip, mean over tokens.
///
/// ```
/// assert!(refire_grpo::preset::reinforce_plus_plus().validate().is_empty());
/// ```
pub fn reinforce_plus_plus() -> Recipe {
    let kl = Some(KlInReward::default());
    let advantage = ReinforcePlusPlus { kl, ..ReinforcePlusPlus::default() };
    plain(AdvantageConfig::ReinforcePlusPlus(advantage), PolicyLossConfig::default())
}

/// REINFORCE++ with the group's mean as baseline, whitened over the step's tokens; the divergence
/// is a loss term (k2, 0.01), as the paper recommends for verifiable rewards.
///
/// ```
/// assert!(refire_grpo::preset::reinforce_plus_plus_baseline().validate().is_empty());
/// ```
pub fn reinforce_plus_plus_baseline() -> Recipe {
    let advantage = ReinforcePlusPlusBaseline::default();
    let loss = PolicyLossConfig {
        kl_beta: 0.01,
        kl_estimator: KlEstimator::K2,
        ..PolicyLossConfig::default()
    };
    plain(AdvantageConfig::ReinforcePlusPlusBaseline(advantage), loss)
}

/// ReMax: Li et al. (2023). The greedy completion's reward as baseline, plain REINFORCE.
///
/// ```
/// assert!(refire_grpo::preset::remax().needs().greedy_sibling);
/// ```
pub fn remax() -> Recipe {
    plain(AdvantageConfig::Remax(Remax {}), reinforce())
}

/// OPO: Hao et al. (arXiv 2505.23585). The length-weighted baseline, exactly on-policy: one update
/// per batch of rollouts, no KL, no entropy bonus.
///
/// ```
/// assert!(refire_grpo::preset::opo().validate().is_empty());
/// ```
pub fn opo() -> Recipe {
    plain(AdvantageConfig::Opo(Opo::default()), reinforce())
}

/// GPG: Chu et al. (2025). Centred rewards scaled up for silent groups, plain REINFORCE.
///
/// ```
/// assert!(refire_grpo::preset::gpg().validate().is_empty());
/// ```
pub fn gpg() -> Recipe {
    plain(AdvantageConfig::Gpg(Gpg::default()), reinforce())
}

/// Pass@k training: Chen et al. (arXiv 2508.10751). The closed form with k 4 over DAPO's loss.
///
/// ```
/// assert!(refire_grpo::preset::pass_at_k().validate().is_empty());
/// ```
pub fn pass_at_k() -> Recipe {
    let loss = PolicyLossConfig { surrogate: clip(0.2, 0.28), ..PolicyLossConfig::default() };
    plain(AdvantageConfig::PassAtK(PassAtK::default()), loss)
}

/// MaxRL (arXiv 2602.02710): the group's mean instead of its deviation, with PPO's clip.
///
/// ```
/// assert!(refire_grpo::preset::max_rl().validate().is_empty());
/// ```
pub fn max_rl() -> Recipe {
    plain(AdvantageConfig::MaxRl(MaxRl {}), PolicyLossConfig::default())
}

/// SPIRAL (arXiv 2506.24119): a running baseline per role of a self-play game, plain REINFORCE.
///
/// ```
/// assert!(refire_grpo::preset::spiral().validate().is_empty());
/// ```
pub fn spiral() -> Recipe {
    plain(AdvantageConfig::Rae(RaeConfig::default()), reinforce())
}

fn reinforce() -> PolicyLossConfig {
    PolicyLossConfig { surrogate: LossKind::Reinforce(Reinforce {}), ..PolicyLossConfig::default() }
}
