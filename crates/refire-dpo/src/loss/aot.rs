//! AOT: preferences between distributions, by optimal transport in one dimension.
//!
//! ```text
//! loss_k = -(1 - e) log sigmoid(beta d_k) - e log sigmoid(-beta d_k)
//! d_k    = sort(pi_w - pi_l)_k - sort(ref_w - ref_l)_k         paired
//! d_k    = sort(pi_w - ref_w)_k - sort(pi_l - ref_l)_k         unpaired
//! ```
//!
//! Melnyk et al., "Distributional Preference Alignment of LLMs via Optimal Transport" (2024); TRL's
//! `aot` and `aot_unpaired`. The batch is the sample: the loss of a micro-batch alone is another
//! loss, which is what TRL computes under gradient accumulation; the objective sorts the whole step.
//! Equal values keep their order.

use super::cdpo::smoothed;
use crate::stable::{host, pick, rising};
use burn::tensor::Tensor;

/// The loss per rank, `[pairs]`, from log-probabilities of policy and reference.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::aot;
/// let device = Device::flex();
/// let pair = |x: [f32; 2]| Tensor::<1>::from_data(x, &device);
/// let loss = aot(pair([3.0, 1.0]), pair([0.0; 2]), pair([1.0, 3.0]), pair([0.0; 2]), 1.0, 0.0);
/// assert_eq!(loss.into_data().to_vec::<f32>()?, [std::f32::consts::LN_2; 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn aot(
    chosen_logps: Tensor<1>,
    rejected_logps: Tensor<1>,
    ref_chosen_logps: Tensor<1>,
    ref_rejected_logps: Tensor<1>,
    beta: f64,
    label_smoothing: f64,
) -> Tensor<1> {
    let margins = sorted(chosen_logps - rejected_logps);
    let ref_margins = sorted(ref_chosen_logps - ref_rejected_logps);
    smoothed((margins - ref_margins) * beta, label_smoothing)
}

/// The loss per rank, `[pairs]`, from log-ratios of policy to reference.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::aot_unpaired;
/// let device = Device::flex();
/// let chosen = Tensor::<1>::from_data([3.0, 1.0], &device);
/// let rejected = Tensor::<1>::from_data([1.0, 3.0], &device);
/// let loss = aot_unpaired(chosen, rejected, 1.0, 0.0);
/// assert_eq!(loss.into_data().to_vec::<f32>()?, [std::f32::consts::LN_2; 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn aot_unpaired(
    chosen_log_ratios: Tensor<1>,
    rejected_log_ratios: Tensor<1>,
    beta: f64,
    label_smoothing: f64,
) -> Tensor<1> {
    let difference = sorted(chosen_log_ratios) - sorted(rejected_log_ratios);
    smoothed(difference * beta, label_smoothing)
}

fn sorted(x: Tensor<1>) -> Tensor<1> {
    if x.dims()[0] < 2 {
        return x;
    }
    pick(&x, &rising(&host(&x)))
}
