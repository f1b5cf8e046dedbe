//! The layers of a decoder, named as Hugging Face names them.

mod attention;
mod block;
mod rotary;

pub use attention::Attention;
pub use block::{Layer, Mlp};
pub(crate) use rotary::Positions;

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

/// A linear map; `weight` is `[out, in]` as on disk.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// `x W^T + b` for `x` `[n, in]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = x.matmul(self.weight.val().transpose());
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

/// `x / sqrt(mean(x^2) + eps) * weight` over the last dimension.
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// `[hidden]`.
    pub weight: Param<Tensor<1>>,
    /// Added to the mean square.
    #[module(skip)]
    pub eps: f64,
}

impl RmsNorm {
    /// Normalises `[n, hidden]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let scale = ((x.clone() * x.clone()).mean_dim(1) + self.eps).sqrt();
        x / scale * self.weight.val().unsqueeze()
    }
}
