//! TRL's `DPOTrainer` from logits: sums over tokens, mixtures, weights.

use crate::dpo_sequence::{Options, per_pair};
use crate::harness::{Case, Problem};
use crate::logits::{leaf, shifted_grid, stats};
use crate::tensors::{column, gradient, host};
use refire::burn::tensor::{Tensor, s};
use refire::core::Metrics;
use refire::dpo::{DpoConfig, PreferenceStep, StepRow, WeightedLoss, loss};
use refire::objective::{Counts, Objective, Targets, TokenStats};

/// What TRL logs of logits and prompts.
const FOREIGN: [&str; 4] =
    ["num_tokens", "logits/chosen", "logits/rejected", "mean_token_accuracy"];

struct Batch {
    options: Options,
    parts: Vec<(String, f64)>,
    ld_alpha: Option<f64>,
    wpo: bool,
    logits: Tensor<3>,
    stats: TokenStats,
    /// Behind the first column.
    mask: Tensor<2>,
    /// Tokens of each row, the first column among them, as TRL's length-normalised losses count.
    lengths: Vec<f64>,
    ref_logps: Vec<f64>,
    starts_at_0: bool,
}

impl Batch {
    fn of(case: &Case) -> Result<Self, Problem> {
        let (config, inputs) = (&case.config, &case.inputs);
        let shape = inputs.shape("logits")?;
        let time = shape[1];
        let mask = inputs.nums("completion_mask")?;
        // What a peer's body would read; its logits are given.
        inputs.value("attention_mask");
        let logits = leaf(&inputs.nums("logits")?, &shape);
        let stats = stats(&logits, &inputs.nums("input_ids")?);
        Ok(Self {
            options: Options::of(case)?,
            parts: parts(case)?,
            ld_alpha: config.value("ld_alpha").map(|_| config.num("ld_alpha")).transpose()?,
            wpo: config.flag("use_weighting")? | config.flag("wpo")?,
            logits,
            stats,
            mask: shifted_grid(&mask, time),
            lengths: mask.chunks(time).map(|row| row.iter().sum()).collect(),
            ref_logps: [inputs.nums("ref_chosen_logps")?, inputs.nums("ref_rejected_logps")?]
                .concat(),
            starts_at_0: mask.chunks(time).any(|row| row[0] != 0.0),
        })
    }

    fn pairs(&self) -> usize {
        self.lengths.len() / 2
    }

    /// Visible tokens of each row.
    fn tokens(&self) -> Vec<f64> {
        let time = self.mask.dims()[1];
        host(&self.mask).chunks(time).map(|row| row.iter().sum()).collect()
    }

    fn halves(&self, rows: Tensor<1>) -> [Tensor<1>; 2] {
        let n = self.pairs();
        [rows.clone().narrow(0, 0, n), rows.narrow(0, n, n)]
    }
}

/// The mixture: names and weights.
fn parts(case: &Case) -> Result<Vec<(String, f64)>, Problem> {
    let listed = case.config.value("loss_types").and_then(|types| types.as_array());
    let names: Vec<String> = match listed {
        Some(types) => types.iter().filter_map(|t| Some(t.as_str()?.to_owned())).collect(),
        None => vec![case.config.text("loss_type")?.to_owned()],
    };
    let weights = case.config.nums_if("loss_weights")?.unwrap_or_else(|| vec![1.0; names.len()]);
    if weights.len() != names.len() {
        return Err(format!("{} weights for {} losses", weights.len(), names.len()));
    }
    Ok(names.into_iter().zip(weights).collect())
}

pub(crate) fn check(case: &Case) -> Result<(), Problem> {
    let batch = Batch::of(case)?;
    let total = functions(&batch)?;
    compare(case, &batch, &total, "functions")?;
    // A backward pass uses its graph up.
    objective(case, &Batch::of(case)?)
}

fn compare(case: &Case, batch: &Batch, total: &Tensor<1>, what: &str) -> Result<(), Problem> {
    let expected = case.outputs.nums("loss")?;
    case.close(&format!("loss, {what}"), &host(total), &expected)?;
    let gradient = gradient(&batch.logits, &total.backward());
    let expected = case.outputs.nums("grad_logits")?;
    case.close(&format!("grad_logits, {what}"), &gradient, &expected)
}

