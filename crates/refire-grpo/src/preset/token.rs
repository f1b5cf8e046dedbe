use super::{clip, group_norm, plain, row_means};
use crate::loss::{Cispo, ClipCov, ClipRange, Gppo, KlCov, LossKind, Sapo};
use crate::{PolicyLossConfig, Recipe};
use refire_objective::Aggregation;

fn token_mean(surrogate: LossKind) -> Recipe {
    let loss = PolicyLossConfig {
        surrogate,
        aggregation: Aggregation::TokenMean,
        ..PolicyLossConfig::default()
    };
    plain(group_norm(), loss)
}

/// CISPO: MiniMax-M1 (2025), with the bound of 5 that ScaleRL found. Mean over tokens.
///
/// ```
/// assert!(refire_grpo::preset::cispo().validate().is_empty());
/// ```
pub fn cispo() -> Recipe {
    Recipe { updates_per_rollout: 16, ..token_mean(LossKind::Cispo(Cispo::default())) }
}

/// GPPO: "Klear-Reasoner" (arXiv 2508.07629). PPO's range with a bounded gradient outside. The
/// authors add a likelihood term on right answers, which is a matter of mixing batches.
///
/// ```
/// assert!(refire_grpo::preset::gppo().validate().is_empty());
/// ```
pub fn gppo() -> Recipe {
    Recipe { updates_per_rollout: 16, ..token_mean(LossKind::Gppo(Gppo::default())) }
}

/// CE-GPPO: arXiv 2509.20712. GPPO on DAPO's range with the bad side at half weight, as the authors'
/// recipe for 1.5B has it (0.75 for 7B).
///
/// ```
/// assert!(refire_grpo::preset::ce_gppo().validate().is_empty());
/// ```
pub fn ce_gppo() -> Recipe {
    let clip_range = ClipRange { low: 0.2, high: 0.28 };
    let surrogate = LossKind::Gppo(Gppo { clip_range, beta_low: 0.5, beta_high: 1.0 });
    Recipe { updates_per_rollout: 16, ..token_mean(surrogate) }
}

/// SAPO (2025): a soft gate, mean over tokens, then rows.
///
/// ```
/// assert!(refire_grpo::preset::sapo().validate().is_empty());
/// ```
pub fn sapo() -> Recipe {
    let mut recipe = token_mean(LossKind::Sapo(Sapo::default()));
    recipe.loss.aggregation = row_means();
    recipe.updates_per_rollout = 4;
    recipe
}

/// Clip-Cov: Cui et al. (2025). PPO's clip, and 2e-4 of the tokens dropped by covariance.
///
/// ```
/// assert!(refire_grpo::preset::clip_cov().needs().old_logprobs);
/// ```
pub fn clip_cov() -> Recipe {
    token_mean(LossKind::ClipCov(ClipCov::default()))
}

/// KL-Cov: Cui et al. (2025). No clip, and a penalty on 2e-4 of the tokens.
///
/// ```
/// assert!(refire_grpo::preset::kl_cov().needs().old_logprobs);
/// ```
pub fn kl_cov() -> Recipe {
    token_mean(LossKind::KlCov(KlCov::default()))
}

/// "Beyond the 80/20 Rule": Wang et al. (2025). DAPO's clip on the fifth of the tokens with the
/// highest entropy.
///
/// ```
/// let needs = refire_grpo::preset::high_entropy().needs();
/// assert!(needs.entropy && needs.old_logprobs);
/// ```
pub fn high_entropy() -> Recipe {
    let mut recipe = token_mean(clip(0.2, 0.28));
    recipe.loss.top_entropy = Some(0.2);
    recipe
}
