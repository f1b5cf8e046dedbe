use crate::ModelError;
use crate::weights::host_values;
use burn::tensor::Tensor;

/// A weight as a slice: a handle on the tensor's own memory where the device is the CPU, a copy
/// elsewhere.
pub(super) enum Weight {
    #[cfg(feature = "flex")]
    Shared(burn::backend::flex::FlexTensor),
    Copied(Vec<f32>),
}

impl Weight {
    pub(super) fn new<const D: usize>(what: &str, tensor: Tensor<D>) -> Result<Self, ModelError> {
        let tensor = tensor.inner();
        #[cfg(feature = "flex")]
        if let Ok(shared) = tensor.clone().try_into_primitive::<burn::backend::Flex>() {
            let whole = shared.layout().is_contiguous() && shared.layout().start_offset() == 0;
            if whole && shared.dtype() == burn::tensor::DType::F32 {
                return Ok(Self::Shared(shared));
            }
        }
        host_values(what, tensor).map(Self::Copied)
    }

    pub(super) fn get(&self) -> &[f32] {
        match self {
            #[cfg(feature = "flex")]
            Self::Shared(tensor) => tensor.storage(),
            Self::Copied(values) => values,
        }
    }
}
