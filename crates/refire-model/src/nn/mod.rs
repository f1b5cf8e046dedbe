//! The layers of a decoder, named as Hugging Face names them.

mod attention;
mod block;
mod mlp;
mod moe;
mod positions;
mod routing;
mod weight;

pub use attention::Attention;
pub(crate) use attention::Projections;
pub use block::Layer;
pub use mlp::{Expert, Mlp};
pub(crate) use mlp::{MlpParts, is_expert};
pub(crate) use positions::{Memory, Positions, Seen, Span};
pub use routing::Routing;
pub(crate) use routing::{router_weights, softmax};
pub use weight::LinearWeight;

use crate::qat::Quantizer;
use crate::{Lora, ModelError};
use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

/// A linear map; `weight` is `[out, in]` as on disk.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: LinearWeight,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Its adapter.
    pub lora: Option<Lora>,
    /// What it does in the place of its plain product.
    #[module(skip)]
    pub(crate) quantizer: Option<Quantizer>,
}

impl Linear {
    /// A map without adapter.
    pub fn new(weight: LinearWeight, bias: Option<Param<Tensor<1>>>) -> Self {
        Self { weight, bias, lora: None, quantizer: None }
    }

    /// `x W^T + b` for `x` `[n, in]`, with what its adapter makes of it.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = match &self.lora {
            Some(lora) => lora.forward(self.product(x.clone()), x, self),
            None => self.product(x),
        };
        match &self.bias {
            Some(bias) => y + bias.val().unsqueeze(),
            None => y,
        }
    }

    /// `x W^T` alone.
    pub(crate) fn product(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.quantizer {
            Some(quantizer) => quantizer.product(x, self.weight.val()),
            None => self.weight.product(x),
        }
    }

    /// The map as it reads only these tokens of a pass: what its adapter drops is theirs.
    pub(crate) fn reading(&self, tokens: &[usize]) -> Self {
        let lora = self.lora.clone().map(|lora| lora.select(tokens));
        Self { lora, ..self.clone() }
    }
}

/// Rows looked up by token id.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[vocab, hidden]`.
    pub weight: Param<Tensor<2>>,
    /// Its adapter.
    pub lora: Option<Lora>,
}

impl Embedding {
    /// `[n, hidden]` for `n` ids.
    pub fn forward(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        let rows = self.weight.val().select(0, ids.clone());
        match &self.lora {
            Some(lora) => rows + lora.looked_up(ids),
            None => rows,
        }
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
