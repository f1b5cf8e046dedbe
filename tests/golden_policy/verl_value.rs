//! verl's aggregation, GAE and value loss.

use super::Outcome;
use super::case::{Case, tensor, values};
use super::compare::{EXACT, close, seen, zeros};
use super::policy::EMPTY;
use super::verl_policy::{aggregation as mode, totals};
use refire::core::Metrics;
use refire::grpo::advantage::{Gae, gae as generalized};
use refire::grpo::compat::Peer;
use refire::grpo::loss::ValueLossConfig;
use refire::objective::{Counts, Targets};

pub(crate) fn aggregation(case: &Case) -> Outcome {
    let (loss, mask) = (tensor(&case.rows("loss_mat")), tensor(&case.rows("mask")));
    let how = match mode(case, "token-mean", mask.dims()[1]) {
        Ok(how) => how,
        Err(why) => return Outcome::Failed(why),
    };
    let counts = totals(case);
    let reduced = values(how.reduce(loss.clone(), mask.clone(), counts.as_ref()));
    let visible = loss.mask_fill(mask.clone().equal_scalar(0.0), 0.0);
    let weighted = values((how.weights(mask, counts.as_ref()) * visible).sum());
    let theirs = case.expected_number("loss");
    let empty = case.mask().iter().flatten().all(|m| !m);
    if theirs.is_nan() && empty {
        let zero = zeros(&reduced, "loss").and_then(|()| zeros(&weighted, "weighted sum"));
        return Outcome::excepted(EMPTY, zero);
    }
    let compared = close(&reduced, &[theirs], EXACT, "loss")
        .and_then(|()| close(&weighted, &[theirs], EXACT, "weighted sum"));
    compared.into()
}

pub(crate) fn gae(case: &Case) -> Outcome {
    let config = Gae {
        gamma: case.hyper_number("gamma").unwrap_or(1.0),
        lambda: case.hyper_number("lam").unwrap_or(1.0),
        holes: Peer::Verl.holes(),
        whiten: Some(Peer::Verl.whiten()),
        kl: None,
    };
    let (rewards, critic, mask) =
        (case.rows("token_level_rewards"), case.rows("values"), case.mask());
    let compare = || {
        let (raw, returns) =
            generalized(&rewards, &critic, &mask, &config).map_err(|e| e.to_string())?;
        let white = Peer::Verl.whiten().apply(&raw, &mask).map_err(|e| e.to_string())?;
        let column =
            |ours: &[Vec<f64>], key: &str| seen(ours, &case.expected_rows(key), &mask, EXACT, key);
        column(&raw, "advantages_unwhitened")?;
        column(&returns, "returns")?;
        column(&white, "advantages")
    };
    compare().into()
}

pub(crate) fn value_loss(case: &Case) -> Outcome {
    let new = tensor(&case.rows("vpreds")).require_grad();
    let mut targets = Targets::new(tensor(&case.rows("mask")));
    targets.values = Some(tensor(&case.rows("values")));
    targets.returns = Some(tensor(&case.rows("returns")));
    let mask = case.mask();
    let counts = totals(case).unwrap_or_else(|| Counts::of(&mask, 1));
    let compare = || {
        let config = ValueLossConfig {
            clip_range: case.hyper_number("cliprange_value"),
            aggregation: mode(case, "token-mean", targets.mask.dims()[1])?,
            ..ValueLossConfig::default()
        };
        let critic = config.build().map_err(|e| e.to_string())?;
        let loss = critic.loss(new.clone(), &targets, &counts).map_err(|e| e.to_string())?;
        let gradient = values(new.grad(&loss.total.backward()).unwrap());
        let mut metrics = Metrics::default();
        metrics.extend(loss.metrics);
        Ok((loss.total.into_scalar::<f64>(), gradient, metrics))
    };
    let (loss, gradient, metrics) = match compare() {
        Ok(ours) => ours,
        Err::<_, String>(why) => return Outcome::Failed(why),
    };
    let tokens = mask.iter().flatten().filter(|m| **m).count() as f64;
    if tokens == 0.0 && case.expected_number("loss").is_nan() {
        case.ignore(&["expected.grad", "expected.clipfrac"]);
        let zero = zeros(&[loss], "loss").and_then(|()| zeros(&gradient, "gradient"));
        return Outcome::excepted(EMPTY, zero);
    }
    let compared = close(&[loss], &[case.expected_number("loss")], EXACT, "loss").and_then(|()| {
        close(&gradient, &case.expected_rows("grad").concat(), EXACT, "gradient")?;
        let clipped = metrics.get("critic/vf_clipfrac").unwrap_or_default();
        let clipped = clipped * tokens / (tokens + 1e-8);
        close(&[clipped], &[case.expected_number("clipfrac")], EXACT, "clipfrac")
    });
    compared.into()
}
