//! TOPR: tapered weights for what was bad, none for what was good.
//!
//! ```text
//! alpha = 1 if A > threshold else min(r, 1)
//! loss  = -sg(alpha) A logprob
//! ```
//!
//! Le Roux et al., "Tapered Off-Policy REINFORCE" (arXiv 2503.14286); Trinity. In the paper `A` is
//! the reward itself, and `r` the ratio of whole sequences: take
//! [`RatioLevel::SequenceSum`](super::RatioLevel::SequenceSum) for it; Trinity's is per token.

use super::surrogate::{Gate, Measure, RowView, Surrogate, SurrogateInputs, Term, each};
use crate::GrpoError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`topr`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topr {
    /// Advantages up to this are tapered: 0 by default, as in Trinity.
    pub threshold: f64,
}

/// `[batch, time]`; `advantages` may also be `[batch, 1]`. The ratio's gradient is not used.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{Topr, topr};
/// let device = Device::flex();
/// let logprobs = Tensor::<2>::from_data([[-1.0, -1.0]], &device);
/// let ratio = Tensor::<2>::from_data([[0.5, 0.5]], &device);
/// let advantages = Tensor::<2>::from_data([[1.0, -1.0]], &device);
/// let loss = topr(logprobs, ratio, advantages, Topr::default());
/// assert_eq!(loss.into_data().to_vec::<f32>()?, [1.0, -0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn topr(
    logprobs: Tensor<2>,
    ratio: Tensor<2>,
    advantages: Tensor<2>,
    config: Topr,
) -> Tensor<2> {
    let advantages = advantages.expand(logprobs.dims());
    (config.alpha(ratio, advantages.clone()) * advantages * logprobs).neg()
}

impl Topr {
    fn alpha(self, ratio: Tensor<2>, advantages: Tensor<2>) -> Tensor<2> {
        ratio.detach().clamp(0.0, 1.0).mask_fill(advantages.greater_scalar(self.threshold), 1.0)
    }
}

impl Surrogate for Topr {
    fn name(&self) -> &'static str {
        "topr"
    }

    fn validate(&self) -> Vec<GrpoError> {
        let fine = self.threshold.is_finite();
        let problem = GrpoError::unless(fine, "topr.threshold", self.threshold, "a finite number");
        problem.into_iter().collect()
    }

    fn on_policy(&self) -> Option<f64> {
        Some(1.0)
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        Ok(topr(inputs.logprobs.clone(), inputs.ratio(), inputs.advantages.clone(), *self))
    }

    fn measure(&self, inputs: &SurrogateInputs) -> Vec<Measure> {
        let alpha = self.alpha(inputs.ratio(), inputs.advantages.clone());
        vec![Measure::tokens("topr/alpha_mean", alpha), Measure::tokens("ratio", inputs.ratio())]
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        each(rows, |_, t| {
            let good = t.advantage > self.threshold;
            let alpha = if good { 1.0 } else { t.log_ratio.exp().min(1.0) };
            let slope = -alpha * t.advantage;
            Term::own(slope * t.logprob, slope, Gate::Open)
        })
    }
}
