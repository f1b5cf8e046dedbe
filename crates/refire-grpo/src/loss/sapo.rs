//! SAPO: a soft gate instead of a clip.
//!
//! ```text
//! loss = -A (4 / tau) sigmoid(tau (r - 1))       tau = tau_pos if A > 0 else tau_neg
//! ```
//!
//! "Soft Adaptive Policy Optimization" (2025); TRL and verl. The gradient's gate `4 p (1 - p)` is
//! 1 at ratio 1 and falls smoothly on both sides; bad tokens cool faster.

use super::surrogate::{Gate, RowView, Surrogate, SurrogateInputs, Term, each, positive};
use crate::GrpoError;
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use serde::{Deserialize, Serialize};

/// Settings of [`sapo`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sapo {
    /// Sharpness of the gate of good tokens.
    pub tau_pos: f64,
    /// Sharpness of the gate of the others.
    pub tau_neg: f64,
}

impl Default for Sapo {
    /// The paper's 1.0 and 1.05, as in TRL and verl.
    fn default() -> Self {
        Self { tau_pos: 1.0, tau_neg: 1.05 }
    }
}

/// `[batch, time]` from ratios; `advantages` may also be `[batch, 1]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use refire_grpo::loss::{Sapo, sapo};
/// let device = Device::flex();
/// let ratio = Tensor::<2>::from_data([[1.0]], &device);
/// let advantages = Tensor::<2>::from_data([[1.0]], &device);
/// assert_eq!(sapo(ratio, advantages, Sapo::default()).into_scalar::<f32>(), -2.0);
/// ```
pub fn sapo(ratio: Tensor<2>, advantages: Tensor<2>, config: Sapo) -> Tensor<2> {
    let advantages = advantages.expand(ratio.dims());
    let gate = |tau: f64| sigmoid((ratio.clone() - 1.0) * tau) * (4.0 / tau);
    let good = advantages.clone().greater_scalar(0.0);
    (gate(config.tau_neg).mask_where(good, gate(config.tau_pos)) * advantages).neg()
}

impl Surrogate for Sapo {
    fn name(&self) -> &'static str {
        "sapo"
    }

    fn validate(&self) -> Vec<GrpoError> {
        let taus = [positive("sapo.tau_pos", self.tau_pos), positive("sapo.tau_neg", self.tau_neg)];
        taus.into_iter().flatten().collect()
    }

    fn on_policy(&self) -> Option<f64> {
        Some(1.0)
    }

    fn per_token(&self, inputs: &SurrogateInputs) -> Result<Tensor<2>, GrpoError> {
        Ok(sapo(inputs.ratio(), inputs.advantages.clone(), *self))
    }

    fn terms(&self, rows: &[RowView]) -> Vec<Vec<Term>> {
        each(rows, |row, token| {
            let ratio = token.log_ratio.exp();
            let tau = if token.advantage > 0.0 { self.tau_pos } else { self.tau_neg };
            let p = (1.0 + (-tau * (ratio - 1.0)).exp()).recip();
            let loss = -token.advantage * p * 4.0 / tau;
            // Far out `p` is 0 or 1 to the last bit, and 0 times an infinite ratio is no number.
            let gate = 4.0 * p * (1.0 - p);
            let slope = if gate == 0.0 { 0.0 } else { -token.advantage * gate * ratio };
            Term::by_ratio(row, token, loss, slope, Gate::Open)
        })
    }
}
