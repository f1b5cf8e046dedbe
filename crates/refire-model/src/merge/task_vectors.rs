use super::folders::{MergeOptions, merge};
use crate::ModelError;
use std::path::Path;

/// A model and what others learned on top of it.
///
/// ```text
/// W = W_0 + sum_i scale_i (W_i - W_0)
/// ```
///
/// A negative scale makes the model forget what a fine-tuned one has learned. Task arithmetic,
/// Ilharco et al., arXiv 2212.04089.
///
/// # Errors
/// For scales that aren't finite, for models of different shapes, and for files that can't be read
/// or written; file and tensor are named.
pub fn add_task_vectors(
    base: &Path,
    tuned: &[(&Path, f64)],
    out: &Path,
    options: &MergeOptions,
) -> Result<(), ModelError> {
    if let Some((_, scale)) = tuned.iter().find(|(_, scale)| !scale.is_finite()) {
        let (value, expected) = (scale.to_string(), "a finite number");
        return Err(ModelError::OutOfRange { field: "scale", value, expected });
    }
    let dirs: Vec<&Path> = [base].into_iter().chain(tuned.iter().map(|(dir, _)| *dir)).collect();
    merge(&dirs, out, options, &|sources| {
        let base = &sources.values[0];
        let mut sum: Vec<f64> = base.iter().map(|value| f64::from(*value)).collect();
        for (values, (_, scale)) in sources.values[1..].iter().zip(tuned) {
            for ((sum, value), base) in sum.iter_mut().zip(values).zip(base) {
                *sum += scale * (f64::from(*value) - f64::from(*base));
            }
        }
        Ok(sum.into_iter().map(|value| value as f32).collect())
    })
}
