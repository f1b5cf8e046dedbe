use super::{host_values, shards};
use crate::decoder::{VisitParam, visit_params};
use crate::{Decoder, ModelError};
use burn::tensor::Tensor;
use half::{bf16, f16};
use refire_objective::Dtype;
use safetensors::tensor::View;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

/// Most bytes of a file that [`save_weights`] writes: 5 GB.
pub(crate) const SHARD_BYTES: u64 = 5_000_000_000;

/// Writes a decoder's weights into a folder, with the names and orientation of Hugging Face:
/// `model.safetensors`, or shards of at most 5 GB with an index.
///
/// A tied head is left out, as transformers expects, an adapter is merged, and weights in 4
/// bits are written as what they stand for, and so are those of a network that rounds. Files appear under their names only when they are
/// complete; those of an earlier model in the folder are removed then.
///
/// # Errors
/// When a file can't be written or a tensor can't be read from its device.
pub fn save_weights(decoder: &Decoder, dir: &Path, dtype: Dtype) -> Result<(), ModelError> {
    save_weights_in_shards(decoder, dir, dtype, SHARD_BYTES)
}

/// As [`save_weights`], in shards of at most so many bytes of tensors; a larger tensor has a file
/// to itself.
///
/// # Errors
/// As for [`save_weights`].
pub fn save_weights_in_shards(
    decoder: &Decoder,
    dir: &Path,
    dtype: Dtype,
    shard_bytes: u64,
) -> Result<(), ModelError> {
    // Hugging Face's format has no place for an adapter.
    let merged = decoder.adapter().map(|_| decoder.merged());
    let plain = merged.as_ref().unwrap_or(decoder).dequantized().without_rounding();
    let mut named = Collect(Vec::new());
    visit_params(&plain, &mut named);
    write_folder(dir, named.0.into_iter().map(NamedTensor::lazy).collect(), dtype, shard_bytes)
}

/// Writes a folder's weights, in the order of the tensors.
pub(crate) fn write_folder(
    dir: &Path,
    tensors: Vec<LazyTensor<'_>>,
    dtype: Dtype,
    shard_bytes: u64,
) -> Result<(), ModelError> {
    let sizes: Vec<u64> = tensors.iter().map(|tensor| tensor.bytes(dtype) as u64).collect();
    let counts = shards::cut(&sizes, shard_bytes);
    let names = shards::names(counts.len());
    let mut tensors = tensors.into_iter();
    let (mut placed, mut parameters) = (Vec::new(), 0);
    for (name, count) in names.iter().zip(counts) {
        let shard: Vec<LazyTensor<'_>> = tensors.by_ref().take(count).collect();
        placed.extend(shard.iter().map(|tensor| (tensor.name.clone(), name.clone())));
        parameters += shard.iter().map(|tensor| tensor.count() as u64).sum::<u64>();
        write_lazy(&dir.join(name), &shard, dtype)?;
    }
    if names.len() > 1 {
        shards::write_index(dir, placed, parameters, sizes.iter().sum())?;
    }
    shards::remove_others(dir, &names)
}

/// A tensor to be written, whose values are made when its turn comes.
pub(crate) struct LazyTensor<'a> {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Box<dyn Fn() -> Result<Vec<f32>, ModelError> + 'a>,
}

impl LazyTensor<'_> {
    fn count(&self) -> usize {
        self.shape.iter().product()
    }

    fn bytes(&self, dtype: Dtype) -> usize {
        self.count() * if dtype == Dtype::F32 { 4 } else { 2 }
    }
}

/// A tensor to be written, flattened, with its real shape.
pub(crate) struct NamedTensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) tensor: Tensor<1>,
}

impl NamedTensor {
    fn lazy(self) -> LazyTensor<'static> {
        let Self { name, shape, tensor } = self;
        let what = name.clone();
        LazyTensor { name, shape, values: Box::new(move || host_values(&what, tensor.clone())) }
    }
}

struct Collect(Vec<NamedTensor>);

impl VisitParam for Collect {
    fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) {
        let shape = tensor.dims().to_vec();
        let tensor = tensor.inner().flatten::<1>(0, D - 1);
        self.0.push(NamedTensor { name: path.to_owned(), shape, tensor });
    }
}

/// Writes tensors into one file.
pub(crate) fn write_tensors(
    path: &Path,
    tensors: Vec<NamedTensor>,
    dtype: Dtype,
) -> Result<(), ModelError> {
    let lazy: Vec<LazyTensor<'_>> = tensors.into_iter().map(NamedTensor::lazy).collect();
    write_lazy(path, &lazy, dtype)
}

/// Writes tensors through a temporary file in the same folder.
fn write_lazy(path: &Path, tensors: &[LazyTensor<'_>], dtype: Dtype) -> Result<(), ModelError> {
    let temporary = path.with_extension("safetensors.tmp");
    // transformers refuses files without this entry.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let failed = RefCell::new(None);
    let views =
        tensors.iter().map(|t| (t.name.as_str(), InTurn { tensor: t, dtype, failed: &failed }));
    let written = safetensors::serialize_to_file(views, Some(metadata), &temporary);
    if let Some(error) = failed.take() {
        return Err(error);
    }
    written.map_err(|error| ModelError::Safetensors {
        path: temporary.clone(),
        reason: error.to_string(),
    })?;
    std::fs::rename(&temporary, path).map_err(ModelError::io(path))
}

/// Makes a tensor's bytes when its turn comes, so that one at a time is in memory.
struct InTurn<'a> {
    tensor: &'a LazyTensor<'a>,
    dtype: Dtype,
    /// `View` can't return an error: the first is kept here.
    failed: &'a RefCell<Option<ModelError>>,
}

impl View for InTurn<'_> {
    fn dtype(&self) -> safetensors::Dtype {
        match self.dtype {
            Dtype::F32 => safetensors::Dtype::F32,
            Dtype::Bf16 => safetensors::Dtype::BF16,
            Dtype::F16 => safetensors::Dtype::F16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        if self.failed.borrow().is_some() {
            return Cow::Owned(vec![0; self.data_len()]);
        }
        let values = (self.tensor.values)().unwrap_or_else(|error| {
            self.failed.replace(Some(error));
            vec![0.0; self.tensor.count()]
        });
        Cow::Owned(match self.dtype {
            Dtype::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Dtype::Bf16 => values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
            Dtype::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
        })
    }

    fn data_len(&self) -> usize {
        self.tensor.bytes(self.dtype)
    }
}
