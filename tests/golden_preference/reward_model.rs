//! TRL's `RewardTrainer`.

use crate::harness::{Case, Problem};
use crate::tensors::{column, gradient, host, leaf};
use refire::core::Metrics;
use refire::dpo::reward::{RewardLossConfig, bradley_terry};

pub(crate) fn check(case: &Case) -> Result<(), Problem> {
    let center_coefficient = case.config.num_or("center_rewards_coefficient", 0.0)?;
    let (chosen, rejected) =
        (case.inputs.nums("rewards_chosen")?, case.inputs.nums("rewards_rejected")?);
    let margins = case.inputs.nums_if("margin")?;
    let (w, l) = (leaf(&chosen), leaf(&rejected));
    let per_pair = bradley_terry(w.clone(), l.clone(), margins.as_deref().map(column));
    case.close("bt_per_example", &host(&per_pair), &case.outputs.nums("bt_per_example")?)?;

    let loss = RewardLossConfig { center_coefficient }.build().map_err(|e| e.to_string())?;
    let loss = loss.loss(w.clone(), l.clone(), margins.as_deref(), chosen.len() as f64);
    let loss = loss.map_err(|error| error.to_string())?;
    case.close("loss_mean", &host(&loss.total), &case.outputs.nums("loss_mean")?)?;
    let gradients = loss.total.backward();
    case.close("grad_chosen", &gradient(&w, &gradients), &case.outputs.nums("grad_chosen")?)?;
    let expected = case.outputs.nums("grad_rejected")?;
    case.close("grad_rejected", &gradient(&l, &gradients), &expected)?;
    let mut metrics = Metrics::default();
    metrics.extend(loss.metrics);
    case.metrics("metrics", &metrics, &["num_tokens"])
}
