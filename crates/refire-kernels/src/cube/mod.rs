//! Kernels for GPUs, written in CubeCL: one source for wgpu, Vulkan and CUDA.

// What a kernel can't read goes back to the caller as it came.
#![allow(clippy::result_large_err)]

mod attention;
mod launch;
mod memory;

use crate::op::Backing;
use burn::backend::Cube;
use burn::backend::tensor::FloatTensor;

pub(crate) use attention::{Map, attention, recall};

impl Backing for Cube {
    /// As it is: strides are known when the operation runs, which may be later.
    fn whole(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        tensor
    }
}
