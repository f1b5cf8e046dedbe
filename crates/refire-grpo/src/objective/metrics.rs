use super::Inputs;
use crate::loss::{Measure, Over, RatioLevel, Surrogate};
use crate::{PolicyLossConfig, PolicyStep};
use burn::tensor::Tensor;
use refire_core::Metric;
use refire_objective::Counts;

/// What there is to measure once the loss is known.
pub(super) struct Measured<'a> {
    pub(super) inputs: &'a Inputs,
    pub(super) kl: Option<Tensor<2>>,
    pub(super) policy_loss: Tensor<1>,
    pub(super) step: Option<&'a PolicyStep>,
}

impl Measured<'_> {
    /// All sums in one read from the device.
    pub(super) fn metrics(self, config: &PolicyLossConfig, counts: &Counts) -> Vec<Metric> {
        let surrogate = &self.inputs.surrogate;
        let mask = surrogate.mask.clone().inner();
        let rows = mask.dims()[0] as f64;
        let moved = match config.ratio {
            RatioLevel::Token => surrogate.log_ratio.clone(),
            _ => surrogate.token_log_ratio(),
        };
        let columns = [
            ("kl", self.kl.clone()),
            ("entropy", self.inputs.entropy.clone()),
            ("ppo_kl", Some(moved.neg())),
            ("importance_weight", surrogate.weights.clone()),
        ];
        let columns = columns.into_iter().filter_map(|(name, c)| Some(Measure::tokens(name, c?)));
        // A surrogate's flags belong to its ratio: where rows share one, they count rows.
        let shared = config.ratio != RatioLevel::Token;
        let own =
            config.surrogate.measure(surrogate).into_iter().map(|measure| match measure.over {
                Over::Tokens if shared => Measure { over: Over::Rows, ..measure },
                _ => measure,
            });
        let measures: Vec<Measure> = columns.chain(own).collect();
        let lengths = mask.clone().sum_dim(1);
        let mut sums = vec![mask.clone().sum(), self.policy_loss.inner()];
        sums.extend(measures.iter().map(|m| reduced(m, &mask, &lengths)));
        let sums: Vec<f64> = Tensor::cat(sums, 0).into_data().iter::<f64>().collect();
        let [tokens, policy_loss, rest @ ..] = sums.as_slice() else { return Vec::new() };
        let mut metrics: Vec<Metric> = Vec::with_capacity(rest.len() + 3);
        for (measure, value) in measures.iter().zip(rest) {
            metrics.push(match measure.over {
                Over::Tokens => Metric::mean(measure.name, *value, *tokens),
                Over::Rows => Metric::mean(measure.name, *value, rows),
                // Without any token there is neither.
                Over::RowMin | Over::RowMax if !value.is_finite() => continue,
                Over::RowMin => Metric::min(measure.name, *value),
                Over::RowMax => Metric::max(measure.name, *value),
            });
        }
        // Shares add up to the step's loss, and these weights to 1 over its micro-batches.
        let share = tokens / counts.tokens.max(1.0);
        metrics.push(Metric::mean("policy_loss", *policy_loss, share));
        for (name, value) in [
            ("kl_beta", self.step.and_then(|s| s.kl_beta)),
            ("entropy_coef", self.step.and_then(|s| s.entropy_coef)),
        ] {
            metrics.extend(value.map(|value| Metric::mean(name, value * share, share)));
        }
        if let Some(mismatch) = self.step.and_then(|s| s.mismatch) {
            let scaled = mismatch.metrics().into_iter().map(|metric| Metric {
                sum: metric.sum * share,
                weight: share,
                ..metric
            });
            metrics.extend(scaled);
        }
        metrics
    }
}

/// `[1]`: the sum or the extreme of a measured column.
fn reduced(measure: &Measure, mask: &Tensor<2>, lengths: &Tensor<2>) -> Tensor<1> {
    let hidden = mask.clone().equal_scalar(0.0);
    let visible = measure.values.clone().inner().mask_fill(hidden, 0.0);
    if measure.over == Over::Tokens {
        return visible.sum();
    }
    let empty = lengths.clone().equal_scalar(0.0);
    let means = visible.sum_dim(1) / lengths.clone().clamp_min(1.0);
    match measure.over {
        Over::RowMin => means.mask_fill(empty, f64::INFINITY).min(),
        Over::RowMax => means.mask_fill(empty, f64::NEG_INFINITY).max(),
        // An empty row has its value too: that of a ratio of 1.
        _ => means.mask_where(empty, measure.values.clone().inner().narrow(1, 0, 1)).sum(),
    }
}
