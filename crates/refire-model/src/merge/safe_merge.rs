use super::alignment::{Alignment, Projection, SafeFolders, change, default_targets, is_target};
use super::folders::{MergeOptions, merge};
use super::safe_lora::{check_threshold, sorted};
use crate::ModelError;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::path::Path;

/// Settings of [`safe_merge`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SafeMerge {
    /// Changes whose cosine with their projection is below this are merged with the safe model's.
    pub threshold: f64,
    /// The tuned model's share in what is merged; the rest is the safe model's.
    pub tuned_weight: f64,
    /// The projection.
    pub projection: Projection,
    /// Last parts of the names of the modules looked at; other tensors are the tuned model's.
    pub targets: Vec<String>,
}

impl Default for SafeMerge {
    /// Threshold 0.7, among those that the paper compares, and equal shares.
    fn default() -> Self {
        let targets = default_targets();
        Self { threshold: 0.7, tuned_weight: 0.5, projection: Projection::Fast, targets }
    }
}

/// SafeMERGE: the matrices in which a fine-tuning went against the directions of alignment are
/// merged with those of a model tuned for safety.
///
/// For each matrix, with `D`, `V` and `C` as in [`safe_lora`](super::safe_lora()):
///
/// ```text
/// W = W_aligned + a D + (1 - a) (W_safe - W_aligned)   if  cos(D, C D) < threshold,
///     W_tuned                                          else                   a: tuned_weight
/// ```
///
/// Djuhera et al., arXiv 2503.17239, with linear merging; the peer merges adapters, here they are
/// part of the weights. `safe` is the aligned model, fine-tuned on data about safety.
///
/// Products run on `device`. What was found of each matrix is given back, by name.
///
/// # Errors
/// For a threshold outside of -1 to 1, a share that isn't finite, models of different shapes, and
/// files that can't be read or written; file and tensor are named.
pub fn safe_merge(
    folders: SafeFolders<'_>,
    safe: &Path,
    config: &SafeMerge,
    out: &Path,
    options: &MergeOptions,
    device: &Device,
) -> Result<Vec<Alignment>, ModelError> {
    check_threshold(config.threshold)?;
    let share = config.tuned_weight;
    if !share.is_finite() {
        let (value, expected) = (share.to_string(), "a finite number");
        return Err(ModelError::OutOfRange { field: "tuned_weight", value, expected });
    }
    let found = RefCell::new(Vec::new());
    let SafeFolders { base, aligned, tuned } = folders;
    merge(&[tuned, safe, base, aligned], out, options, &|mut sources| {
        if !is_target(&sources, &config.targets) {
            return Ok(sources.values.swap_remove(0));
        }
        // In the order of `change`: base, aligned, tuned; and safe.
        sources.values.rotate_left(2);
        let change = change(&sources, config.projection, device)?;
        let replaced = change.cosine.is_some_and(|cosine| cosine < config.threshold);
        found.borrow_mut().push(Alignment {
            tensor: sources.name.clone(),
            cosine: change.cosine,
            replaced,
        });
        if !replaced {
            return Ok(sources.values.swap_remove(2));
        }
        let parts = change.whole.iter().zip(&sources.values[1]).zip(&sources.values[3]);
        let merged = parts.map(|((change, aligned), safe)| {
            let (aligned, safe) = (f64::from(*aligned), f64::from(*safe));
            aligned + share * f64::from(*change) + (1.0 - share) * (safe - aligned)
        });
        Ok(merged.map(|value| value as f32).collect())
    })?;
    Ok(sorted(found))
}
