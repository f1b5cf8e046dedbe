//! The learner's state on disk, exact: weights, the optimisers' memory by path, counters.

use super::Learner;
use super::adamw::Moments;
use super::masters::{format, is_half};
use super::optimiser::Optimiser;
use crate::decoder::{MapParam, VisitParam, map_params, visit_trained};
use crate::weights::{NamedTensor, TensorFiles, write_tensors};
use crate::{Decoder, ModelError};
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use refire_objective::Dtype;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const WEIGHTS: &str = "model.safetensors";
const MOMENTS: &str = "optimizer.safetensors";
const COUNTERS: &str = "learner.json";

const MEAN: &str = "mean.";
const SQUARE: &str = "square.";
const MOMENTUM: &str = "momentum.";
const MASTER: &str = "master.";
const KINDS: [&str; 4] = [MEAN, SQUARE, MOMENTUM, MASTER];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counters {
    version: u64,
    optimiser_steps: u64,
}

pub(super) fn save(learner: &Learner, dir: &Path) -> Result<(), ModelError> {
    std::fs::create_dir_all(dir).map_err(ModelError::io(dir))?;
    learner.weights.with(|decoder, _| save_decoder(decoder, dir))??;
    let tensors = memory(&learner.optimiser);
    write_tensors(&dir.join(MOMENTS), tensors, Dtype::F32)?;
    let counters =
        Counters { version: learner.version, optimiser_steps: learner.optimiser.adamw.steps };
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
    let file = dir.join(MOMENTS);
    let flat = |name: &str| {
        let path = KINDS.iter().find_map(|kind| name.strip_prefix(kind))?;
        Some(vec![shapes.0.get(path)?.0.iter().product()])
    };
    let optimiser = optimiser(read(&file, dir, flat)?, &counters, &shapes, &file, &learner.device)?;
    if counters.optimiser_steps > 0 {
        complete(&optimiser, &shapes, learner, &file)?;
    }
    let mut replace = Replace { values: weights, device: learner.device.clone() };
    learner.weights.update(counters.version, |decoder| map_params(decoder, &mut replace))?;
    learner.optimiser = optimiser;
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
    let weights = read(&dir.join(WEIGHTS), dir, |path| Some(shapes.0.get(path)?.0.clone()))?;
    if let Some((name, (shape, _))) = shapes.0.iter().find(|(name, _)| !weights.contains_key(*name))
    {
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

/// Everything the optimisers remember.
fn memory(optimiser: &Optimiser) -> Vec<NamedTensor> {
    let named = |kind: &str, path: &str, tensor: &Tensor<1>| NamedTensor {
        name: format!("{kind}{path}"),
        shape: tensor.dims().to_vec(),
        tensor: tensor.clone(),
    };
    let moments = optimiser.adamw.moments.iter().flat_map(|(path, Moments { mean, square })| {
        [named(MEAN, path, mean), named(SQUARE, path, square)]
    });
    let momenta = optimiser.muon.momenta.iter();
    let momenta = momenta.map(|(path, momentum)| named(MOMENTUM, path, momentum));
    let masters = optimiser.masters.0.iter().map(|(path, master)| named(MASTER, path, master));
    moments.chain(momenta).chain(masters).collect()
}

/// The reverse of [`memory`].
fn optimiser(
    mut values: BTreeMap<String, Vec<f32>>,
    counters: &Counters,
    shapes: &Shapes,
    file: &Path,
    device: &Device,
) -> Result<Optimiser, ModelError> {
    let paths = |kind: &str| -> Vec<String> {
        values.keys().filter_map(|name| name.strip_prefix(kind).map(str::to_owned)).collect()
    };
    let (of_adamw, of_muon, masters) = (paths(MEAN), paths(MOMENTUM), paths(MASTER));
    let mut tensor = |kind: &str, path: &str| match values.remove(&format!("{kind}{path}")) {
        Some(values) => {
            let (n, dtype) = (values.len(), shapes.0.get(path).map(|(_, dtype)| format(*dtype)));
            let data = TensorData::new(values, [n]);
            Ok(Tensor::<1>::from_data(data, (device, dtype.unwrap_or(DType::F32))))
        }
        None => {
            let reason = format!("no `{kind}{path}`");
            Err(ModelError::State { path: file.to_owned(), reason })
        }
    };
    let mut optimiser = Optimiser::default();
    optimiser.adamw.steps = counters.optimiser_steps;
    for path in of_adamw {
        let moments = Moments { mean: tensor(MEAN, &path)?, square: tensor(SQUARE, &path)? };
        optimiser.adamw.moments.insert(path, moments);
    }
    for path in of_muon {
        let momentum = tensor(MOMENTUM, &path)?;
        optimiser.muon.momenta.insert(path, momentum);
    }
    for path in masters {
        if shapes.0.get(&path).is_some_and(|(_, dtype)| !is_half(*dtype)) {
            let reason = format!(
                "`{MASTER}{path}` is of weights in half precision: go on with weights in the \
                 format that they had"
            );
            return Err(ModelError::State { path: file.to_owned(), reason });
        }
        let master = tensor(MASTER, &path)?;
        optimiser.masters.0.insert(path, master);
    }
    Ok(optimiser)
}

/// Refuses memory that lacks what one of the learner's parameters goes on from.
fn complete(
    optimiser: &Optimiser,
    shapes: &Shapes,
    learner: &Learner,
    file: &Path,
) -> Result<(), ModelError> {
    let muon = learner.config.muon.as_ref();
    let missing = shapes.0.iter().find_map(|(path, (shape, dtype))| {
        if is_half(*dtype) && !optimiser.masters.0.contains_key(path) {
            return Some(("master", path));
        }
        let (what, found) = if muon.is_some_and(|muon| muon.claims(path, shape.len())) {
            ("momentum (Muon)", optimiser.muon.momenta.contains_key(path))
        } else {
            ("moments (AdamW)", optimiser.adamw.moments.contains_key(path))
        };
        (!found).then_some((what, path))
    });
    let Some((what, name)) = missing else { return Ok(()) };
    let reason = format!(
        "no {what} for the parameter `{name}`: go on with the optimiser that saved this state"
    );
    Err(ModelError::State { path: file.to_owned(), reason })
}

struct Collect(Vec<NamedTensor>);

impl VisitParam for Collect {
    fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) {
        let shape = tensor.dims().to_vec();
        let tensor = tensor.inner().flatten::<1>(0, D - 1);
        self.0.push(NamedTensor { name: path.to_owned(), shape, tensor });
    }
}

/// Shape and format of each parameter.
struct Shapes(BTreeMap<String, (Vec<usize>, DType)>);

impl VisitParam for Shapes {
    fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) {
        self.0.insert(path.to_owned(), (tensor.dims().to_vec(), tensor.dtype()));
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
        let like = (&self.device, tensor.dtype());
        Tensor::from_inner(Tensor::from_data(data, like)).require_grad()
    }
}
