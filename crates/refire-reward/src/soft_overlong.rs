use crate::RewardError;
use refire_core::{BoxError, Reward, Score, Scored};
use serde::{Deserialize, Serialize};

/// What becomes of the penalty beyond `max_length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beyond {
    /// It stays at `-factor`: the DAPO paper, TRL and OpenRLHF.
    #[default]
    Floor,
    /// It goes on falling: verl's `DAPORewardManager`.
    Linear,
}

/// Settings of [`SoftOverlong`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SoftOverlongConfig {
    /// Length in tokens at which the whole penalty is due (DAPO's L_max).
    pub max_length: usize,
    /// Tokens over which the penalty grows (DAPO's L_cache); 0 makes it a step at `max_length`.
    pub cache: usize,
    /// The whole penalty.
    pub factor: f64,
    /// What becomes of it beyond `max_length`.
    pub beyond: Beyond,
}

impl Default for SoftOverlongConfig {
    /// DAPO (Yu et al. 2025, section 4.1): 20,480 tokens, the last 4,096 of them penalised.
    fn default() -> Self {
        Self { max_length: 20_480, cache: 4_096, factor: 1.0, beyond: Beyond::Floor }
    }
}

impl SoftOverlongConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<RewardError> {
        let (length, cache, factor) = (self.max_length, self.cache, self.factor);
        let slope = cache > 0 || self.beyond == Beyond::Floor;
        [
            RewardError::unless(length > 0, "max_length", length, "at least 1"),
            RewardError::unless(cache <= length, "cache", cache, "at most `max_length`"),
            RewardError::unless(slope, "cache", cache, "at least 1 where `beyond` is `linear`"),
            RewardError::unless(
                factor.is_finite() && factor >= 0.0,
                "factor",
                factor,
                "a finite number from 0",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// DAPO's soft overlong punishment, a reward from `-factor` to 0.
///
/// For a completion of L tokens, with `M = max_length` and `c = cache`:
///
/// ```text
/// 0                           if L <= M - c
/// factor * ((M - c) - L) / c  if M - c < L <= M
/// -factor                     if L > M        (Beyond::Linear: the line goes on)
/// ```
///
/// L counts every token of the completion, the end token included, as TRL does. TRL has no
/// `factor`; OpenRLHF calls it `overlong_penalty_factor` and verl `penalty_factor`.
///
/// ```
/// use refire_reward::{SoftOverlong, SoftOverlongConfig};
/// let config = SoftOverlongConfig { max_length: 16, cache: 4, ..Default::default() };
/// let reward = SoftOverlong::new(config)?;
/// assert_eq!([12, 13, 16, 99].map(|length| reward.penalty(length)), [0.0, -0.25, -1.0, -1.0]);
/// # Ok::<(), refire_reward::RewardError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SoftOverlong {
    config: SoftOverlongConfig,
}

impl SoftOverlong {
    /// The reward.
    ///
    /// # Errors
    /// When [`SoftOverlongConfig::validate`] finds a problem.
    pub fn new(config: SoftOverlongConfig) -> Result<Self, RewardError> {
        RewardError::collect("soft_overlong", config.validate())?;
        Ok(Self { config })
    }

    /// The penalty of a completion of `length` tokens: 0 or negative.
    pub fn penalty(&self, length: usize) -> f64 {
        let SoftOverlongConfig { max_length, cache, factor, beyond } = self.config;
        if length <= max_length - cache {
            return 0.0;
        }
        if length > max_length && beyond == Beyond::Floor {
            return -factor;
        }
        let excess = (length - (max_length - cache)) as f64;
        -(excess / cache as f64) * factor
    }
}

impl Reward for SoftOverlong {
    fn name(&self) -> &str {
        "soft_overlong"
    }

    fn score(&self, items: &[Scored<'_>]) -> Result<Vec<Score>, BoxError> {
        Ok(items.iter().map(|item| Score::value(self.penalty(item.completion.len()))).collect())
    }
}
