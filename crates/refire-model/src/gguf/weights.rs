//! A file's tensors as the model's parameters.

use super::names::{Change, place};
use super::{GgufFile, rope};
use crate::weights::{cast, check_format};
use crate::{Decoder, LayerSpec, MlpSpec, ModelConfig, ModelError};
use burn::tensor::{Device, TensorData};
use refire_objective::Dtype;
use std::collections::BTreeSet;

/// A decoder with the file's weights.
pub(super) fn decoder(
    file: &GgufFile,
    config: &ModelConfig,
    device: &Device,
    dtype: Dtype,
) -> Result<Decoder, ModelError> {
    check_format(device, dtype)?;
    let mut taken = BTreeSet::new();
    let mut problem = None;
    let decoder = Decoder::build_data(config, device, &mut |path, shape| {
        let empty = || TensorData::new(vec![0.0_f32; shape.iter().product()], shape.to_vec());
        if problem.is_some() {
            return empty();
        }
        match parameter(file, config, path, shape, &mut taken) {
            Ok(values) => cast(values, shape, dtype),
            Err(error) => {
                problem = Some(error);
                empty()
            }
        }
    });
    if let Some(error) = problem {
        return Err(error);
    }
    let known = |name: &str| taken.contains(name) || rope::TENSORS.contains(&name);
    match file.tensors().keys().find(|name| !known(name)) {
        Some(name) => Err(ModelError::UnknownTensor {
            path: file.path().to_owned(),
            tensor: name.clone(),
            model_type: config.family.model_type().to_owned(),
        }),
        None => Ok(decoder),
    }
}

/// A parameter's values.
fn parameter(
    file: &GgufFile,
    config: &ModelConfig,
    path: &str,
    shape: &[usize],
    taken: &mut BTreeSet<String>,
) -> Result<Vec<f32>, ModelError> {
    let missing = |tensor: &str| ModelError::MissingTensor {
        path: file.path().to_owned(),
        tensor: tensor.to_owned(),
        expected: shape.to_vec(),
    };
    let place = place(path, config).ok_or_else(|| missing(path))?;
    let tensor = file.tensor(&place.name, shape)?;
    let expected = match place.change {
        Change::Expert(_) => [&[experts(config)][..], shape].concat(),
        _ => shape.to_vec(),
    };
    if tensor.shape != expected {
        return Err(ModelError::TensorShape {
            path: file.path().to_owned(),
            tensor: place.name,
            found: tensor.shape.clone(),
            expected,
        });
    }
    let values = match place.change {
        Change::Expert(index) => file.part(&place.name, index)?,
        _ => file.values(&place.name)?,
    };
    taken.insert(place.name);
    Ok(match place.change {
        Change::Deinterleave { heads } => deinterleave(&values, heads, shape[0]),
        Change::SubtractOne => values.into_iter().map(|value| value - 1.0).collect(),
        Change::None | Change::Expert(_) => values,
    })
}

/// How many experts the layers with experts have.
fn experts(config: &ModelConfig) -> usize {
    let experts = |layer: &LayerSpec| match layer.mlp {
        MlpSpec::Experts(spec) => Some(spec.experts),
        MlpSpec::Dense { .. } => None,
    };
    config.layers.iter().find_map(experts).unwrap_or(0)
}

/// Rows `(0, n / 2, 1, n / 2 + 1, ..)` of each head of `n` rows, in their order.
fn deinterleave(values: &[f32], heads: usize, rows: usize) -> Vec<f32> {
    let (width, head) = (values.len() / rows.max(1), rows / heads.max(1));
    let order = (0..rows).map(|row| {
        let (start, row) = (row / head * head, row % head);
        let (half, index) = (row / (head / 2), row % (head / 2));
        start + 2 * index + half
    });
    order.flat_map(|row| &values[row * width..][..width]).copied().collect()
}
