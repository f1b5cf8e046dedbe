use super::positions::Sight;
use super::{INCOMPLETE, Linear, RmsNorm};
use crate::{LayerSpec, ModelConfig, ModelError, QkNorm};
use burn::module::Module;
use burn::tensor::Tensor;
use refire_kernels::AttentionOptions;

/// Causal grouped-query attention; which of the optional parts are there depends on the family.
#[derive(Module, Debug)]
pub struct Attention {
    /// `[heads * d, hidden]`.
    pub q_proj: Option<Linear>,
    /// `[kv_heads * d, hidden]`.
    pub k_proj: Option<Linear>,
    /// `[kv_heads * d, hidden]`.
    pub v_proj: Option<Linear>,
    /// The three in one, `[(heads + 2 kv_heads) * d, hidden]`: Phi 3.
    pub qkv_proj: Option<Linear>,
    /// `[hidden, heads * d]`.
    pub o_proj: Linear,
    /// Of queries, before they are rotated: `[d]`, or `[heads * d]` over the whole projection.
    pub q_norm: Option<RmsNorm>,
    /// Of keys: `[d]` or `[kv_heads * d]`.
    pub k_norm: Option<RmsNorm>,
}

/// The maps to queries, keys and values.
pub(crate) enum Projections<'a> {
    Separate([&'a Linear; 3]),
    Fused(&'a Linear),
}

impl Attention {
    pub(crate) fn projections(&self) -> Result<Projections<'_>, ModelError> {
        match (&self.qkv_proj, &self.q_proj, &self.k_proj, &self.v_proj) {
            (Some(fused), ..) => Ok(Projections::Fused(fused)),
            (None, Some(q), Some(k), Some(v)) => Ok(Projections::Separate([q, k, v])),
            _ => Err(INCOMPLETE),
        }
    }

    /// `[n, hidden]` to the same.
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        sight: &Sight<'_>,
        spec: &LayerSpec,
        config: &ModelConfig,
    ) -> Result<Tensor<2>, ModelError> {
        let (n, d) = (x.dims()[0], config.head_dim);
        let (heads, kv) = (config.num_attention_heads, config.num_key_value_heads);
        let [q, k, v] = self.project(x, config)?;
        let prepare = |y, norm: &Option<RmsNorm>, heads| {
            sight.rotate(normalized(y, norm, spec.qk_norm, d).reshape([n, heads, d]))
        };
        let (q, k) = (prepare(q, &self.q_norm, heads), prepare(k, &self.k_norm, kv));
        let options = AttentionOptions {
            scale: config.attention.scale,
            window: spec.window,
            softcap: config.attention.softcap,
        };
        let mixed = sight.attend([q, k, v.reshape([n, kv, d])], &options);
        let mixed = mixed.map_err(ModelError::Kernel)?;
        Ok(self.o_proj.forward(mixed.reshape([n, heads * d])))
    }

    /// Queries, keys and values, `[n, heads * d]` each.
    fn project(&self, x: Tensor<2>, config: &ModelConfig) -> Result<[Tensor<2>; 3], ModelError> {
        Ok(match self.projections()? {
            Projections::Separate(projections) => {
                projections.map(|projection| projection.forward(x.clone()))
            }
            Projections::Fused(fused) => {
                let y = fused.forward(x);
                let [q, kv] = config.projection_widths();
                [(0, q), (q, kv), (q + kv, kv)]
                    .map(|(start, width)| y.clone().narrow(1, start, width))
            }
        })
    }
}

/// `[n, heads * d]`, normalised head by head or as a whole.
fn normalized(x: Tensor<2>, norm: &Option<RmsNorm>, kind: Option<QkNorm>, d: usize) -> Tensor<2> {
    match (norm, kind) {
        (Some(norm), Some(QkNorm::Head)) => {
            let [n, width] = x.dims();
            norm.forward(x.reshape([n * width / d, d])).reshape([n, width])
        }
        (Some(norm), _) => norm.forward(x),
        (None, _) => x,
    }
}
