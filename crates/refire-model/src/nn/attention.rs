use super::{Linear, Positions};
use crate::ModelConfig;
use burn::module::Module;
use burn::tensor::{Tensor, activation::softmax};

/// Causal grouped-query attention with rotary positions.
#[derive(Module, Debug)]
pub struct Attention {
    /// `[heads * d, hidden]`.
    pub q_proj: Linear,
    /// `[kv_heads * d, hidden]`.
    pub k_proj: Linear,
    /// `[kv_heads * d, hidden]`.
    pub v_proj: Linear,
    /// `[hidden, heads * d]`.
    pub o_proj: Linear,
}

impl Attention {
    /// `[rows * time, hidden]` to the same.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        rows: usize,
        positions: &Positions,
        config: &ModelConfig,
    ) -> Tensor<2> {
        let (n, d) = (x.dims()[0], config.head_dim);
        let (time, heads, kv) = (n / rows, config.num_attention_heads, config.num_key_value_heads);
        let split = |y: Tensor<2>, heads| y.reshape([rows, time, heads, d]);
        let q = positions.rotate(split(self.q_proj.forward(x.clone()), heads));
        let k = positions.rotate(split(self.k_proj.forward(x.clone()), kv)).swap_dims(1, 2);
        let v = split(self.v_proj.forward(x), kv).swap_dims(1, 2);
        // Query heads that share a key head become rows of one product: keys are never repeated.
        let groups = heads / kv;
        let q = (q / (d as f64).sqrt()).swap_dims(1, 2).reshape([rows, kv, groups * time, d]);
        let scores = q.matmul(k.swap_dims(2, 3)) + positions.mask.clone();
        let mixed = softmax(scores, 3).matmul(v);
        let joined = mixed.reshape([rows, heads, time, d]).swap_dims(1, 2);
        self.o_proj.forward(joined.reshape([n, heads * d]))
    }
}
