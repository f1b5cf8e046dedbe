//! Training for few bits: weights and activations rounded in forward, gradients straight through,
//! and rotations that spread outliers before anything is rounded (RoSTE).
//!
//! Wei et al., arXiv 2502.09003. A linear map computes
//!
//! ```text
//! y = Q(x R) Q(W R)^T          Q rounds to a grid and lets gradients through
//! ```
//!
//! with `R` a Hadamard rotation or the identity, whichever rounds with less error. In full
//! precision `R` changes nothing, and most of it is absorbed into the weights around it:
//!
//! ```text
//! residual   all of the residual stream: embedding, readers and writers of it, head; the norms'
//!            factors are folded into the weights that follow first
//! values     a layer's values, head by head: v_proj's outputs and o_proj's inputs
//! down       a layer's inner activations: down_proj's inputs, rotated as they come, its weight
//!            beforehand
//! ```

mod choose;
mod config;
mod fake;
mod hadamard;
mod probe;
mod rotate;
mod round;

pub use choose::{RotationChoice, SiteError};
pub use config::{QatConfig, RotationKind};
pub use rotate::Rotations;

use burn::tensor::Tensor;
pub(crate) use fake::Rounding;
use probe::Probe;
use std::sync::Arc;

/// What a linear map does in the place of its plain product.
#[derive(Debug, Clone)]
pub(crate) enum Quantizer {
    /// It rounds.
    Rounding(Rounding),
    /// It computes the plain product, and how far from it the rounded one would be.
    Probe(Arc<Probe>),
}

impl Quantizer {
    pub(crate) fn product(&self, x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Rounding(rounding) => rounding.product(x, weight),
            Self::Probe(probe) => probe.product(x, weight),
        }
    }
}
