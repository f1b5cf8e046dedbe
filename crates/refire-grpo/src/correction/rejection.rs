//! Rejection: tokens or rows that the trainer and the sampler see too differently are left out.
//!
//! ```text
//! u       = behaviour_logprobs - old_logprobs
//! k1      u             kept if ln(lower) <= k1 <= ln(upper)
//! k2      u^2 / 2       kept if k2 <= upper
//! k3      exp(-u) - 1 + u       kept if k3 <= upper
//! reduce  of a token, or the sum, mean or maximum over a row's tokens, which then stay or go
//! ```
//!
//! verl's `rollout_rs` (log-ratios within 20). The mean of k1 is the geometric filter that
//! OpenRLHF's `seq-mask-tis` applies, with reciprocal bounds. verl takes rejected tokens out of
//! the mask, and so out of the denominators; here they weigh 0, and denominators keep all tokens,
//! as in OpenRLHF and TRL. To have verl's, put [`keep`](Rejection::keep) into the step's masks.

use super::seen;
use crate::GrpoError;
use serde::{Deserialize, Serialize};

/// Bound on the log-ratio.
const LIMIT: f64 = 20.0;

/// How far apart trainer and sampler are at a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Divergence {
    /// `u`, bounded on both sides.
    #[default]
    K1,
    /// `u^2 / 2`.
    K2,
    /// `exp(-u) - 1 + u`.
    K3,
}

impl Divergence {
    /// At a token, from `old - behaviour`.
    pub fn at(self, log_ratio: f64) -> f64 {
        let d = log_ratio.clamp(-LIMIT, LIMIT);
        match self {
            Self::K1 => -d,
            Self::K2 => 0.5 * d * d,
            Self::K3 => d.exp() - 1.0 - d,
        }
    }
}

/// What one decision covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionReduce {
    /// A token.
    #[default]
    Token,
    /// A row, by the sum over its tokens.
    SeqSum,
    /// A row, by the mean over its tokens.
    SeqMean,
    /// A row, by the largest of its tokens.
    SeqMax,
}

/// One criterion.
///
/// ```
/// use refire_grpo::correction::{Divergence, Rejection, RejectionReduce};
/// let config = Rejection {
///     divergence: Divergence::K2,
///     reduce: RejectionReduce::SeqMax,
///     upper: 0.1,
///     ..Default::default()
/// };
/// let mask = [vec![true, true], vec![true, false]];
/// let keep = config.keep(&[vec![0.0, 2.0], vec![0.1, 9.9]], &mask)?;
/// assert_eq!(keep, [vec![false, false], vec![true, false]]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rejection {
    /// How far apart trainer and sampler are at a token.
    pub divergence: Divergence,
    /// What one decision covers.
    pub reduce: RejectionReduce,
    /// Least ratio `behaviour / old` kept by [`Divergence::K1`]; by default `1 / upper`.
    pub lower: Option<f64>,
    /// Largest: a ratio for [`Divergence::K1`], a divergence otherwise.
    pub upper: f64,
}

impl Default for Rejection {
    /// Tokens whose ratio is between 1/2 and 2.
    fn default() -> Self {
        Self { divergence: Divergence::K1, reduce: RejectionReduce::Token, lower: None, upper: 2.0 }
    }
}

impl Rejection {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let k1 = self.divergence == Divergence::K1;
        let upper = self.upper.is_finite() && self.upper > 0.0;
        let below = |lower: f64| lower > 0.0 && lower < self.upper;
        let lower = !k1 || self.lower.is_none_or(below);
        let shown = self.lower.unwrap_or_default();
        [
            GrpoError::unless(upper, "rejection.upper", self.upper, "a positive number"),
            GrpoError::unless(lower, "rejection.lower", shown, "above 0, below rejection.upper"),
            GrpoError::conflict(
                !k1 && self.lower.is_some(),
                "`rejection.lower` is set, and only k1 has a lower bound",
                "remove it, or set `divergence` to k1",
            ),
            GrpoError::conflict(
                k1 && self.reduce == RejectionReduce::SeqMax,
                "`seq_max` of k1 has no meaning, as k1 has a sign",
                "set `divergence` to k2 or k3",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Which visible tokens stay; `false` where masked.
    ///
    /// # Errors
    /// When `log_ratio` (`old - behaviour`) and `mask` don't fit each other.
    pub fn keep(
        &self,
        log_ratio: &[Vec<f64>],
        mask: &[Vec<bool>],
    ) -> Result<Vec<Vec<bool>>, GrpoError> {
        GrpoError::same_shape("log_ratio", log_ratio, mask)?;
        let rows = log_ratio.iter().zip(mask);
        Ok(rows.map(|(row, mask)| self.row(row, mask)).collect())
    }

    fn row(&self, log_ratio: &[f64], mask: &[bool]) -> Vec<bool> {
        let tokens = seen(log_ratio, mask).map(|d| self.divergence.at(d));
        let count = tokens.clone().count().max(1) as f64;
        let whole = match self.reduce {
            RejectionReduce::Token => None,
            RejectionReduce::SeqSum => Some(tokens.sum::<f64>()),
            RejectionReduce::SeqMean => Some(tokens.sum::<f64>() / count),
            RejectionReduce::SeqMax => Some(tokens.fold(0.0, f64::max)),
        };
        let stays = |(d, seen): (&f64, &bool)| {
            *seen && self.within(whole.unwrap_or_else(|| self.divergence.at(*d)))
        };
        log_ratio.iter().zip(mask).map(stays).collect()
    }

    fn within(&self, value: f64) -> bool {
        match self.divergence {
            Divergence::K1 => {
                let lower = self.lower.unwrap_or_else(|| self.upper.recip());
                lower.ln() <= value && value <= self.upper.ln()
            }
            Divergence::K2 | Divergence::K3 => value <= self.upper,
        }
    }
}
