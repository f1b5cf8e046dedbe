use crate::pretrained::{COMPANIONS, copy, write_raw_config};
use crate::weights::{LazyTensor, SHARD_BYTES, TensorFiles, Tensors, write_folder};
use crate::{ModelConfig, ModelError};
use refire_objective::Dtype;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a merged folder is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MergeOptions {
    /// Number format of the weights.
    pub dtype: Dtype,
    /// Most bytes of tensors in a file.
    pub shard_bytes: u64,
}

impl Default for MergeOptions {
    /// 32-bit floats, in files of at most 5 GB as transformers writes them.
    fn default() -> Self {
        Self { dtype: Dtype::F32, shard_bytes: SHARD_BYTES }
    }
}

/// One tensor of every model: its name, its shape and its values.
pub(super) struct Sources {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<Vec<f32>>,
}

/// Writes a folder whose tensors are made of those of the others; files beside the weights are the
/// first one's.
pub(super) fn merge(
    dirs: &[&Path],
    out: &Path,
    options: &MergeOptions,
    combine: &dyn Fn(Sources) -> Result<Vec<f32>, ModelError>,
) -> Result<(), ModelError> {
    let config = common_config(dirs)?;
    let files = dirs.iter().map(|dir| TensorFiles::open_model(dir));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let tensors = files.iter().map(TensorFiles::tensors).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = tensors.first() else {
        return Err(no_models());
    };
    same_names(&tensors, &config)?;
    let lazy = first.names().map(|name| {
        let shape = first.shape(name)?;
        let (tensors, own) = (&tensors, shape.clone());
        let values = Box::new(move || {
            let values = tensors.iter().map(|tensors| tensors.values(name, &own));
            let values = values.collect::<Result<_, _>>()?;
            combine(Sources { name: name.to_owned(), shape: own.clone(), values })
        });
        Ok(LazyTensor { name: name.to_owned(), shape, values })
    });
    let lazy = lazy.collect::<Result<Vec<_>, ModelError>>()?;
    std::fs::create_dir_all(out).map_err(ModelError::io(out))?;
    write_folder(out, lazy, options.dtype, options.shard_bytes)?;
    write_raw_config(&config, out, options.dtype)?;
    for name in COMPANIONS.iter().filter(|name| dirs[0].join(name).exists()) {
        copy(&dirs[0].join(name), &out.join(name))?;
    }
    Ok(())
}

pub(super) fn no_models() -> ModelError {
    let (value, expected) = ("none".to_owned(), "at least one");
    ModelError::OutOfRange { field: "models", value, expected }
}

/// The first model's configuration, if the others' are those of the same network.
fn common_config(dirs: &[&Path]) -> Result<ModelConfig, ModelError> {
    // What a text begins and ends with, and how training starts, may differ.
    let network = |config: &ModelConfig| ModelConfig {
        raw: Default::default(),
        eos_token_ids: Vec::new(),
        bos_token_id: None,
        initializer_range: 0.0,
        router_aux_loss_coef: 0.0,
        ..config.clone()
    };
    let mut configs = dirs.iter().map(|dir| ModelConfig::read(dir));
    let Some(first) = configs.next() else {
        return Err(no_models());
    };
    let first = first?;
    for (config, dir) in configs.zip(&dirs[1..]) {
        if network(&config?) != network(&first) {
            return Err(ModelError::OtherModel {
                path: dir.join("config.json"),
                other: dirs[0].join("config.json"),
            });
        }
    }
    Ok(first)
}

/// Every tensor of one model is one of the others.
fn same_names(tensors: &[Tensors<'_>], config: &ModelConfig) -> Result<(), ModelError> {
    for other in tensors.iter().skip(1) {
        for name in tensors[0].names() {
            other.view(name, &tensors[0].shape(name)?)?;
        }
        if let Some(name) = other.names().find(|name| !tensors[0].holds(name)) {
            return Err(ModelError::UnknownTensor {
                path: other.path(name),
                tensor: name.to_owned(),
                model_type: config.family.model_type().to_owned(),
            });
        }
    }
    Ok(())
}
