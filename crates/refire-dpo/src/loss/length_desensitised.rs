//! Length-desensitised log-probabilities: what a completion says beyond the shorter one of its pair
//! counts less.
//!
//! ```text
//! logp = sum_{t <= m} l_t + alpha sum_{t > m} l_t        m = min(n_w, n_l), t counts unmasked tokens
//! ```
//!
//! Liu et al., "Length Desensitization in Direct Preference Optimization" (2024); TRL's `ld_alpha`.
//! Reference log-probabilities are summed in the same way; only where TRL reads precomputed sums
//! doesn't it do so.

use burn::tensor::Tensor;

/// Sums per row, `[rows]`, of `logprobs` `[rows, time]` under `mask`; `shared` `[rows]` is the length
/// of the shorter completion of each row's pair.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::length_desensitised;
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[9.0, -1.0, -2.0, -4.0]], &device);
/// let mask = Tensor::<2>::from_data([[0.0, 1.0, 1.0, 1.0]], &device);
/// let shared = Tensor::<1>::from_data([2.0], &device);
/// assert_eq!(length_desensitised(logprobs, mask, shared, 0.5).into_scalar::<f32>(), -5.0);
/// ```
pub fn length_desensitised(
    logprobs: Tensor<2>,
    mask: Tensor<2>,
    shared: Tensor<1>,
    alpha: f64,
) -> Tensor<1> {
    let [rows, time] = mask.dims();
    let tail = mask.clone().cumsum(1).greater(shared.reshape([rows, 1]).expand([rows, time]));
    let hidden = mask.equal_scalar(0.0);
    let visible = logprobs.mask_fill(hidden, 0.0);
    visible.clone().mask_where(tail, visible * alpha).sum_dim(1).reshape([rows])
}
