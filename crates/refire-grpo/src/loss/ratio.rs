//! How likely the sampled tokens are now, against when they were drawn.
//!
//! ```text
//! token       d_t = logprobs_t - old_logprobs_t
//! sequence    d_t = sum_s(mask_s d_s) / sum_s(mask_s)     the same for all tokens of a row
//! ratio       r_t = exp(d_t)
//! ```
//!
//! The sequence form is the geometric mean of the token ratios: Zheng et al., "Group Sequence
//! Policy Optimization" (2025); TRL's `importance_sampling_level="sequence"`.

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
        let tokens = logprobs - old_logprobs;
        match self {
            Self::Token => tokens,
            Self::Sequence => sequence_log_ratio(tokens, mask),
        }
    }
}

/// Each row's mean under its mask, at all of its positions; 0 for empty rows.
fn sequence_log_ratio(log_ratio: Tensor<2>, mask: Tensor<2>) -> Tensor<2> {
    let dims = log_ratio.dims();
    let visible = log_ratio.mask_fill(mask.clone().equal_scalar(0.0), 0.0);
    (visible.sum_dim(1) / mask.sum_dim(1).clamp_min(1.0)).expand(dims)
}
