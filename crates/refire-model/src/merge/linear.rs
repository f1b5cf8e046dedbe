use super::folders::{MergeOptions, Sources, merge, no_models};
use crate::ModelError;
use std::path::Path;

/// The weighted mean of models.
///
/// ```text
/// W = sum_i w_i W_i / sum_i w_i
/// ```
///
/// Model soups, arXiv 2203.05482; weights are divided by their sum, as mergekit's `linear` does by
/// default. A negative weight moves away from a model.
///
/// # Errors
/// For weights that aren't finite or add up to 0, for models of different shapes, and for files
/// that can't be read or written; file and tensor are named.
pub fn linear(
    models: &[(&Path, f64)],
    out: &Path,
    options: &MergeOptions,
) -> Result<(), ModelError> {
    if models.is_empty() {
        return Err(no_models());
    }
    let total: f64 = models.iter().map(|(_, weight)| weight).sum();
    if !total.is_finite() || total == 0.0 {
        let (value, expected) =
            (format!("a sum of {total}"), "finite numbers with a sum other than 0");
        return Err(ModelError::OutOfRange { field: "weights", value, expected });
    }
    let dirs: Vec<&Path> = models.iter().map(|(dir, _)| *dir).collect();
    merge(&dirs, out, options, &|sources| {
        let weights = models.iter().map(|(_, weight)| weight / total);
        Ok(weighted_sum(&sources, weights))
    })
}

/// The mean of models, such as the last checkpoints of a run: [`linear`] with equal weights.
///
/// # Errors
/// As for [`linear`].
pub fn average(models: &[&Path], out: &Path, options: &MergeOptions) -> Result<(), ModelError> {
    let models: Vec<(&Path, f64)> = models.iter().map(|dir| (*dir, 1.0)).collect();
    linear(&models, out, options)
}

fn weighted_sum(sources: &Sources, weights: impl Iterator<Item = f64>) -> Vec<f32> {
    let mut sum = vec![0.0_f64; sources.shape.iter().product()];
    for (values, weight) in sources.values.iter().zip(weights) {
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * f64::from(*value));
    }
    sum.into_iter().map(|value| value as f32).collect()
}
