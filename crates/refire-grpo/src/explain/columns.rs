use super::{Reason, TokenExplanation};
use crate::loss::{RowView, TokenView};
use crate::objective::Inputs;
use crate::{PolicyLoss, PolicyLossConfig};
use burn::tensor::Tensor;
use refire_objective::{Counts, Targets};

/// A batch on the host, row after row, padded.
pub(super) struct Columns {
    pub(super) width: usize,
    pub(super) share: Vec<f64>,
    pub(super) keep: Vec<f64>,
    pub(super) on_policy: Vec<f64>,
    mask: Vec<bool>,
    logprobs: Vec<f64>,
    base: Vec<f64>,
    reference: Vec<f64>,
    advantages: Vec<f64>,
    weights: Vec<f64>,
    selected: Vec<f64>,
    groups: Vec<usize>,
}

fn host(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

impl Columns {
    pub(super) fn read(
        objective: &PolicyLoss,
        inputs: &Inputs,
        targets: &Targets,
        counts: &Counts,
    ) -> Self {
        let surrogate = &inputs.surrogate;
        let mask = targets.mask.clone();
        let [rows, width] = mask.dims();
        let or = |column: Option<Tensor<2>>, value: f64| {
            column.map_or_else(|| vec![value; rows * width], host)
        };
        let share = objective.config().aggregation.weights(mask.clone(), Some(counts));
        Self {
            width,
            share: host(share),
            keep: or(inputs.keep.clone(), 1.0),
            on_policy: or(objective.on_policy_rows(inputs), 1.0),
            mask: host(mask).into_iter().map(|m| m != 0.0).collect(),
            logprobs: host(surrogate.logprobs.clone()),
            base: host(surrogate.base_logprobs.clone()),
            reference: or(surrogate.ref_logprobs.clone(), 0.0),
            advantages: host(surrogate.advantages.clone()),
            weights: or(surrogate.weights.clone(), 1.0),
            selected: or(surrogate.selected.clone(), 0.0),
            groups: surrogate.groups.clone(),
        }
    }

    /// Places of a row's visible tokens.
    pub(super) fn visible(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        (row * self.width..(row + 1) * self.width).filter(|place| self.mask[*place])
    }

    /// The visible tokens of each row, as the surrogate's closed form reads them.
    pub(super) fn views(&self, config: &PolicyLossConfig) -> Vec<RowView> {
        let rows = self.mask.len() / self.width.max(1);
        (0..rows).map(|row| self.view(row, config)).collect()
    }

    fn view(&self, row: usize, config: &PolicyLossConfig) -> RowView {
        let places: Vec<usize> = self.visible(row).collect();
        let ratios: Vec<f64> = places.iter().map(|p| self.logprobs[*p] - self.base[*p]).collect();
        let leveled = config.ratio.of_row(&ratios);
        let token = |(place, ratio): (&usize, &f64)| {
            let (log_ratio, bounded) = config.log_ratio_clamp.at(*ratio);
            TokenView {
                logprob: self.logprobs[*place],
                base_logprob: self.base[*place],
                ref_logprob: self.reference[*place],
                log_ratio,
                bounded,
                advantage: self.advantages[*place],
                weight: self.weights[*place],
                selected: self.selected[*place] != 0.0,
            }
        };
        let tokens = places.iter().zip(&leveled).map(token).collect();
        let group = self.groups.get(row).copied().unwrap_or(row);
        RowView { tokens, level: config.ratio, group }
    }

    /// A row of which nothing is seen.
    pub(super) fn hidden_row(&self, row: usize) -> Vec<TokenExplanation> {
        let token = |token| TokenExplanation {
            row,
            token,
            logprob: self.logprobs[row * self.width + token],
            ratio: 1.0,
            advantage: 0.0,
            weight: 0.0,
            gate: 0.0,
            share: 0.0,
            policy: 0.0,
            kl: 0.0,
            reason: Reason::Masked,
        };
        (0..self.width).map(token).collect()
    }
}
