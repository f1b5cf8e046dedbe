use super::inputs::Inputs;
use crate::PolicyLossConfig;
use crate::loss::{RatioLevel, clip_flags};
use burn::tensor::{Bool, Tensor};
use refire_core::Metric;
use refire_objective::Counts;

/// What there is to measure once the loss is known.
pub(super) struct Measured<'a> {
    pub(super) inputs: &'a Inputs,
    pub(super) ratio: Tensor<2>,
    pub(super) kl: Option<Tensor<2>>,
    pub(super) policy_loss: Tensor<1>,
}

impl Measured<'_> {
    /// All sums in one read from the device.
    pub(super) fn metrics(self, config: &PolicyLossConfig, counts: &Counts) -> Vec<Metric> {
        let mask = self.inputs.mask.clone().inner();
        let rows = mask.dims()[0] as f64;
        let advantages = self.inputs.advantages.clone().inner();
        let flags = clip_flags(self.ratio.inner(), advantages, config.clip_range);
        let flagged = |flags: Tensor<2, Bool>| {
            let flagged = flags.float().cast(mask.dtype()) * mask.clone();
            match config.ratio {
                RatioLevel::Token => flagged.sum(),
                // One ratio per row, seen at each of its tokens.
                RatioLevel::Sequence => flagged.max_dim(1).sum(),
            }
        };
        let total = |column: Tensor<2>| (column.inner() * mask.clone()).sum();
        let region = flags.low.clone().bool_or(flags.high.clone());
        let mut names =
            vec!["clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean"];
        let mut sums = vec![mask.clone().sum(), self.policy_loss.inner()];
        sums.extend([flags.low, flags.high, region].map(flagged));
        for (name, column) in [("kl", self.kl), ("entropy", self.inputs.entropy.clone())] {
            if let Some(column) = column {
                names.push(name);
                sums.push(total(column));
            }
        }
        let sums: Vec<f64> = Tensor::cat(sums, 0).into_data().iter::<f64>().collect();
        let [tokens, policy_loss, rest @ ..] = sums.as_slice() else { return Vec::new() };
        let weight = |name: &str| match config.ratio {
            RatioLevel::Sequence if name.starts_with("clip_ratio/") => rows,
            _ => *tokens,
        };
        // Shares add up to the step's loss, and these weights to 1 over its micro-batches.
        let share = tokens / counts.tokens.max(1.0);
        let policy_loss = Metric::mean("policy_loss", *policy_loss, share);
        let named =
            names.iter().zip(rest).map(|(name, sum)| Metric::mean(*name, *sum, weight(name)));
        named.chain([policy_loss]).collect()
    }
}
