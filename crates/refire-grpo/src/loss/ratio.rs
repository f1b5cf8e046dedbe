//! How likely the sampled tokens are now, against when they were drawn.
//!
//! ```text
//! token            d_t = logprobs_t - old_logprobs_t
//! sequence         d_t = sum_s(mask_s d_s) / sum_s(mask_s)     the same for all tokens of a row
//! sequence_token   the value of `sequence`, the gradient of `token`
//! sequence_sum     d_t = sum_s(mask_s d_s)
//! ratio            r_t = exp(d_t)
//! ```
//!
//! The sequence form is the geometric mean of the token ratios: Zheng et al., "Group Sequence
//! Policy Optimization" (2025), TRL's `importance_sampling_level="sequence"`; its token form is
//! GSPO-token, which is what verl computes. The sum is the ratio of whole sequences: TRL's RLOO.

use crate::GrpoError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// What one ratio covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RatioLevel {
    /// Each token has its own.
    #[default]
    Token,
    /// A row's tokens share the geometric mean of theirs.
    Sequence,
    /// As `Sequence`, with a gradient through the token's own log-probability alone (GSPO-token).
    SequenceToken,
    /// A row's tokens share the product of theirs.
    SequenceSum,
}

impl RatioLevel {
    /// Log-ratios `[batch, time]`; `mask` `[batch, time]` of 0 and 1 matters to sequences only.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use refire_grpo::loss::RatioLevel;
    /// let device = Device::flex();
    /// let now = Tensor::<2>::from_data([[-1.0, -2.0, 0.0]], &device);
    /// let old = Tensor::<2>::from_data([[-1.5, -3.5, 9.0]], &device);
    /// let mask = Tensor::<2>::from_data([[1.0, 1.0, 0.0]], &device);
    /// let ratio = RatioLevel::Sequence.log_ratio(now, old, mask);
    /// assert_eq!(ratio.into_data().to_vec::<f32>()?, [1.0, 1.0, 1.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn log_ratio(
        self,
        logprobs: Tensor<2>,
        old_logprobs: Tensor<2>,
        mask: Tensor<2>,
    ) -> Tensor<2> {
        let tokens = logprobs.clone() - old_logprobs;
        match self {
            Self::Token => tokens,
            Self::Sequence => mean(tokens, mask),
            Self::SequenceToken => {
                logprobs.clone() - logprobs.detach() + mean(tokens.detach(), mask)
            }
            Self::SequenceSum => sum(tokens, mask),
        }
    }

    /// The same for one row in plain numbers: the log-ratio of each of its visible tokens.
    pub(crate) fn of_row(self, tokens: &[f64]) -> Vec<f64> {
        let sum: f64 = tokens.iter().sum();
        let count = tokens.len().max(1) as f64;
        match self {
            Self::Token => tokens.to_vec(),
            Self::Sequence | Self::SequenceToken => vec![sum / count; tokens.len()],
            Self::SequenceSum => vec![sum; tokens.len()],
        }
    }

    /// Whether a row's tokens share one ratio.
    pub fn is_shared(self) -> bool {
        self != Self::Token
    }
}

fn sum(log_ratio: Tensor<2>, mask: Tensor<2>) -> Tensor<2> {
    let dims = log_ratio.dims();
    log_ratio.mask_fill(mask.equal_scalar(0.0), 0.0).sum_dim(1).expand(dims)
}

/// Each row's mean under its mask, at all of its positions; 0 for empty rows.
fn mean(log_ratio: Tensor<2>, mask: Tensor<2>) -> Tensor<2> {
    let lengths = mask.clone().sum_dim(1).clamp_min(1.0);
    sum(log_ratio, mask) / lengths
}

/// What the ratio compares the policy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RatioBase {
    /// The weights that the step started from.
    #[default]
    Old,
    /// The distribution that tokens were drawn from, as prime-rl and verl's bypass mode do. The
    /// ratio then corrects the mismatch of trainer and sampler by itself: don't do it again with
    /// a [`Correction`](crate::correction::Correction).
    Behaviour,
}

/// Bounds on the log-ratio, without gradient outside.
///
/// ```
/// use refire_grpo::loss::LogRatioClamp;
/// let clamp: LogRatioClamp = serde_json::from_str(r#"{"above": 10.0}"#)?;
/// assert_eq!(clamp, LogRatioClamp { below: None, above: Some(10.0) });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogRatioClamp {
    /// It is at least minus this.
    pub below: Option<f64>,
    /// It is at most this.
    pub above: Option<f64>,
}

impl LogRatioClamp {
    /// No bounds, as TRL.
    pub const NONE: Self = Self { below: None, above: None };

    /// The same bound on both sides; verl and OpenRLHF have 20.
    pub const fn both(bound: f64) -> Self {
        Self { below: Some(bound), above: Some(bound) }
    }

    /// The bounded log-ratio.
    pub fn apply(&self, log_ratio: Tensor<2>) -> Tensor<2> {
        match (self.below, self.above) {
            (Some(below), Some(above)) => log_ratio.clamp(-below, above),
            (Some(below), None) => log_ratio.clamp_min(-below),
            (None, Some(above)) => log_ratio.clamp_max(above),
            (None, None) => log_ratio,
        }
    }

    /// The bounded number, and whether a bound held it.
    pub(crate) fn at(&self, log_ratio: f64) -> (f64, bool) {
        let low = self.below.map_or(f64::NEG_INFINITY, |b| -b);
        let high = self.above.unwrap_or(f64::INFINITY);
        let bounded = log_ratio.max(low).min(high);
        (bounded, bounded != log_ratio)
    }

    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<GrpoError> {
        let sides = [("log_ratio_clamp.below", self.below), ("log_ratio_clamp.above", self.above)];
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let found = sides.into_iter().filter_map(|(field, bound)| {
            let bound = bound?;
            GrpoError::unless(positive(bound), field, bound, "a positive number, or none")
        });
        found.collect()
    }
}
