//! OpenRLHF's `DPOLoss`, `PairWiseLoss` and `LogExpLoss`.

use crate::harness::{Case, Problem};
use crate::oracle::{Dual, OVERFLOW};
use crate::tensors::{RowBatch, column, host, leaf, mean_gradients};
use refire::dpo::reward::{bradley_terry, log_exp};
use refire::dpo::{DpoConfig, PairLoss, loss};
use refire::objective::StepContext;

pub(crate) fn check(case: &Case) -> Result<(), Problem> {
    match case.config.text("kind")? {
        "dpo" => dpo(case),
        "PairWiseLoss" => reward(case, false),
        "LogExpLoss" => reward(case, true),
        other => Err(format!("unknown loss `{other}`")),
    }
}

fn dpo(case: &Case) -> Result<(), Problem> {
    let beta = case.config.num("beta")?;
    let label_smoothing = case.config.num_or("label_smoothing", 0.0)?;
    let ipo = case.config.flag("ipo")?;
    let logps = [case.inputs.nums("chosen_logps")?, case.inputs.nums("rejected_logps")?];
    let ref_logps =
        [case.inputs.nums("ref_chosen_logps")?, case.inputs.nums("ref_rejected_logps")?];
    let pairs = logps[0].len();
    let close = |what: &str, ours: &[f64]| case.close(what, ours, &case.outputs.nums(what)?);

    let (chosen, rejected) = (leaf(&logps[0]), leaf(&logps[1]));
    let w = chosen.clone() - column(&ref_logps[0]);
    let l = rejected.clone() - column(&ref_logps[1]);
    // Its IPO reads no label smoothing.
    let (per_pair, kind) = if ipo {
        (loss::ipo(w, l, beta), PairLoss::IpoSum)
    } else {
        (loss::cdpo(w, l, beta, label_smoothing), PairLoss::Cdpo { label_smoothing })
    };
    let (mean, gradients) = mean_gradients(&per_pair, &[&chosen, &rejected]);
    close("loss_mean", &[mean])?;
    close("grad_chosen_logps", &gradients[0])?;
    close("grad_rejected_logps", &gradients[1])?;
    let rewards = |side: usize| -> Vec<f64> {
        let columns = logps[side].iter().zip(&ref_logps[side]);
        columns.map(|(policy, reference)| beta * (policy - reference)).collect()
    };
    close("rewards_chosen", &rewards(0))?;
    close("rewards_rejected", &rewards(1))?;

    let objective = DpoConfig::of(kind, beta).build().map_err(|error| error.to_string())?;
    let batch = RowBatch::new(&logps.concat(), &vec![1; 2 * pairs])
        .with_reference(&ref_logps.concat())
        .paired();
    let outcome = batch.run(&objective, &StepContext::empty())?;
    close("loss_mean", &[outcome.total])?;
    close("grad_chosen_logps", &outcome.gradient[..pairs])?;
    close("grad_rejected_logps", &outcome.gradient[pairs..])
}

fn reward(case: &Case, as_written: bool) -> Result<(), Problem> {
    let scores = [case.inputs.nums("rewards_chosen")?, case.inputs.nums("rewards_rejected")?];
    let margins = case.inputs.nums_if("margin")?;
    if as_written && margins.is_some() {
        return Err("LogExpLoss with a margin is unknown here".to_owned());
    }
    let (chosen, rejected) = (leaf(&scores[0]), leaf(&scores[1]));
    let per_pair = if as_written {
        log_exp(chosen.clone(), rejected.clone())
    } else {
        bradley_terry(chosen.clone(), rejected.clone(), margins.as_deref().map(column))
    };
    let (mean, gradients) = mean_gradients(&per_pair, &[&chosen, &rejected]);
    let lost = scores[0].iter().zip(&scores[1]).any(|(w, l)| l - w > OVERFLOW);
    if as_written && lost {
        case.expect_exception(
            "the peer's exponential of a lost pair overflows; ours is a softplus",
        );
        let values = host(&per_pair);
        for (at, (w, l)) in scores[0].iter().zip(&scores[1]).enumerate() {
            let claim = (Dual::constant(*l) - Dual::input(*w)).softplus();
            let slope = claim.slope / values.len() as f64;
            case.instead("loss", &[values[at]], &[claim.value])?;
            let found = [gradients[0][at], gradients[1][at]];
            case.instead("gradient", &found, &[slope, -slope])?;
        }
    }
    let theirs = case.outputs.nums("loss_mean")?;
    if case.has_exception() && theirs[0].is_infinite() {
        // A loss of a thousand stands for the peer's infinity.
        if mean < OVERFLOW / scores[0].len() as f64 {
            return Err(format!("loss_mean is {mean}, the peer's is infinite"));
        }
    } else {
        case.close("loss_mean", &[mean], &theirs)?;
    }
    case.close("grad_chosen", &gradients[0], &case.outputs.nums("grad_chosen")?)?;
    case.close("grad_rejected", &gradients[1], &case.outputs.nums("grad_rejected")?)
}
