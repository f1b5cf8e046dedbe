use super::{centred, plain, row_means};
use crate::advantage::{AdvantageConfig, Distillation};
use crate::loss::{
    Copg, DppoTv, Kimi, LogRatioClamp, LossKind, Opmd, RatioBase, RatioLevel, Rec, RecClip,
    Reinforce, Topr,
};
use crate::{KlBase, PolicyLossConfig, Recipe};
use refire_objective::{Aggregation, KlEstimator};

/// Kimi k1.5 (arXiv 2501.12599): mirror descent on a squared residual, several updates against the
/// weights an iteration began with.
///
/// ```
/// assert!(refire_grpo::preset::kimi().validate().is_empty());
/// ```
pub fn kimi() -> Recipe {
    let loss = PolicyLossConfig {
        surrogate: LossKind::Kimi(Kimi::default()),
        aggregation: row_means(),
        ..PolicyLossConfig::default()
    };
    Recipe { updates_per_rollout: 4, ..plain(centred(), loss) }
}

/// OPMD, as Trinity trains it: centred rewards, REINFORCE with a factor.
///
/// ```
/// assert!(refire_grpo::preset::opmd().validate().is_empty());
/// ```
pub fn opmd() -> Recipe {
    let surrogate = LossKind::Opmd(Opmd::default());
    plain(centred(), PolicyLossConfig { surrogate, ..PolicyLossConfig::default() })
}

/// TOPR (arXiv 2503.14286): tapered weights by the ratio of whole sequences to the sampler.
///
/// ```
/// assert!(refire_grpo::preset::topr().validate().is_empty());
/// ```
pub fn topr() -> Recipe {
    let loss = PolicyLossConfig {
        surrogate: LossKind::Topr(Topr::default()),
        ratio: RatioLevel::SequenceSum,
        ratio_base: RatioBase::Behaviour,
        ..PolicyLossConfig::default()
    };
    plain(centred(), loss)
}

/// REC (arXiv 2509.24203): REINFORCE on centred rewards with one-sided masks and no importance
/// weights, which the paper finds enough.
///
/// ```
/// assert!(refire_grpo::preset::rec().validate().is_empty());
/// ```
pub fn rec() -> Recipe {
    let surrogate = LossKind::Rec(Rec { clip: RecClip::OneSide, ..Rec::default() });
    plain(centred(), PolicyLossConfig { surrogate, ..PolicyLossConfig::default() })
}

/// CoPG (arXiv 2406.19185): contrasts of siblings, with samples from anywhere.
///
/// ```
/// assert!(refire_grpo::preset::copg().needs().ref_logprobs);
/// ```
pub fn copg() -> Recipe {
    let loss = PolicyLossConfig {
        surrogate: LossKind::Copg(Copg::default()),
        aggregation: row_means(),
        ..PolicyLossConfig::default()
    };
    plain(centred(), loss)
}

/// prime-rl's default: centred rewards, a trust region in probabilities against the sampler, and
/// `1e-3 (logprob - behaviour)^2`, which is k2 with weight 2e-3. Mean over tokens.
///
/// ```
/// assert!(!refire_grpo::preset::prime_rl().needs().ref_logprobs);
/// ```
pub fn prime_rl() -> Recipe {
    let loss = PolicyLossConfig {
        surrogate: LossKind::DppoTv(DppoTv::default()),
        ratio_base: RatioBase::Behaviour,
        log_ratio_clamp: LogRatioClamp::NONE,
        kl_beta: 2e-3,
        kl_estimator: KlEstimator::K2,
        kl_base: KlBase::Ratio,
        aggregation: Aggregation::TokenMean,
        ..PolicyLossConfig::default()
    };
    plain(centred(), loss)
}

/// On-policy distillation (2025): the teacher, given as the reference, judges every token. Mean
/// over tokens, no reward is read.
///
/// ```
/// assert!(refire_grpo::preset::distillation().needs().ref_logprobs);
/// ```
pub fn distillation() -> Recipe {
    let loss = PolicyLossConfig {
        surrogate: LossKind::Reinforce(Reinforce {}),
        ..PolicyLossConfig::default()
    };
    plain(AdvantageConfig::Distillation(Distillation::default()), loss)
}
