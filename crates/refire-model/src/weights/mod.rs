//! Weights in safetensors files: read in place, written tensor by tensor.

mod files;
mod read;
mod shards;
mod write;

pub(crate) use files::{TensorFiles, Tensors};
#[cfg(feature = "gguf")]
pub(crate) use files::{cast, map_file};
pub use read::{load_weights, load_weights_as, load_weights_in_4_bits};
pub(crate) use write::{LazyTensor, NamedTensor, SHARD_BYTES, write_folder, write_tensors};
pub use write::{save_weights, save_weights_in_shards};

use crate::ModelError;
use burn::tensor::{DType, Device, Tensor};
use refire_objective::Dtype;

/// Refuses a number format that a device can't compute with.
pub(crate) fn check_format(device: &Device, dtype: Dtype) -> Result<(), ModelError> {
    let known = match dtype {
        Dtype::F32 => true,
        Dtype::Bf16 => device.supports_dtype(DType::BF16),
        Dtype::F16 => device.supports_dtype(DType::F16),
    };
    if known { Ok(()) } else { Err(ModelError::NumberFormat { dtype }) }
}

/// A tensor's values on the host, in 32-bit floats.
pub(crate) fn host_values<const D: usize>(
    what: &str,
    tensor: Tensor<D>,
) -> Result<Vec<f32>, ModelError> {
    let device = |reason: String| ModelError::Device { what: what.to_owned(), reason };
    let data = tensor.inner().try_into_data().map_err(|e| device(e.to_string()))?;
    data.convert::<f32>().try_into_vec::<f32>().map_err(|e| device(format!("{e:?}")))
}
