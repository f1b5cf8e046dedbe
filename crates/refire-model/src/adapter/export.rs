//! An adapter written as PEFT writes it.

use super::linears::linears;
use super::targets::Targets;
use super::{LoraConfig, names, peft};
use crate::decoder::{VisitParam, visit_trained};
use crate::weights::{NamedTensor, write_tensors};
use crate::{Decoder, ModelError};
use burn::tensor::Tensor;
use refire_objective::Dtype;
use std::collections::BTreeSet;
use std::path::Path;

impl Decoder {
    /// Writes the adapter alone: `adapter_config.json` and `adapter_model.safetensors`, with PEFT's
    /// names and orientation.
    ///
    /// # Errors
    /// When there is no adapter, a file can't be written or a tensor can't be read.
    pub fn save_adapter(&self, dir: &Path, dtype: Dtype) -> Result<(), ModelError> {
        save_adapter(self, dir, dtype)
    }
}

fn save_adapter(decoder: &Decoder, dir: &Path, dtype: Dtype) -> Result<(), ModelError> {
    let Some(config) = decoder.adapter() else {
        let reason = "there is none to be saved".to_owned();
        return Err(ModelError::Adapter { reason });
    };
    std::fs::create_dir_all(dir).map_err(ModelError::io(dir))?;
    let mut all = decoder.clone();
    let maps: Vec<(String, bool)> =
        linears(&mut all).into_iter().map(|m| (m.name, m.linear.lora.is_some())).collect();
    let adapted: BTreeSet<&String> = maps.iter().filter(|m| m.1).map(|(name, _)| name).collect();
    let mut collect = Collect { adapted: &adapted, tensors: Vec::new() };
    visit_trained(decoder, &mut collect);
    write_tensors(&dir.join(peft::WEIGHTS), collect.tensors, dtype)?;
    let targets = shortest(&maps, &adapted, config)?;
    let fields = peft::fields(config, targets, decoder.score.is_some());
    let file = dir.join(peft::CONFIG);
    let text = serde_json::to_vec_pretty(&fields).map_err(ModelError::json(&file))?;
    std::fs::write(&file, text).map_err(ModelError::io(&file))
}

/// The adapted modules by the last parts of their names, or by whole names where those would name
/// others too.
fn shortest(
    maps: &[(String, bool)],
    adapted: &BTreeSet<&String>,
    config: &LoraConfig,
) -> Result<Vec<String>, ModelError> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    let ends: BTreeSet<String> = adapted.iter().map(|name| last(name)).collect();
    let ends: Vec<String> = ends.into_iter().collect();
    let target_modules = super::TargetModules::Names(ends.clone());
    let by_ends = LoraConfig { target_modules, ..config.clone() };
    let targets = Targets::new(&by_ends)?;
    for (name, is_adapted) in maps {
        if targets.has(name, super::linears::Role::Projection)? != *is_adapted {
            return Ok(adapted.iter().map(|name| (*name).clone()).collect());
        }
    }
    Ok(ends)
}

struct Collect<'a> {
    adapted: &'a BTreeSet<&'a String>,
    tensors: Vec<NamedTensor>,
}

impl VisitParam for Collect<'_> {
    fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) {
        let name = names::on_disk(path, |module| self.adapted.iter().any(|name| *name == module));
        let shape = tensor.dims().to_vec();
        let tensor = tensor.inner().flatten::<1>(0, D - 1);
        self.tensors.push(NamedTensor { name, shape, tensor });
    }
}
