use super::alignment::{Alignment, Projection, SafeFolders, change, default_targets, is_target};
use super::folders::{MergeOptions, merge};
use crate::ModelError;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::path::Path;

/// Settings of [`safe_lora`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SafeLora {
    /// Changes whose cosine with their projection is below this are replaced by it.
    pub threshold: f64,
    /// The projection.
    pub projection: Projection,
    /// Last parts of the names of the modules looked at; other tensors are the tuned model's.
    pub targets: Vec<String>,
}

impl Default for SafeLora {
    /// The authors' code: threshold 0.5 and the fast projection, of all matrices of a layer.
    fn default() -> Self {
        Self { threshold: 0.5, projection: Projection::Fast, targets: default_targets() }
    }
}

/// Safe LoRA: what a fine-tuning changed against the directions of alignment is projected onto
/// them.
///
/// For each matrix, with `V = W_aligned - W_base` and `D = W_tuned - W_aligned`:
///
/// ```text
/// C = V V^T / ||V||_F
/// W = W_aligned + (C D  if  cos(D, C D) < threshold,  else  D)
/// ```
///
/// Hsu et al., arXiv 2405.16833. The peer projects the factors of an adapter; here they are merged
/// already (`C` acts on the rows of `B A`, so both are the same), which also serves full
/// fine-tuning. A matrix that alignment had left as it was is kept.
///
/// Products run on `device`. What was found of each matrix is given back, by name.
///
/// # Errors
/// For a threshold outside of -1 to 1, for models of different shapes, and for files that can't be
/// read or written; file and tensor are named.
pub fn safe_lora(
    folders: SafeFolders<'_>,
    config: &SafeLora,
    out: &Path,
    options: &MergeOptions,
    device: &Device,
) -> Result<Vec<Alignment>, ModelError> {
    check_threshold(config.threshold)?;
    let found = RefCell::new(Vec::new());
    let SafeFolders { base, aligned, tuned } = folders;
    // The tuned model is first: the folder written is like its own.
    merge(&[tuned, base, aligned], out, options, &|mut sources| {
        if !is_target(&sources, &config.targets) {
            return Ok(sources.values.swap_remove(0));
        }
        sources.values.rotate_left(1);
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
        let parts = sources.values[1].iter().zip(&change.projected);
        Ok(parts.map(|(aligned, change)| aligned + change).collect())
    })?;
    Ok(sorted(found))
}

pub(super) fn check_threshold(threshold: f64) -> Result<(), ModelError> {
    if (-1.0..=1.0).contains(&threshold) {
        return Ok(());
    }
    let (value, expected) = (threshold.to_string(), "a cosine, from -1 to 1");
    Err(ModelError::OutOfRange { field: "threshold", value, expected })
}

pub(super) fn sorted(found: RefCell<Vec<Alignment>>) -> Vec<Alignment> {
    let mut found = found.into_inner();
    found.sort_by(|a, b| a.tensor.cmp(&b.tensor));
    found
}
