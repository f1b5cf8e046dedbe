//! Kernels for GPUs, written in CubeCL: one source for wgpu, Vulkan and CUDA.

// What a kernel can't read goes back to the caller as it came.
#![allow(clippy::result_large_err)]

mod adamw;
mod attention;
mod gated;
mod launch;
mod linear;
mod logits;
mod memory;
mod norm;
mod reduce;
mod rotary;
mod seed;
mod square_sum;

use crate::op::Backing;
use burn::backend::Cube;
use burn::backend::tensor::FloatTensor;

pub(crate) use adamw::adamw;
pub(crate) use attention::{Map, attention, recall};
pub(crate) use gated::{Activation, gated};
pub(crate) use linear::linear;
pub(crate) use logits::{logit_grads, logit_stats};
pub(crate) use norm::rms_norm;
pub(crate) use rotary::rope;
pub(crate) use seed::seed;
pub(crate) use square_sum::square_sum;

impl Backing for Cube {
    /// As it is: strides are known when the operation runs, which may be later.
    fn whole(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        tensor
    }
}
