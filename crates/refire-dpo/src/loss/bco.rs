//! BCO: a binary classifier whose logit is the implicit reward, shifted by the mean reward so far.
//!
//! ```text
//! desirable     -log sigmoid(beta r - delta)        r: log-ratio to the reference
//! undesirable   -log sigmoid(delta - beta r)
//! ```
//!
//! Jung et al., "Binary Classifier Optimization for Large Language Model Alignment" (2024); TRL.
//! `delta` is a constant. TRL's optional weight of rejected rows by a density ratio of prompts (UDM)
//! enters as row weights.

use super::kto::toward;
use crate::stable::log_sigmoid;
use burn::tensor::Tensor;

/// The loss per row, `[rows]`; `labels` `[rows]` are 1 for desirable completions and 0 for others.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::bco;
/// let device = Device::flex();
/// let log_ratios = Tensor::<1>::from_data([2.0, 2.0], &device);
/// let labels = Tensor::<1>::from_data([1.0, 0.0], &device);
/// let loss = bco(log_ratios, labels, 1.0, 0.5);
/// assert_eq!(loss.into_data().to_vec::<f32>()?, [std::f32::consts::LN_2; 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn bco(log_ratios: Tensor<1>, labels: Tensor<1>, delta: f64, beta: f64) -> Tensor<1> {
    log_sigmoid((log_ratios * beta - delta) * toward(labels)).neg()
}
