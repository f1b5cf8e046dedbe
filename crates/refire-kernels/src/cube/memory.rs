//! Tensors as launches take them.

use burn::backend::cubecl::dtype_to_elem_type;
use burn::tensor::DType;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

/// Inputs with their numbers one after another.
///
/// # Panics
/// When there aren't as many as a kernel names, which is a defect of ours.
pub(super) fn whole<const N: usize>(inputs: Vec<CubeTensor>) -> [CubeTensor; N] {
    let inputs: Vec<CubeTensor> = inputs.into_iter().map(into_contiguous).collect();
    let count = inputs.len();
    inputs.try_into().unwrap_or_else(|_| unreachable!("{count} inputs instead of {N}"))
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

/// A tensor's memory as an argument.
pub(super) trait Arg {
    fn arg(&self) -> BufferArg;
}

impl Arg for CubeTensor {
    fn arg(&self) -> BufferArg {
        self.clone().into_buffer_arg()
    }
}
