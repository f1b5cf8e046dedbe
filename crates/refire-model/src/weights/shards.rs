//! Which tensor goes into which file.

use super::files::{INDEX, SINGLE};
use crate::ModelError;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Sizes of tensors in bytes, cut into runs of at most `limit`; a larger tensor is alone.
pub(super) fn cut(sizes: &[u64], limit: u64) -> Vec<usize> {
    let (mut counts, mut filled) = (Vec::new(), 0_u64);
    for size in sizes {
        match counts.last_mut() {
            Some(count) if filled.saturating_add(*size) <= limit => {
                *count += 1;
                filled += size;
            }
            _ => {
                counts.push(1);
                filled = *size;
            }
        }
    }
    counts
}

/// Names of so many files.
pub(super) fn names(count: usize) -> Vec<String> {
    if count <= 1 {
        return vec![SINGLE.to_owned()];
    }
    (1..=count).map(|shard| format!("model-{shard:05}-of-{count:05}.safetensors")).collect()
}

/// Writes the index of a folder's shards.
pub(super) fn write_index(
    dir: &Path,
    placed: Vec<(String, String)>,
    parameters: u64,
    bytes: u64,
) -> Result<(), ModelError> {
    let map: Map<String, Value> =
        placed.into_iter().map(|(tensor, file)| (tensor, Value::String(file))).collect();
    let metadata = json!({"total_parameters": parameters, "total_size": bytes});
    let index = json!({"metadata": metadata, "weight_map": map});
    let (path, temporary) = (dir.join(INDEX), dir.join(format!("{INDEX}.tmp")));
    let text = serde_json::to_vec_pretty(&index).map_err(ModelError::json(&path))?;
    std::fs::write(&temporary, text).map_err(ModelError::io(&temporary))?;
    std::fs::rename(&temporary, &path).map_err(ModelError::io(&path))
}

/// Removes the files of an earlier model, so that a reader finds these ones.
pub(super) fn remove_others(dir: &Path, written: &[String]) -> Result<(), ModelError> {
    for entry in std::fs::read_dir(dir).map_err(ModelError::io(dir))? {
        let entry = entry.map_err(ModelError::io(dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = name == SINGLE || is_shard(&name) || (name == INDEX && written.len() == 1);
        if ours && !written.contains(&name) {
            std::fs::remove_file(entry.path()).map_err(ModelError::io(entry.path()))?;
        }
    }
    Ok(())
}

fn is_shard(name: &str) -> bool {
    let numbers = name.strip_prefix("model-").and_then(|rest| rest.strip_suffix(".safetensors"));
    let digits = |part: &str| part.len() == 5 && part.bytes().all(|b| b.is_ascii_digit());
    numbers.and_then(|n| n.split_once("-of-")).is_some_and(|(a, b)| digits(a) && digits(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_stay_within_the_limit_and_larger_tensors_are_alone() {
        assert_eq!(cut(&[3, 3, 3, 9, 1], 6), [2, 1, 1, 1]);
        assert_eq!(cut(&[3, 3], u64::MAX), [2]);
        assert_eq!(cut(&[], 6), [0_usize; 0]);
    }

    #[test]
    fn only_files_of_a_model_are_taken_for_shards() {
        assert!(is_shard("model-00001-of-00003.safetensors"));
        assert!(!is_shard("model-1-of-3.safetensors") && !is_shard("optimizer.safetensors"));
    }
}
