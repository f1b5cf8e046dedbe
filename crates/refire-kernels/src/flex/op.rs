//! Tensors on the CPU.

pub(super) use crate::op::{Op, apply};

use crate::op::{Backing, belongs};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Tensor, TensorData};

pub(super) type Operand = crate::op::Operand<Flex>;

impl Backing for Flex {
    fn whole(tensor: FlexTensor) -> FlexTensor {
        contiguous(tensor)
    }
}

/// Whether kernels can read this tensor: 32-bit floats on this backend, with burn's default
/// autodiff or none.
pub(crate) fn readable<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && belongs::<Flex, D>(tensor)
}

/// An untracked tensor's memory, whatever its numbers; `None` for a tensor of another backend.
///
/// A kernel works in place once the tensor itself is dropped.
pub(crate) fn memory<const D: usize>(tensor: &Tensor<D>) -> Option<FlexTensor> {
    tensor.clone().try_into_primitive::<Flex>().ok().map(contiguous)
}

/// The same, of 32-bit floats.
pub(crate) fn whole<const D: usize>(tensor: &Tensor<D>) -> Option<FlexTensor> {
    if tensor.dtype() == DType::F32 { memory(tensor) } else { None }
}

/// The tensor with its numbers one after another from the start of its memory, and no others.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    let layout = tensor.layout();
    let whole = layout.is_contiguous()
        && layout.start_offset() == 0
        && tensor.bytes().len() == layout.num_elements() * tensor.dtype().size();
    if whole { tensor } else { tensor.to_contiguous() }
}

/// A tensor of these numbers.
pub(crate) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// A tensor of the shape of another.
pub(crate) fn like(values: Vec<f32>, other: &FlexTensor) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, other.layout().shape().clone()))
}
