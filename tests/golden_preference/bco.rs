//! TRL's `BCOTrainer.bco_loss`, with the mean reward given.

use crate::harness::{Case, Problem};
use crate::tensors::{RowBatch, column, host, leaf, mean_gradients};
use refire::core::Stateful;
use refire::dpo::{BcoConfig, PreferenceStep, StepRow, loss};

pub(crate) fn check(case: &Case) -> Result<(), Problem> {
    let (beta, delta) = (case.config.num("beta")?, case.config.num("delta")?);
    let inputs = |side: &str| {
        let get = |key: String| case.inputs.nums(&key);
        Ok::<_, Problem>([get(format!("{side}_logps"))?, get(format!("ref_{side}_logps"))?])
    };
    let ([chosen, ref_chosen], [rejected, ref_rejected]) = (inputs("chosen")?, inputs("rejected")?);
    let rows = chosen.len();
    let logps = [chosen, rejected].concat();
    let ref_logps = [ref_chosen, ref_rejected].concat();
    let labels: Vec<f64> = (0..logps.len()).map(|row| f64::from(u8::from(row < rows))).collect();
    let close = |what: &str, ours: &[f64]| case.close(what, ours, &case.outputs.nums(what)?);

    let policy = leaf(&logps);
    let log_ratios = policy.clone() - column(&ref_logps);
    let per_row = loss::bco(log_ratios, column(&labels), delta, beta);
    let (mean, gradients) = mean_gradients(&per_row, &[&policy]);
    close("loss_per_example", &host(&per_row))?;
    close("loss_mean", &[mean])?;
    close("grad_chosen_logps", &gradients[0][..rows])?;
    close("grad_rejected_logps", &gradients[0][rows..])?;
    let rewards: Vec<f64> = logps.iter().zip(&ref_logps).map(|(p, r)| beta * (p - r)).collect();
    close("rewards_chosen", &rewards[..rows])?;
    close("rewards_rejected", &rewards[rows..])?;

    // A mean over so many rewards that the ones of this step don't move it.
    let state = format!(r#"{{"mean": {delta:e}, "count": {}}}"#, 1_u64 << 53);
    let mut bco = BcoConfig { beta }.build().map_err(|error| error.to_string())?;
    bco.restore(state.as_bytes()).map_err(|error| error.to_string())?;
    let row = |(label, (policy, reference)): (&f64, (&f64, &f64))| StepRow {
        label: Some(*label),
        logps: Some(*policy),
        ref_logps: Some(*reference),
        ..StepRow::default()
    };
    let step = labels.iter().zip(logps.iter().zip(&ref_logps)).map(row).collect();
    let context = bco.context(&PreferenceStep { rows: step }).map_err(|error| error.to_string())?;
    let mut batch = RowBatch::new(&logps, &vec![1; logps.len()]).with_reference(&ref_logps);
    batch.targets.labels = Some(labels);
    let outcome = batch.run(&bco, &context)?;
    close("loss_mean", &[outcome.total])?;
    close("grad_chosen_logps", &outcome.gradient[..rows])?;
    close("grad_rejected_logps", &outcome.gradient[rows..])
}
