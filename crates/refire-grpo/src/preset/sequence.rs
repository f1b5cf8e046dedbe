use super::{clip, group_norm, plain, row_means};
use crate::loss::{Gmpo, LossKind, RatioLevel, Vespo};
use crate::{PolicyLossConfig, Recipe};
use refire_objective::{Aggregation, RowCount};

/// GSPO: Zheng et al., "Group Sequence Policy Optimization" (2025). The geometric mean of a row's
/// ratios, clipped at 3e-4 / 4e-4; the paper makes four updates per batch of rollouts.
///
/// ```
/// assert_eq!(refire_grpo::preset::gspo().updates_per_rollout, 4);
/// ```
pub fn gspo() -> Recipe {
    let loss = PolicyLossConfig {
        surrogate: clip(3e-4, 4e-4),
        ratio: RatioLevel::Sequence,
        aggregation: row_means(),
        ..PolicyLossConfig::default()
    };
    Recipe { updates_per_rollout: 4, ..plain(group_norm(), loss) }
}

/// LUSPO: GSPO with losses that are summed over a row, so that length makes no difference; TRL
/// recommends 2e-3 on both sides.
///
/// ```
/// assert!(refire_grpo::preset::luspo().validate().is_empty());
/// ```
pub fn luspo() -> Recipe {
    let mut recipe = gspo();
    recipe.loss.surrogate = clip(2e-3, 2e-3);
    recipe.loss.aggregation = Aggregation::SeqMeanTokenSum { rows: RowCount::All };
    recipe
}

/// GMPO: Zhao et al., "Geometric-Mean Policy Optimization" (2025). Token ratios clipped at
/// (e^-0.4, e^0.4) within a geometric mean.
///
/// ```
/// assert!(refire_grpo::preset::gmpo().validate().is_empty());
/// ```
pub fn gmpo() -> Recipe {
    let loss = PolicyLossConfig {
        surrogate: LossKind::Gmpo(Gmpo::default()),
        aggregation: row_means(),
        ..PolicyLossConfig::default()
    };
    plain(group_norm(), loss)
}

/// VESPO, as TRL has it: gamma-shaped weights of whole rows, mean over tokens.
///
/// ```
/// assert!(refire_grpo::preset::vespo().validate().is_empty());
/// ```
pub fn vespo() -> Recipe {
    let surrogate = LossKind::Vespo(Vespo::default());
    plain(group_norm(), PolicyLossConfig { surrogate, ..PolicyLossConfig::default() })
}
