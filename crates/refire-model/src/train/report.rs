//! What an objective gives back: its value, and its gradient with respect to the statistics.

use crate::ModelError;
use burn::tensor::Tensor;
use refire_core::{BoxError, Metric};
use refire_objective::{Loss, LossReport, TokenStats};

/// Statistics as autodiff leaves.
pub(super) struct Leaves(pub(super) TokenStats);

impl Leaves {
    pub(super) fn new(stats: TokenStats) -> Self {
        Self(stats.map(|t| Tensor::from_inner(t).require_grad()))
    }

    /// The loss's gradient with respect to them; `None` if it doesn't depend on any.
    pub(super) fn gradients(&self, loss: &Loss) -> Option<TokenStats> {
        if !loss.total.is_tracked() {
            return None;
        }
        let grads = loss.total.backward();
        let zero = || self.0.logprobs.clone().inner().zeros_like();
        let found = self.0.as_ref().map(|leaf| leaf.grad(&grads));
        Some(TokenStats {
            logprobs: found.logprobs.unwrap_or_else(zero),
            entropy: found.entropy.flatten(),
            sum_sq: found.sum_sq.flatten(),
            mean_logprob: found.mean_logprob.flatten(),
            full_kl: found.full_kl.flatten(),
        })
    }
}

/// The loss's value, if it is finite.
pub(super) fn report(loss: &Loss) -> Result<LossReport, BoxError> {
    let total = loss.total.clone().inner().try_into_scalar::<f32>();
    let total = total.map_err(|error| ModelError::Device {
        what: "the loss".to_owned(),
        reason: error.to_string(),
    })?;
    if !total.is_finite() {
        let value = f64::from(total);
        return Err(ModelError::NotFinite { what: "the loss", value }.into());
    }
    Ok(LossReport { total: f64::from(total), metrics: loss.metrics.clone() })
}

/// The report with the experts' balance beside the objective's own metrics.
pub(super) fn with_balance(
    report: LossReport,
    balance: Option<Tensor<1>>,
) -> Result<LossReport, BoxError> {
    let Some(balance) = balance else { return Ok(report) };
    let value = balance.try_into_scalar::<f32>().map_err(|error| ModelError::Device {
        what: "the router's auxiliary loss".to_owned(),
        reason: error.to_string(),
    })?;
    let metric = Metric::mean("router_aux_loss", f64::from(value), 1.0);
    Ok(LossReport { metrics: [report.metrics, vec![metric]].concat(), ..report })
}
