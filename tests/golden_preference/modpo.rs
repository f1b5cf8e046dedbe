//! MODPO, as ZHZisZZ/modpo computes it.

use crate::harness::{Case, Problem};
use crate::tensors::{RowBatch, column, host, leaf, mean_gradients};
use refire::dpo::ModpoConfig;
use refire::dpo::loss::{self, ModpoLoss};
use refire::objective::StepContext;

pub(crate) fn check(case: &Case) -> Result<(), Problem> {
    let beta = case.config.num("beta")?;
    let kind = match case.config.text("loss_type")? {
        "sigmoid" => ModpoLoss::Sigmoid,
        "hinge" => ModpoLoss::Hinge,
        other => return Err(format!("unknown loss `{other}`")),
    };
    let weights = case.config.nums("w")?;
    let (weight, others) = weights.split_first().ok_or("no weights")?;
    let side = |name: &str| {
        let logps = case.inputs.nums(&format!("{name}_logps"))?;
        let ref_logps = case.inputs.nums(&format!("ref_{name}_logps"))?;
        let rewards = case.inputs.rows(&format!("{name}_margin_reward"))?;
        let margins = rewards.iter().map(|row| {
            if row.len() != others.len() {
                return Err(format!("{} margin rewards, {} weights", row.len(), others.len()));
            }
            Ok(row.iter().zip(others).map(|(reward, weight)| reward * weight).sum::<f64>())
        });
        Ok::<_, Problem>((logps, ref_logps, margins.collect::<Result<Vec<f64>, _>>()?))
    };
    let sides = [side("chosen")?, side("rejected")?];
    let close = |what: &str, ours: &[f64]| case.close(what, ours, &case.outputs.nums(what)?);

    let leaves = [leaf(&sides[0].0), leaf(&sides[1].0)];
    let rewards = [0, 1].map(|s| {
        let log_ratios = leaves[s].clone() - column(&sides[s].1);
        loss::modpo_rewards(log_ratios, column(&sides[s].2), beta, *weight)
    });
    let [w, l] = rewards.clone();
    let per_pair = loss::modpo(w, l, kind);
    let (mean, gradients) = mean_gradients(&per_pair, &[&leaves[0], &leaves[1]]);
    close("loss_per_example", &host(&per_pair))?;
    close("loss_mean", &[mean])?;
    close("grad_chosen_logps", &gradients[0])?;
    close("grad_rejected_logps", &gradients[1])?;
    let rewards = rewards.map(|reward| host(&reward));
    close("rewards_chosen", &rewards[0])?;
    close("rewards_rejected", &rewards[1])?;
    let both = || rewards[0].iter().zip(&rewards[1]);
    close("margins", &both().map(|(w, l)| w - l).collect::<Vec<f64>>())?;
    let won: Vec<f64> = both().map(|(w, l)| f64::from(u8::from(w > l))).collect();
    close("accuracies", &won)?;

    let config = ModpoConfig { beta, weight: *weight, loss: kind };
    let modpo = config.build().map_err(|error| error.to_string())?;
    let pairs = sides[0].0.len();
    let [w, l] = sides;
    let (logps, ref_logps) = ([w.0, l.0].concat(), [w.1, l.1].concat());
    let margins = w.2.iter().zip(&l.2).map(|(w, l)| w - l);
    let mut batch = RowBatch::new(&logps, &vec![1; 2 * pairs]).with_reference(&ref_logps).paired();
    batch.targets.margins = Some(margins.chain(vec![f64::NAN; pairs]).collect());
    let outcome = batch.run(&modpo, &StepContext::empty())?;
    close("loss_mean", &[outcome.total])?;
    close("grad_chosen_logps", &outcome.gradient[..pairs])?;
    close("grad_rejected_logps", &outcome.gradient[pairs..])
}
