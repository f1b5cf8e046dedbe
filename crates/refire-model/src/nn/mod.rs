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
use burn::tensor::{DType, Int, Tensor};

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
                let y = x.clone().matmul(weight.clone().transpose());
                lora.forward(y, x, &weight)
            }
            None => x.matmul(weight.transpose()),
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
        let (dtype, weight) = (x.dtype(), self.weight.val());
        if dtype == DType::F32 {
            return self.normalized(x, weight);
        }
        self.normalized(x.cast(DType::F32), weight.cast(DType::F32)).cast(dtype)
    }

    fn normalized(&self, x: Tensor<2>, weight: Tensor<1>) -> Tensor<2> {
        let scale = ((x.clone() * x.clone()).mean_dim(1) + self.eps).sqrt();
        let weight = if self.offset { weight + 1.0 } else { weight };
        x / scale * weight.unsqueeze()
    }
}

/// For layers that were put together without what they need.
const INCOMPLETE: ModelError = ModelError::Weights { reason: "a layer lacks a projection" };
