//! TRL's `KTOTrainer`.

use crate::harness::{Case, Problem};
use crate::tensors::{RowBatch, column, host, leaf, mean_gradients};
use refire::dpo::loss::{self, KtoWeights};
use refire::dpo::{KtoConfig, PreferenceStep, StepRow};

/// What TRL logs of logits and prompts.
const FOREIGN: [&str; 4] = ["entropy", "num_tokens", "logits/chosen", "logits/rejected"];

pub(crate) fn check(case: &Case) -> Result<(), Problem> {
    let (config, inputs) = (&case.config, &case.inputs);
    let unpaired_apo = match config.text("loss_type")? {
        "kto" => false,
        "apo_zero_unpaired" => true,
        other => return Err(format!("unknown loss `{other}`")),
    };
    let weights = KtoWeights {
        desirable: config.num_or("desirable_weight", 1.0)?,
        undesirable: config.num_or("undesirable_weight", 1.0)?,
    };
    let config = KtoConfig { beta: config.num("beta")?, weights, unpaired_apo };
    let (logps, ref_logps) = (inputs.nums("logps")?, inputs.nums("ref_logps")?);
    let labels = inputs.nums("labels")?;
    let probes = inputs.nums_if("kl_logps")?.unwrap_or_default();
    let ref_probes = inputs.nums_if("ref_kl_logps")?.unwrap_or_default();
    let close = |what: &str, ours: &[f64]| case.close(what, ours, &case.outputs.nums(what)?);

    let kl = if unpaired_apo { 0.0 } else { loss::kto_kl(&probes, &ref_probes) };
    close("kl", &[kl])?;
    let policy = leaf(&logps);
    let log_ratios = policy.clone() - column(&ref_logps);
    let per_row = loss::kto(log_ratios, column(&labels), kl, config.beta, weights);
    let (mean, gradients) = mean_gradients(&per_row, &[&policy]);
    close("loss_per_example", &host(&per_row))?;
    close("loss_mean", &[mean])?;
    close("grad_logps", &gradients[0])?;
    let rewards: Vec<f64> =
        logps.iter().zip(&ref_logps).map(|(p, r)| config.beta * (p - r)).collect();
    close("rewards", &rewards)?;

    let rows = labels.iter().map(|label| StepRow { label: Some(*label), ..StepRow::default() });
    let probes = probes.iter().zip(&ref_probes).map(|(policy, reference)| StepRow {
        logps: Some(*policy),
        ref_logps: Some(*reference),
        ..StepRow::default()
    });
    let kto = config.build().map_err(|error| error.to_string())?;
    let step = PreferenceStep { rows: rows.chain(probes).collect() };
    let context = kto.context(&step).map_err(|error| error.to_string())?;
    let mut batch = RowBatch::new(&logps, &vec![1; logps.len()]).with_reference(&ref_logps);
    batch.targets.labels = Some(labels);
    let outcome = batch.run(&kto, &context)?;
    close("loss_mean", &[outcome.total])?;
    close("grad_logps", &outcome.gradient)?;
    case.metrics("metrics", &outcome.metrics, &FOREIGN)
}
