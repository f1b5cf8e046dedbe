//! Estimators of the KL divergence from sampled tokens.
//!
//! With `u = logprobs - ref_logprobs`, both `[batch, time]`, and samples from the policy, each
//! estimates KL(policy || reference). See Schulman, "Approximating KL divergence" (2020).

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Which estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlEstimator {
    /// `u`: unbiased, may be negative; as a loss its expected gradient is zero.
    K1,
    /// `u^2 / 2`: biased value, unbiased gradient of the reverse KL on-policy.
    K2,
    /// `exp(-u) + u - 1`: unbiased and never negative; GRPO's.
    #[default]
    K3,
    /// `|u|`.
    Abs,
}

impl KlEstimator {
    /// The estimate per token; gradients flow to both arguments that carry them.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use refire_objective::KlEstimator;
    /// let device = Device::flex();
    /// let logprobs = Tensor::<2>::from_data([[-1.0, -2.0]], &device);
    /// let kl = KlEstimator::K3.per_token(logprobs.clone(), logprobs);
    /// assert_eq!(kl.sum().into_scalar::<f32>(), 0.0);
    /// ```
    pub fn per_token(self, logprobs: Tensor<2>, ref_logprobs: Tensor<2>) -> Tensor<2> {
        let u = logprobs - ref_logprobs;
        match self {
            Self::K1 => u,
            Self::K2 => u.clone() * u / 2.0,
            Self::K3 => u.clone().neg().exp() + u - 1.0,
            Self::Abs => u.abs(),
        }
    }
}
