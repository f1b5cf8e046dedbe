//! KTO: single completions, each desirable or not, valued against a reference point.
//!
//! ```text
//! desirable     w_d (1 - sigmoid(beta (r - kl)))        r: log-ratio to the reference
//! undesirable   w_u (1 - sigmoid(beta (kl - r)))
//! kl            = max(0, mean over mismatched pairs of prompt and completion of their log-ratio)
//! ```
//!
//! Ethayarajh et al., "KTO: Model Alignment as Prospect Theoretic Optimization" (2024); TRL. `kl` is
//! a constant. With `kl = 0` it is TRL's `apo_zero_unpaired`. The authors advise weights with which
//! `w_d n_d / (w_u n_u)` lies between 1 and 4/3.

use crate::stable::sigmoid;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// How much each kind of completion counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KtoWeights {
    /// Of desirable completions.
    pub desirable: f64,
    /// Of undesirable completions.
    pub undesirable: f64,
}

impl Default for KtoWeights {
    /// 1 for both, as in TRL.
    fn default() -> Self {
        Self { desirable: 1.0, undesirable: 1.0 }
    }
}

/// The loss per row, `[rows]`; `labels` `[rows]` are 1 for desirable completions and 0 for others.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_dpo::loss::{KtoWeights, kto};
/// let device = Device::flex();
/// let log_ratios = Tensor::<1>::from_data([2.0, 2.0], &device);
/// let labels = Tensor::<1>::from_data([1.0, 0.0], &device);
/// let loss = kto(log_ratios, labels, 2.0, 0.1, KtoWeights::default());
/// assert_eq!(loss.into_data().to_vec::<f32>()?, [0.5, 0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn kto(
    log_ratios: Tensor<1>,
    labels: Tensor<1>,
    kl: f64,
    beta: f64,
    weights: KtoWeights,
) -> Tensor<1> {
    let loss = sigmoid((log_ratios - kl) * toward(labels.clone()) * -beta);
    loss * (labels * (weights.desirable - weights.undesirable) + weights.undesirable)
}

/// 1 for desirable rows, -1 for others.
pub(crate) fn toward(labels: Tensor<1>) -> Tensor<1> {
    labels * 2.0 - 1.0
}

/// The reference point from log-probabilities of mismatched pairs; 0 for no pair.
///
/// ```
/// use refire_dpo::loss::kto_kl;
/// assert_eq!(kto_kl(&[-3.0, -4.0], &[-5.0, -4.0]), 1.0);
/// assert_eq!(kto_kl(&[-5.0], &[-3.0]), 0.0);
/// ```
pub fn kto_kl(logps: &[f64], ref_logps: &[f64]) -> f64 {
    let n = logps.len().min(ref_logps.len());
    if n == 0 {
        return 0.0;
    }
    let sum: f64 = logps.iter().zip(ref_logps).map(|(policy, reference)| policy - reference).sum();
    (sum / n as f64).max(0.0)
}
