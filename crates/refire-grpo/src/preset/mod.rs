//! Recipes under the names of their papers.
//!
//! What belongs to the run rather than to the method (group size, batch, learning rate, sampling)
//! is in the documentation of each, not in the [`Recipe`]. What libraries add to a method is in
//! [`compat`](crate::compat).

mod group;
mod off_policy;
mod sequence;
mod token;
mod value;

pub use group::{
    dapo, dr_grpo, gpg, grpo, max_rl, opo, pass_at_k, reinforce_plus_plus,
    reinforce_plus_plus_baseline, remax, rloo, spiral,
};
pub use off_policy::{copg, distillation, kimi, opmd, prime_rl, rec, topr};
pub use sequence::{gmpo, gspo, luspo, vespo};
pub use token::{ce_gppo, cispo, clip_cov, gppo, high_entropy, kl_cov, sapo};
pub use value::ppo;

use crate::advantage::{AdvantageConfig, GroupNorm};
use crate::loss::{ClipOptions, LossKind};
use crate::{OverlongConfig, PolicyLossConfig, Recipe};
use refire_objective::{Aggregation, RowCount};

/// All presets by name.
///
/// ```
/// use refire_grpo::preset;
/// assert!(preset::all().iter().all(|(_, recipe)| recipe.validate().is_empty()));
/// ```
pub fn all() -> Vec<(&'static str, Recipe)> {
    vec![
        ("grpo", grpo()),
        ("dapo", dapo()),
        ("dr_grpo", dr_grpo()),
        ("rloo", rloo()),
        ("reinforce_plus_plus", reinforce_plus_plus()),
        ("reinforce_plus_plus_baseline", reinforce_plus_plus_baseline()),
        ("remax", remax()),
        ("opo", opo()),
        ("gpg", gpg()),
        ("pass_at_k", pass_at_k()),
        ("max_rl", max_rl()),
        ("spiral", spiral()),
        ("gspo", gspo()),
        ("luspo", luspo()),
        ("gmpo", gmpo()),
        ("vespo", vespo()),
        ("cispo", cispo()),
        ("gppo", gppo()),
        ("ce_gppo", ce_gppo()),
        ("sapo", sapo()),
        ("clip_cov", clip_cov()),
        ("kl_cov", kl_cov()),
        ("high_entropy", high_entropy()),
        ("kimi", kimi()),
        ("opmd", opmd()),
        ("topr", topr()),
        ("rec", rec()),
        ("copg", copg()),
        ("prime_rl", prime_rl()),
        ("distillation", distillation()),
        ("ppo", ppo()),
    ]
}

/// One update per batch of rollouts, everything trained on.
fn plain(advantage: AdvantageConfig, loss: PolicyLossConfig) -> Recipe {
    Recipe {
        advantage,
        loss,
        value: None,
        filter: None,
        overlong: OverlongConfig::default(),
        updates_per_rollout: 1,
        passes: 1,
    }
}

fn group_norm() -> AdvantageConfig {
    AdvantageConfig::GroupNorm(GroupNorm::default())
}

fn centred() -> AdvantageConfig {
    AdvantageConfig::GroupNorm(GroupNorm::centred())
}

fn clip(low: f64, high: f64) -> LossKind {
    LossKind::PpoClip(ClipOptions::range(low, high))
}

const fn row_means() -> Aggregation {
    Aggregation::seq_mean_token_mean(RowCount::All)
}
