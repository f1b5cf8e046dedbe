//! Recipes under the names of their papers.
//!
//! What belongs to the run rather than to the method (group size, batch, learning rate, sampling)
//! is in the documentation of each, not in the [`Recipe`].

use crate::advantage::{AdvantageConfig, GroupNorm, Scale};
use crate::filter::{DynamicSampling, FilterConfig};
use crate::loss::ClipRange;
use crate::{OverlongConfig, PolicyLossConfig, Recipe, SoftOverlongConfig};
use refire_objective::{Aggregation, RowCount};

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
    Recipe {
        advantage: AdvantageConfig::GroupNorm(GroupNorm::default()),
        loss: PolicyLossConfig {
            kl_beta: 0.04,
            aggregation: Aggregation::SeqMeanTokenMean { rows: RowCount::All },
            ..PolicyLossConfig::default()
        },
        filter: None,
        overlong: OverlongConfig::default(),
        updates_per_rollout: 1,
        passes: 1,
    }
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
/// assert_eq!(recipe.loss.clip_range.high, 0.28);
/// assert!(recipe.filter.is_some() && !recipe.needs().ref_logprobs);
/// ```
pub fn dapo() -> Recipe {
    Recipe {
        advantage: AdvantageConfig::GroupNorm(GroupNorm::default()),
        loss: PolicyLossConfig {
            clip_range: ClipRange { low: 0.2, high: 0.28 },
            aggregation: Aggregation::TokenMean,
            ..PolicyLossConfig::default()
        },
        filter: Some(FilterConfig::DynamicSampling(DynamicSampling::default())),
        overlong: OverlongConfig {
            mask_truncated: true,
            soft: Some(SoftOverlongConfig { max_tokens: 20_480, buffer: 4_096 }),
        },
        updates_per_rollout: 16,
        passes: 1,
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
    Recipe {
        advantage: AdvantageConfig::GroupNorm(GroupNorm {
            scale: Scale::None,
            ..GroupNorm::default()
        }),
        loss: PolicyLossConfig {
            aggregation: Aggregation::SumNorm { length: 3_000.0, per_row: true },
            ..PolicyLossConfig::default()
        },
        filter: None,
        overlong: OverlongConfig::default(),
        updates_per_rollout: 1,
        passes: 1,
    }
}
