//! verl's KL estimators and their controller.

use super::Outcome;
use super::case::{Case, number, numbers, tensor, values};
use super::compare::{EXACT, close};
use refire::grpo::compat::Peer;
use refire::grpo::control::{AdaptiveKl, AdaptiveKlConfig};
use refire::objective::KlEstimator;

fn estimator(kind: &str) -> Option<KlEstimator> {
    Some(match kind {
        "k1" | "kl" => KlEstimator::K1,
        "k2" | "mse" | "k2+" | "mse+" => KlEstimator::K2,
        "k3" | "low_var_kl" => KlEstimator::K3,
        "abs" => KlEstimator::Abs,
        "k1+" | "kl+" => KlEstimator::K1StraightThrough,
        "k3+" | "low_var_kl+" => KlEstimator::K3StraightThrough,
        _ => return None,
    })
}

/// Value and gradient of an estimator as verl bounds it.
fn ours(case: &Case, estimator: KlEstimator) -> (Vec<f64>, Vec<f64>) {
    let logprobs = tensor(&case.rows("logp")).require_grad();
    let reference = tensor(&case.rows("ref_logp"));
    let clamp = Peer::Verl.kl_clamp(estimator);
    let kl = estimator.clamped(logprobs.clone(), reference, clamp);
    let gradient = logprobs.grad(&kl.clone().sum().backward()).unwrap();
    (values(kl), values(gradient))
}

pub(crate) fn estimators(case: &Case) -> Outcome {
    let kind = case.hyper_text("kind").unwrap_or_default();
    let Some(estimator) = estimator(kind) else {
        return Outcome::Failed(format!("unknown kind {kind}"));
    };
    let (kl, gradient) = ours(case, estimator);
    if case.error().is_some_and(|error| error.starts_with("NotImplementedError")) {
        let rule = "this release of verl announces the straight-through forms and raises on them";
        // Instead: the value of the plain form, the gradient of k2.
        let plain = match estimator {
            KlEstimator::K1StraightThrough => KlEstimator::K1,
            KlEstimator::K3StraightThrough => KlEstimator::K3,
            other => other,
        };
        let instead = close(&kl, &ours(case, plain).0, EXACT, "value")
            .and_then(|()| close(&gradient, &ours(case, KlEstimator::K2).1, EXACT, "gradient"));
        return Outcome::excepted(rule, instead);
    }
    let compared = close(&kl, &case.expected_rows("kl").concat(), EXACT, "kl").and_then(|()| {
        close(&gradient, &case.expected_rows("grad_of_sum").concat(), EXACT, "gradient")
    });
    compared.into()
}

pub(crate) fn controller(case: &Case) -> Outcome {
    let get = |key: &str| case.hyper_number(key).unwrap();
    let config = AdaptiveKlConfig { target: get("target"), horizon: get("horizon") };
    let mut controller = AdaptiveKl::new(get("init"), config);
    let rows = get("n_steps");
    let kl = case.input("kl").unwrap();
    let kl = if kl.is_array() { numbers(kl) } else { vec![number(kl)] };
    let mut ours: Vec<f64> = Vec::new();
    for kl in kl {
        controller.update(kl, rows);
        ours.push(controller.value());
    }
    let theirs = case.expected_list("values");
    // Whether or not the peer's list begins with the start.
    let ours = if theirs.len() > ours.len() { [vec![get("init")], ours].concat() } else { ours };
    close(&ours, &theirs, EXACT, "coefficient").into()
}
