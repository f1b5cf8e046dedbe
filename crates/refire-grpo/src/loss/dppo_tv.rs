//! DPPO-TV: a trust region in probabilities instead of ratios.
//!
//! ```text
//! dp   = exp(logprob) - exp(base_logprob)
//! keep = dp <= high if A > 0 else dp >= -low           two-sided: -low <= dp <= high
//! loss = -keep scale A r
//! ```
//!
//! "DPPO" with the binary total variation (arXiv 2602.04879); prime-rl's default. A rare token may
//! multiply its probability many times before it moves much of it. prime-rl compares with the
//! sampler ([`RatioBase::Behaviour`](super::RatioBase)) and adds `1e-3 (logprob - base)^2`, which
//! is twice k2 against the same base. Its `ipo` variant keeps a token within 0.1 on both sides,
//! whatever the advantage.

use super::surrogate::{
    Gate, Measure, RowView, Surrogate, SurrogateInputs, Term, each, not_negative,
};
use crate::GrpoError;
use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};

/// Settings of [`dppo_tv`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DppoTv {
    /// How much probability a token with a negative advantage may lose.
    pub low: f64,
    /// How much probability a token with a positive advantage may gain.
    pub high: f64,
    /// Hold back both directions at every advantage.
    pub two_sided: bool,
    /// Factor on advantages.
    pub scale: f64,
}

impl Default for DppoTv {
    /// prime-rl: 0.2 on both sides, by the sign of the advantage.
    fn default() -> Self {
        Self { low: 0.2, high: 0.2, two_sided: false, scale: 1.0 }
    }
}

/// `[batch, time]`; `advantages` may also be `[batch, 1]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{DppoTv, dppo_tv};
/// let device = Device::flex();
/// let probs = |p: [[f32; 2]; 1]| Tensor::<2>::from_data(p, &device).log();
/// // Ten times as likely, yet within the region; and out of it with a ratio of 1.5.
/// let (now, base) = (probs([[0.1, 0.9]]), probs([[0.01, 0.6]]));
/// let loss = dppo_tv(now, base, Tensor::ones([1, 1], &device), &DppoTv::default());
/// let loss = loss.into_data().to_vec::<f32>()?;
/// assert!((loss[0] + 10.0).abs() < 1e-4 && loss[1] == 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn dppo_tv(
    logprobs: Tensor<2>,
    base_logprobs: Tensor<2>,
    advantages: Tensor<2>,
    config: &DppoTv,
) -> Tensor<2> {
    let advantages = advantages.expand(logprobs.dims());
    let out = config.outside(logprobs.clone(), base_logprobs.clone(), advantages.clone());
    // Hidden before the exponential: an infinite ratio times 0 is no number.
    let ratio = (logprobs - base_logprobs.detach()).mask_fill(out.clone(), 0.0).exp();
    (ratio * advantages * -config.scale).mask_fill(out, 0.0)
}

impl DppoTv {
    fn outside(&self, now: Tensor<2>, base: Tensor<2>, advantages: Tensor<2>) -> Tensor<2, Bool> {
        let moved = now.detach().exp() - base.detach().exp();
        let above = moved.clone().greater_scalar(self.high);
        let below = moved.lower_scalar(-self.low);
        if self.two_sided {
            return above.bool_or(below);
        }
        let good = advantages.greater_scalar(0.0);
        good.clone().bool_and(above).bool_or(good.bool_not().bool_and(below))
    }
}

impl Surrogate for DppoTv {
    fn name(&self) -> &'static str {
        "dppo_tv"
    }

    fn validate(&self) -> Vec<GrpoError> {
        let scale = self.scale.is_finite();
        [
            not_negative("dppo_tv.low", self.low),
            not_negative("dppo_tv.high", self.high),
            GrpoError::unless(scale, "dppo_tv.scale", self.scale, "a finite number"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn on_policy(&self) -> Option<f64> {
        Some(self.scale)
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        let (now, base) = (inputs.logprobs.clone(), inputs.base_logprobs.clone());
        Ok(dppo_tv(now, base, inputs.advantages.clone(), self))
    }

    fn measure(&self, inputs: &SurrogateInputs) -> Vec<Measure> {
        let (now, base) = (inputs.logprobs.clone(), inputs.base_logprobs.clone());
        let out = self.outside(now, base, inputs.advantages.clone());
        let good = inputs.advantages.clone().greater_scalar(0.0);
        let bad = inputs.advantages.clone().lower_scalar(0.0);
        let flag = |name, flags| Measure::flag(name, flags, &inputs.mask);
        vec![
            flag("is_masked", out.clone()),
            flag("is_masked_low", out.clone().bool_and(bad)),
            flag("is_masked_high", out.bool_and(good)),
        ]
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        each(rows, |_, t| {
            let moved = t.logprob.exp() - t.base_logprob.exp();
            let (above, below) = (moved > self.high, moved < -self.low);
            let out = match (self.two_sided, t.advantage > 0.0) {
                (true, _) => above || below,
                (false, true) => above,
                (false, false) => below,
            };
            if out {
                return Term::own(0.0, 0.0, Gate::TrustRegion);
            }
            let loss = -self.scale * t.advantage * (t.logprob - t.base_logprob).exp();
            Term::own(loss, loss, Gate::Open)
        })
    }
}
