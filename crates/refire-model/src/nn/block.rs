use super::{Attention, Linear, Positions, RmsNorm};
use crate::ModelConfig;
use burn::module::Module;
use burn::tensor::{Tensor, activation::silu};

/// SwiGLU: `down(silu(gate(x)) * up(x))`.
#[derive(Module, Debug)]
pub struct Mlp {
    /// `[intermediate, hidden]`.
    pub gate_proj: Linear,
    /// `[intermediate, hidden]`.
    pub up_proj: Linear,
    /// `[hidden, intermediate]`.
    pub down_proj: Linear,
}

impl Mlp {
    /// `[n, hidden]` to the same.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let gate = silu(self.gate_proj.forward(x.clone()));
        self.down_proj.forward(gate * self.up_proj.forward(x))
    }
}

/// One block: attention and feed-forward, each after its norm and around its residual.
#[derive(Module, Debug)]
pub struct Layer {
    /// Attention.
    pub self_attn: Attention,
    /// Feed-forward.
    pub mlp: Mlp,
    /// Before attention.
    pub input_layernorm: RmsNorm,
    /// Before the feed-forward layer.
    pub post_attention_layernorm: RmsNorm,
}

impl Layer {
    /// `[rows * time, hidden]` to the same.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        rows: usize,
        positions: &Positions,
        config: &ModelConfig,
    ) -> Tensor<2> {
        let normed = self.input_layernorm.forward(x.clone());
        let x = x + self.self_attn.forward(normed, rows, positions, config);
        let normed = self.post_attention_layernorm.forward(x.clone());
        x + self.mlp.forward(normed)
    }
}
