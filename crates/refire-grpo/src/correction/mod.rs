//! Trainer and sampler disagree about how likely a token was: weights and masks that correct it.
//!
//! Everything here is arithmetic on ragged host rows of `log_ratio = old_logprobs -
//! behaviour_logprobs`, where `old` is what the trainer computes with the step's weights and
//! `behaviour` what the sampler reported. Neither depends on the update, so that a
//! [`Correction`] is made once per step.

mod config;
mod importance;
mod mismatch;
mod rejection;

pub use config::Correction;
pub use importance::{Importance, ImportanceBound, ImportanceLevel, effective_sample_size};
pub use mismatch::Mismatch;
pub use rejection::{Divergence, Rejection, RejectionReduce};

/// Rows of `old_logprobs - behaviour_logprobs`.
///
/// ```
/// use refire_grpo::correction::log_ratios;
/// let ratios = log_ratios(&[vec![-1.0]], &[vec![-1.5]])?;
/// assert_eq!(ratios, [[0.5]]);
/// # Ok::<(), refire_grpo::GrpoError>(())
/// ```
///
/// # Errors
/// When the columns don't fit each other.
pub fn log_ratios(
    old_logprobs: &[Vec<f64>],
    behaviour_logprobs: &[Vec<f64>],
) -> Result<Vec<Vec<f64>>, crate::GrpoError> {
    crate::GrpoError::same_shape("behaviour_logprobs", behaviour_logprobs, old_logprobs)?;
    let rows = old_logprobs.iter().zip(behaviour_logprobs);
    Ok(rows.map(|(old, new)| old.iter().zip(new).map(|(a, b)| a - b).collect()).collect())
}

/// The values under a mask.
fn seen<'a>(row: &'a [f64], mask: &'a [bool]) -> impl Iterator<Item = f64> + Clone + 'a {
    row.iter().zip(mask).filter(|(_, m)| **m).map(|(v, _)| *v)
}
