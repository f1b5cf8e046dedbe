//! Weights in half precision are rounded from masters in 32 bits, where updates add up that are
//! below the weights' own resolution.

use burn::tensor::{DType, Tensor};
use std::collections::BTreeMap;

/// The format of what an optimiser keeps of a weight of this format.
pub(super) fn format(weight: DType) -> DType {
    if is_half(weight) { DType::F32 } else { weight }
}

/// Whether a weight of this format has a master.
pub(super) fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::BF16 | DType::F16)
}

/// Masters by path, flattened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Masters(pub(crate) BTreeMap<String, Tensor<1>>);

impl Masters {
    /// Makes a master of a weight in half precision that has none yet.
    pub(super) fn reserve<const D: usize>(&mut self, path: &str, weight: &Tensor<D>) {
        if is_half(weight.dtype()) && !self.0.contains_key(path) {
            self.0.insert(path.to_owned(), exact(weight));
        }
    }

    /// The master of a weight; the weight itself, made wider, where it has none yet.
    pub(super) fn take<const D: usize>(&mut self, path: &str, weight: &Tensor<D>) -> Tensor<1> {
        self.0.remove(path).unwrap_or_else(|| exact(weight))
    }

    pub(super) fn put(&mut self, path: &str, master: Tensor<1>) {
        self.0.insert(path.to_owned(), master);
    }
}

fn exact<const D: usize>(weight: &Tensor<D>) -> Tensor<1> {
    let count = weight.dims().iter().product::<usize>();
    weight.clone().reshape([count]).cast(DType::F32)
}
