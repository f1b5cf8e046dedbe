//! Columns of a micro-batch with zeros at masked positions, and what all objectives do with them.

use burn::tensor::{Bool, Tensor};
use refire_core::Metric;
use refire_objective::{Aggregation, Counts, Loss, ObjectiveError, Targets, TokenStats};

/// The mask in force, and where it is 0.
pub(crate) struct View<'a> {
    mask: &'a Tensor<2>,
    hidden: Tensor<2, Bool>,
}

impl<'a> View<'a> {
    pub(crate) fn of(mask: &'a Tensor<2>) -> Self {
        Self { mask, hidden: mask.clone().equal_scalar(0.0) }
    }

    /// The column with zeros at masked positions, where it may hold anything.
    pub(crate) fn visible(
        &self,
        what: &'static str,
        column: &Tensor<2>,
    ) -> Result<Tensor<2>, ObjectiveError> {
        let (found, expected) = (column.dims(), self.mask.dims());
        if found != expected {
            let (found, expected) = (found.to_vec(), expected.to_vec());
            return Err(ObjectiveError::Shape { what, found, expected });
        }
        Ok(column.clone().mask_fill(self.hidden.clone(), 0.0))
    }

    /// A column that the objective can't do without.
    pub(crate) fn required(
        &self,
        what: &'static str,
        column: &Option<Tensor<2>>,
        objective: &'static str,
    ) -> Result<Tensor<2>, ObjectiveError> {
        self.visible(what, Targets::require(column, what, objective)?)
    }
}

/// Everything behind the loss per token: weights, reduction, metrics.
///
/// The metrics are `loss` (before reduction), `entropy` where it was computed, and what is named in
/// `columns`; all are means over tokens.
pub(crate) fn reduced(
    per_token: Tensor<2>,
    aggregation: Aggregation,
    stats: &TokenStats,
    targets: &Targets,
    counts: &Counts,
    columns: Vec<(&'static str, Tensor<2>)>,
) -> Result<Loss, ObjectiveError> {
    let view = View::of(&targets.mask);
    let per_token = match &targets.weights {
        Some(weights) => per_token * view.visible("weights", weights)?,
        None => per_token,
    };
    let mut named = vec![("loss", per_token.clone())];
    if let Some(entropy) = &stats.entropy {
        named.push(("entropy", view.visible("entropy", entropy)?));
    }
    named.extend(columns);
    let metrics = token_means(&targets.mask, &named);
    let total = aggregation.reduce(per_token, targets.mask.clone(), Some(counts));
    Ok(Loss { total, metrics })
}

/// Means over tokens of columns that are 0 at masked positions, in one read from the device.
fn token_means(mask: &Tensor<2>, columns: &[(&'static str, Tensor<2>)]) -> Vec<Metric> {
    let sums = columns.iter().map(|(_, column)| column.clone().inner().sum());
    let mask = mask.clone().inner().sum();
    let dtype = mask.dtype();
    let sums: Vec<_> = sums.map(|sum| sum.cast(dtype)).chain([mask]).collect();
    let sums: Vec<f64> = Tensor::cat(sums, 0).into_data().iter::<f64>().collect();
    let tokens = sums.last().copied().unwrap_or(0.0);
    columns.iter().zip(sums).map(|((name, _), sum)| Metric::mean(*name, sum, tokens)).collect()
}