/// The plain functions, put together.
fn functions(batch: &Batch) -> Result<Tensor<1>, Problem> {
    let rows = 2 * batch.pairs();
    let logprobs = batch.stats.logprobs.clone();
    let visible = logprobs.clone().mask_fill(batch.mask.clone().equal_scalar(0.0), 0.0);
    let plain = visible.clone().sum_dim(1).reshape([rows]);
    let logps = match batch.ld_alpha {
        Some(alpha) => {
            let tokens = batch.tokens();
            let other = |row: usize| tokens[(row + batch.pairs()) % rows];
            let shared: Vec<f64> = (0..rows).map(|row| tokens[row].min(other(row))).collect();
            loss::length_desensitised(logprobs.clone(), batch.mask.clone(), column(&shared), alpha)
        }
        None => plain.clone(),
    };
    let logps = batch.halves(logps);
    let ref_logps = batch.halves(column(&batch.ref_logps));
    let lengths = batch.halves(column(&batch.lengths));
    let chosen_tokens: f64 = batch.tokens()[..batch.pairs()].iter().sum();
    let mut total: Option<Tensor<1>> = None;
    for (kind, weight) in &batch.parts {
        let mut per_pair = if kind == "sft" {
            let [chosen, _] = batch.halves(plain.clone());
            (chosen.sum() * -chosen_tokens.max(1.0).recip()).expand([batch.pairs()])
        } else {
            let (logps, ref_logps) = (logps.clone(), ref_logps.clone());
            per_pair(kind, &batch.options, logps, ref_logps, lengths.clone())?
        };
        if batch.wpo {
            let sum_sq = batch.stats.sum_sq.clone().ok_or("no sums of squares")?;
            let weights = loss::wpo_weights(logprobs.clone(), sum_sq, batch.mask.clone());
            let [w, l] = batch.halves(weights);
            per_pair = per_pair * w * l;
        }
        let part = per_pair.mean() * *weight;
        total = Some(total.map_or(part.clone(), |sum| sum + part));
    }
    total.ok_or_else(|| "no loss is named".to_owned())
}

/// The objective.
fn objective(case: &Case, batch: &Batch) -> Result<(), Problem> {
    let losses = batch.parts.iter().map(|(kind, weight)| {
        Ok(WeightedLoss { loss: batch.options.loss(kind)?, weight: *weight })
    });
    let config = DpoConfig {
        beta: batch.options.beta,
        divergence: batch.options.divergence,
        losses: losses.collect::<Result<_, Problem>>()?,
        ld_alpha: batch.ld_alpha,
        wpo: batch.wpo,
    };
    let dpo = config.build().map_err(|error| error.to_string())?;
    let tokens = batch.tokens();
    let pairs = batch.pairs();
    let mut targets = Targets::new(batch.mask.clone());
    targets.groups = (0..2 * pairs).map(|row| row % pairs).collect();
    targets.labels = Some((0..2 * pairs).map(|row| f64::from(u8::from(row < pairs))).collect());
    targets.ref_logprobs = Some(reference(batch));
    let masks: Vec<Vec<bool>> = host(&batch.mask)
        .chunks(batch.mask.dims()[1])
        .map(|row| row.iter().map(|m| *m != 0.0).collect())
        .collect();
    let counts = Counts::of(&masks, 1);
    let context = dpo.context(&step(batch, &tokens)).map_err(|error| error.to_string())?;
    // A reference of a row without tokens: a sum over nothing, which no rows of tokens have.
    let no_tokens = |(row, tokens): (usize, &f64)| *tokens == 0.0 && batch.ref_logps[row] != 0.0;
    if tokens.iter().enumerate().any(no_tokens) {
        case.outputs.value("metrics");
        return Ok(());
    }
    let loss =
        dpo.loss(&batch.stats, &targets, &context, &counts).map_err(|error| error.to_string())?;
    let mut metrics = Metrics::default();
    metrics.extend(loss.metrics);
    case.metrics("metrics", &metrics, &FOREIGN)?;
    // A completion without a prompt: its first token has no log-probability, and TRL counts it in
    // the lengths of these losses alone. Our objectives never see such a token.
    let by_length = |(kind, _): &(String, f64)| kind == "ipo" || kind == "sigmoid_norm";
    if batch.starts_at_0 && batch.parts.iter().any(by_length) {
        return Ok(());
    }
    compare(case, batch, &loss.total, "objective")
}

/// The given sums of each row at its first visible token. Shared tokens count in full whatever the
/// length desensitisation, which TRL leaves out of given sums.
fn reference(batch: &Batch) -> Tensor<2> {
    let dims = batch.mask.dims();
    let mut values = vec![0.0; dims[0] * dims[1]];
    let tokens = batch.tokens();
    for (row, mask) in host(&batch.mask).chunks(dims[1]).enumerate() {
        let partner = tokens[(row + batch.pairs()) % dims[0]];
        let share = if partner == 0.0 { batch.ld_alpha.unwrap_or(1.0) } else { 1.0 };
        if let Some(first) = mask.iter().position(|m| *m != 0.0) {
            values[row * dims[1] + first] = batch.ref_logps[row] / share;
        }
    }
    crate::tensors::grid(&values, dims)
}

fn step(batch: &Batch, tokens: &[f64]) -> PreferenceStep {
    let visible = batch.stats.logprobs.clone() * batch.mask.clone();
    let logps = host(&visible.sum_dim(1).slice(s![.., 0..1]));
    let row = |row: usize| StepRow {
        group: row % batch.pairs(),
        label: Some(f64::from(u8::from(row < batch.pairs()))),
        tokens: tokens[row] as usize,
        logps: Some(logps[row]),
        ref_logps: Some(batch.ref_logps[row]),
    };
    PreferenceStep { rows: (0..tokens.len()).map(row).collect() }
}
