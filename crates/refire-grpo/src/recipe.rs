use crate::advantage::AdvantageConfig;
use crate::filter::FilterConfig;
use crate::loss::ValueLossConfig;
use crate::{GrpoError, PolicyLossConfig, preset};
use refire_core::Needs;
use serde::{Deserialize, Serialize};

/// What happens to completions that reach the token limit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverlongConfig {
    /// Leave truncated completions out of the loss; see
    /// [`mask_truncated`](crate::mask::mask_truncated).
    pub mask_truncated: bool,
    /// Punish completions that come close to the limit.
    pub soft: Option<SoftOverlongConfig>,
}

/// DAPO's soft overlong punishment, for the reward to apply: 0 up to `max_tokens - buffer`, then
/// down in a line to -1 at `max_tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftOverlongConfig {
    /// The longest completion, in tokens.
    pub max_tokens: usize,
    /// How many tokens before it the punishment begins.
    pub buffer: usize,
}

/// A whole method: which advantage, loss, filter and treatment of long completions.
///
/// [`preset`] has those with a name; a configuration file may change any field of them.
///
/// ```
/// use refire_grpo::{Recipe, preset};
/// let recipe = Recipe { updates_per_rollout: 4, ..preset::dapo() };
/// assert!(recipe.validate().is_empty());
/// assert!(recipe.needs().old_logprobs);
/// let text = serde_json::to_string(&recipe)?;
/// assert_eq!(serde_json::from_str::<Recipe>(&text)?, recipe);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// How rewards become advantages.
    pub advantage: AdvantageConfig,
    /// The loss.
    pub loss: PolicyLossConfig,
    /// The critic's loss; no critic without one.
    pub value: Option<ValueLossConfig>,
    /// Which groups are trained on; all without one.
    pub filter: Option<FilterConfig>,
    /// What happens to completions that reach the token limit.
    pub overlong: OverlongConfig,
    /// Parts that a batch of rollouts is split into, with an update of the weights for each; at
    /// least 1.
    pub updates_per_rollout: usize,
    /// How often a batch of rollouts is gone through, at least 1 (PPO's epochs, TRL's
    /// `num_iterations`).
    pub passes: usize,
}

impl Default for Recipe {
    /// [`preset::grpo`].
    fn default() -> Self {
        preset::grpo()
    }
}

impl Recipe {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let soft = self.overlong.soft;
        let buffer = soft.map_or(0, |s| s.buffer);
        let fits = soft.is_none_or(|s| s.buffer > 0 && s.buffer <= s.max_tokens);
        let own = [
            GrpoError::unless(
                self.updates_per_rollout > 0,
                "updates_per_rollout",
                self.updates_per_rollout,
                "at least 1",
            ),
            GrpoError::unless(self.passes > 0, "passes", self.passes, "at least 1"),
            GrpoError::unless(
                fits,
                "overlong.soft.buffer",
                buffer,
                "from 1 to overlong.soft.max_tokens",
            ),
        ];
        let filter = self.filter.iter().flat_map(FilterConfig::validate);
        let critic = GrpoError::conflict(
            self.value.is_none() && self.advantage_needs().values,
            "the advantage reads a critic's values and `value` is none",
            "set `value`, or take an advantage without a critic",
        );
        let value = self.value.iter().flat_map(ValueLossConfig::validate).chain(critic);
        let parts = self.advantage.validate().into_iter().chain(self.loss.validate());
        parts.chain(value).chain(filter).chain(own.into_iter().flatten()).collect()
    }

    /// What the loss and the advantage ask for; and the log-probabilities from before the first
    /// update, if others follow on the same rollouts.
    pub fn needs(&self) -> Needs {
        let several = self.updates_per_rollout > 1 || self.passes > 1;
        let asked = self.loss.needs().union(self.advantage_needs());
        asked.union(Needs { old_logprobs: several, ..Needs::NONE })
    }

    /// Of an advantage that isn't valid nothing is known; `validate` says why.
    fn advantage_needs(&self) -> Needs {
        self.advantage.build().map_or(Needs::NONE, |advantage| advantage.needs())
    }
}
