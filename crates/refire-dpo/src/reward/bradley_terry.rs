//! The Bradley-Terry loss of a reward model.
//!
//! ```text
//! loss = -log sigmoid(s_w - s_l - margin)
//! ```
//!
//! Ouyang et al. (2022), with Llama 2's margin (Touvron et al. 2023); TRL's `RewardTrainer`,
//! OpenRLHF's `PairWiseLoss`.

use crate::stable::log_sigmoid;
use burn::tensor::Tensor;

/// The loss per pair, `[pairs]`; `margins` `[pairs]` are constants.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::reward::bradley_terry;
/// let score = |x: f32| Tensor::<1>::from_data([x], &Device::flex());
/// let loss = bradley_terry(score(2.0), score(1.0), Some(score(1.0))).into_scalar::<f32>();
/// assert!((loss - std::f32::consts::LN_2).abs() < 1e-6);
/// ```
pub fn bradley_terry(
    chosen: Tensor<1>,
    rejected: Tensor<1>,
    margins: Option<Tensor<1>>,
) -> Tensor<1> {
    let difference = chosen - rejected;
    log_sigmoid(match margins {
        Some(margins) => difference - margins.detach(),
        None => difference,
    })
    .neg()
}
