//! Tensors as launches take them.

use super::launch::fixed;
use burn::backend::cubecl::dtype_to_elem_type;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::{DType, Tensor};
use burn_cubecl::cubecl::calculate_cube_count_elemwise;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

/// Inputs with their numbers one after another.
///
/// # Panics
/// When there aren't as many as a kernel names, which is a defect of ours.
pub(super) fn whole<const N: usize>(inputs: Vec<CubeTensor>) -> [CubeTensor; N] {
    fixed(inputs.into_iter().map(into_contiguous).collect())
}

/// The tensor itself where nobody else holds it, else a copy: something to write to.
pub(super) fn owned(tensor: CubeTensor) -> CubeTensor {
    if tensor.can_mut() { tensor } else { tensor.copy() }
}

/// Memory beside a tensor, not written yet.
pub(super) fn empty(beside: &CubeTensor, shape: &[usize], dtype: DType) -> CubeTensor {
    let (client, device) = (beside.client.clone(), beside.device.clone());
    empty_device_contiguous_dtype(client, device, shape.to_vec().into(), dtype)
}

/// A number format as kernels are told it.
pub(super) fn format(dtype: DType) -> ElemType {
    dtype_to_elem_type(dtype)
}

/// Whether kernels read tensors of this format, in which they find numbers by 32 bits; they compute
/// in 32 bits, too.
pub(super) fn readable<const D: usize>(tensor: &Tensor<D>) -> bool {
    let known = matches!(tensor.dtype(), DType::F32 | DType::F16 | DType::BF16);
    known && u32::try_from(tensor.shape().num_elements()).is_ok()
}

/// The same of 32-bit numbers alone.
pub(super) fn single<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && readable(tensor)
}

/// Whether the device of a tensor has what the largest kernels ask for.
pub(super) fn capable(tensor: &FloatTensor<Cube>) -> bool {
    let client = tensor.device().client();
    let hardware = &client.properties().hardware;
    hardware.max_bindings >= BINDINGS
        && hardware.max_shared_memory_size >= SHARED
        && hardware.max_units_per_cube as usize >= UNITS
}

/// Buffers that a kernel binds, those of its shapes and numbers among them.
const BINDINGS: u32 = 12;
/// Bytes of memory that the units of a cube share.
const SHARED: usize = 24 << 10;
/// Units of a cube, in most kernels.
pub(super) const UNITS: usize = 256;
/// Cubes that every backend lets stand in a row.
pub(super) const MOST_CUBES: usize = 65_535;

/// One cube for each row; those past the last have nothing to do.
pub(super) fn row_cubes(rows: usize) -> CubeCount {
    CubeCount::Static(rows.min(MOST_CUBES) as u32, rows.div_ceil(MOST_CUBES) as u32, 1)
}

/// One unit for each number of a tensor, and their count.
pub(super) fn each(tensor: &CubeTensor) -> (CubeCount, CubeDim, u32) {
    let total = tensor.shape().num_elements();
    let dim = CubeDim::new_1d(UNITS as u32);
    (calculate_cube_count_elemwise(&tensor.client, total, dim), dim, total as u32)
}

/// A tensor's memory as an argument.
pub(super) trait Arg {
    fn arg(&self) -> BufferArg;
}

impl Arg for CubeTensor {
    fn arg(&self) -> BufferArg {
        self.clone().into_buffer_arg()
    }
}
