//! TRL's `ORPOTrainer.odds_ratio_loss`, with the chosen completions' NLL beside it.

use crate::harness::{Case, Problem};
use crate::oracle::Dual;
use crate::tensors::{RowBatch, host, leaf, mean_gradients};
use refire::dpo::{OrpoConfig, PreferenceStep, StepRow, loss};

pub(crate) fn check(case: &Case) -> Result<(), Problem> {
    let beta = case.config.num("beta")?;
    let sides = [case.inputs.nums("chosen_avg_logps")?, case.inputs.nums("rejected_avg_logps")?];
    let pairs = sides[0].len();
    let certain = sides.concat().iter().any(|logp| *logp >= NEAREST);
    if certain {
        case.expect_exception("a completion of probability 1 has infinite odds in the peer");
    }
    let (chosen, rejected) = (leaf(&sides[0]), leaf(&sides[1]));
    let term = loss::orpo(chosen.clone(), rejected.clone(), beta);
    let (mean, gradients) = mean_gradients(&term, &[&chosen, &rejected]);
    if certain {
        claims(case, beta, &sides, &host(&term), &gradients)?;
    }
    let close = |what: &str, ours: &[f64]| case.close(what, ours, &case.outputs.nums(what)?);
    close("or_term_per_example", &host(&term))?;
    close("or_loss_mean", &[mean])?;
    close("grad_or_chosen", &gradients[0])?;
    close("grad_or_rejected", &gradients[1])?;

    let orpo = OrpoConfig { beta }.build().map_err(|error| error.to_string())?;
    let batch = RowBatch::new(&sides.concat(), &vec![1; 2 * pairs]).paired();
    let row = |row: usize| StepRow {
        group: row % pairs,
        label: Some(f64::from(u8::from(row < pairs))),
        tokens: 1,
        ..StepRow::default()
    };
    let context = orpo.context(&PreferenceStep { rows: (0..2 * pairs).map(row).collect() });
    let outcome = batch.run(&orpo, &context)?;
    let (w, l) = outcome.gradient.split_at(pairs);
    close("loss_with_nll_mean", &[outcome.total])?;
    close("grad_total_chosen", w)?;
    close("grad_total_rejected", l)?;
    let metric = |name: &str| outcome.metrics.get(name).ok_or(format!("no metric {name}"));
    close("log_odds_ratio", &[metric("log_odds_ratio")?])?;
    close("log_odds_chosen", &[metric("log_odds_chosen")?])?;

    let rewards = sides.map(|side| side.iter().map(|logp| logp * beta).collect::<Vec<f64>>());
    close("rewards_chosen", &rewards[0])?;
    close("rewards_rejected", &rewards[1])?;
    let both = || rewards[0].iter().zip(&rewards[1]);
    close("margins", &both().map(|(w, l)| w - l).collect::<Vec<f64>>())?;
    let won: Vec<f64> = both().map(|(w, l)| f64::from(u8::from(w > l))).collect();
    close("accuracies", &won)?;
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    crate::harness::near("rewards/chosen", metric("rewards/chosen")?, mean(&rewards[0]))
}

/// From here on to 0 our logarithm of `1 - exp(x)` is straight.
const NEAREST: f64 = -1e-12;

fn log1mexp(x: Dual) -> Dual {
    let at = x.value.min(NEAREST);
    let gap = -at.exp_m1();
    let slope = -at.exp() / gap;
    Dual { value: gap.ln() + slope * (x.value - at), slope: slope * x.slope }
}

fn claims(
    case: &Case,
    beta: f64,
    sides: &[Vec<f64>; 2],
    terms: &[f64],
    gradients: &[Vec<f64>],
) -> Result<(), Problem> {
    for (at, term) in terms.iter().enumerate() {
        for side in [0, 1] {
            let mut logps = [sides[0][at], sides[1][at]].map(Dual::constant);
            logps[side] = Dual::input(logps[side].value);
            let [w, l] = logps;
            let odds = (w - l) - (log1mexp(w) - log1mexp(l));
            let claim = (-odds).softplus() * beta;
            case.instead("term", &[*term], &[claim.value])?;
            let slope = claim.slope / terms.len() as f64;
            case.instead("gradient", &[gradients[side][at]], &[slope])?;
        }
    }
    Ok(())
}
