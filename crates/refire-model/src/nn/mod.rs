//! The layers of a decoder, named as Hugging Face names them.

mod attention;
mod block;
mod mlp;
mod moe;
mod positions;
mod routing;

pub use attention::Attention;
pub(crate) use attention::Projections;
pub use block::Layer;
pub use mlp::{Expert, Mlp};
pub(crate) use mlp::{MlpParts, is_expert};
pub(crate) use positions::Positions;
pub use routing::Routing;
pub(crate) use routing::{router_weights, softmax};

use crate::{Lora, ModelError};
use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

/// A linear map; `weight` is `[out, in]` as on disk.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Its adapter.
    pub lora: Option<Lora>,
}

impl Linear {
    /// `x W^T + b` for `x` `[n, in]`, with what its adapter makes of it.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let weight = self.weight.val();
        let y = match &self.lora {
            Some(lora) => {
                let y = refire_kernels::linear(x.clone(), weight.clone());
                lora.forward(y, x, &weight)
            }
            None => refire_kernels::linear(x, weight),
        };
        match &self.bias {
            Some(bias) => y + bias.val().unsqueeze(),
            None => y,
        }
    }
}

/// Rows looked up by token id.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[vocab, hidden]`.
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// `[n, hidden]` for `n` ids.
    pub fn forward(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        self.weight.val().select(0, ids)
    }
}

/// `x / sqrt(mean(x^2) + eps) * weight` over the last dimension, or `* (1 + weight)`.
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// `[width]`.
    pub weight: Param<Tensor<1>>,
    /// Added to the mean square.
    #[module(skip)]
    pub eps: f64,
    /// The factor is `1 + weight`: Gemma's norms.
    #[module(skip)]
    pub offset: bool,
}

impl RmsNorm {
    /// Normalises `[n, width]`; in 32 bits, whatever the format of `x`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        refire_kernels::rms_norm(x, self.weight.val(), self.eps, self.offset)
    }
}

/// For layers that were put together without what they need.
const INCOMPLETE: ModelError = ModelError::Weights { reason: "a layer lacks a projection" };
