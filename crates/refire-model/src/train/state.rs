//! The learner's state on disk, exact: weights, moments by path, counters.

use super::Learner;
use super::adamw::Moments;
use crate::decoder::{MapParam, VisitParam, map_params, visit_trained};
use crate::weights::{NamedTensor, TensorFiles, write_tensors};
use crate::{Decoder, ModelError};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use refire_objective::Dtype;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const WEIGHTS: &str = "model.safetensors";
const MOMENTS: &str = "optimizer.safetensors";
const COUNTERS: &str = "learner.json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counters {
    version: u64,
    optimiser_steps: u64,
}

pub(super) fn save(learner: &Learner, dir: &Path) -> Result<(), ModelError> {
    std::fs::create_dir_all(dir).map_err(ModelError::io(dir))?;
    learner.weights.with(|decoder, _| save_decoder(decoder, dir))??;
    let mut tensors = Vec::new();
    for (path, Moments { mean, square }) in &learner.optimiser.moments {
        for (kind, tensor) in [("mean", mean), ("square", square)] {
            tensors.push(NamedTensor {
                name: format!("{kind}.{path}"),
                shape: tensor.dims().to_vec(),
                tensor: tensor.clone(),
            });
        }
    }
    write_tensors(&dir.join(MOMENTS), tensors, Dtype::F32)?;
    let counters = Counters { version: learner.version, optimiser_steps: learner.optimiser.steps };
    let path = dir.join(COUNTERS);
    let text = serde_json::to_vec_pretty(&counters).map_err(ModelError::json(&path))?;
    std::fs::write(&path, text).map_err(ModelError::io(&path))
}

pub(super) fn load(learner: &mut Learner, dir: &Path) -> Result<(), ModelError> {
    let path = dir.join(COUNTERS);
    let text = std::fs::read(&path).map_err(ModelError::io(&path))?;
    let counters: Counters = serde_json::from_slice(&text).map_err(ModelError::json(&path))?;
    // Everything is read and checked before anything is changed.
    let (shapes, weights) = learner.weights.with(|decoder, _| read_decoder(decoder, dir))??;
    let flat = |name: &str| {
        let path = name.strip_prefix("mean.").or_else(|| name.strip_prefix("square."))?;
        Some(vec![shapes.0.get(path)?.iter().product()])
    };
    let moments =
        moments(read(&dir.join(MOMENTS), dir, flat)?, &dir.join(MOMENTS), &learner.device)?;
    let missing = shapes.0.keys().find(|name| !moments.contains_key(*name));
    if let (Some(name), true) = (missing, counters.optimiser_steps > 0) {
        let reason = format!("no moments for the parameter `{name}`");
        return Err(ModelError::State { path: dir.join(MOMENTS), reason });
    }
    let mut replace = Replace { values: weights, device: learner.device.clone() };
    learner.weights.update(counters.version, |decoder| map_params(decoder, &mut replace))?;
    learner.optimiser.moments = moments;
    learner.optimiser.steps = counters.optimiser_steps;
    learner.version = counters.version;
    Ok(())
}

/// Writes what is trained of a decoder, exactly.
pub(super) fn save_decoder(decoder: &Decoder, dir: &Path) -> Result<(), ModelError> {
    // One file whatever its size: it is read as a whole. What isn't trained isn't state.
    let mut trained = Collect(Vec::new());
    visit_trained(decoder, &mut trained);
    write_tensors(&dir.join(WEIGHTS), trained.0, Dtype::F32)
}

/// This decoder with the weights that [`save_decoder`] wrote, without gradient.
pub(super) fn load_decoder(decoder: &Decoder, dir: &Path) -> Result<Decoder, ModelError> {
    let (_, values) = read_decoder(decoder, dir)?;
    let device = decoder.head_weight().inner().device();
    Ok(map_params(decoder.clone(), &mut Replace { values, device }).valid())
}

fn read_decoder(
    decoder: &Decoder,
    dir: &Path,
) -> Result<(Shapes, BTreeMap<String, Vec<f32>>), ModelError> {
    let mut shapes = Shapes(BTreeMap::new());
    visit_trained(decoder, &mut shapes);
    let weights = read(&dir.join(WEIGHTS), dir, |path| Some(shapes.0.get(path)?.clone()))?;
    if let Some((name, shape)) = shapes.0.iter().find(|(name, _)| !weights.contains_key(*name)) {
        let (path, expected) = (dir.join(WEIGHTS), shape.clone());
        return Err(ModelError::MissingTensor { path, tensor: name.clone(), expected });
    }
    Ok((shapes, weights))
}

/// All tensors of a file, whose shapes `expected` knows by name.
fn read(
    file: &Path,
    dir: &Path,
    expected: impl Fn(&str) -> Option<Vec<usize>>,
) -> Result<BTreeMap<String, Vec<f32>>, ModelError> {
    let files = TensorFiles::open(dir, [file.to_owned()])?;
    let tensors = files.tensors()?;
    let values = tensors.names().map(|name| {
        let shape = expected(name).ok_or_else(|| ModelError::State {
            path: file.to_owned(),
            reason: format!("`{name}` belongs to no parameter of this model"),
        })?;
        Ok((name.to_owned(), tensors.values(name, &shape)?))
    });
    values.collect()
}

fn moments(
    mut values: BTreeMap<String, Vec<f32>>,
    file: &Path,
    device: &Device,
) -> Result<BTreeMap<String, Moments>, ModelError> {
    let paths: Vec<String> =
        values.keys().filter_map(|name| name.strip_prefix("mean.").map(str::to_owned)).collect();
    let mut tensor = |name: String| match values.remove(&name) {
        Some(values) => {
            let n = values.len();
            Ok(Tensor::<1>::from_data(TensorData::new(values, [n]), device))
        }
        None => Err(ModelError::State { path: file.to_owned(), reason: format!("no `{name}`") }),
    };
    let pairs = paths.into_iter().map(|path| {
        let mean = tensor(format!("mean.{path}"))?;
        let square = tensor(format!("square.{path}"))?;
        Ok((path, Moments { mean, square }))
    });
    pairs.collect()
}

struct Collect(Vec<NamedTensor>);

impl VisitParam for Collect {
    fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) {
        let shape = tensor.dims().to_vec();
        let tensor = tensor.inner().flatten::<1>(0, D - 1);
        self.0.push(NamedTensor { name: path.to_owned(), shape, tensor });
    }
}

struct Shapes(BTreeMap<String, Vec<usize>>);

impl VisitParam for Shapes {
    fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) {
        self.0.insert(path.to_owned(), tensor.dims().to_vec());
    }
}

struct Replace {
    values: BTreeMap<String, Vec<f32>>,
    device: Device,
}

impl MapParam for Replace {
    fn map<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) -> Tensor<D> {
        let Some(values) = self.values.remove(path) else { return tensor };
        let data = TensorData::new(values, tensor.dims());
        Tensor::from_inner(Tensor::from_data(data, &self.device)).require_grad()
    }
}
