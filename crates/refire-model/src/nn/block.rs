use super::positions::Positions;
use super::{Attention, Mlp, RmsNorm, Routing};
use crate::{ModelConfig, ModelError, NormPlacement};
use burn::module::Module;
use burn::tensor::Tensor;

/// One block: attention and feed-forward, each normalised and around its residual.
#[derive(Module, Debug)]
pub struct Layer {
    /// Attention.
    pub self_attn: Attention,
    /// Feed-forward.
    pub mlp: Mlp,
    /// Before attention; absent in layers that only normalise afterwards.
    pub input_layernorm: Option<RmsNorm>,
    /// In the layers that only normalise before: before the feed-forward layer. Elsewhere: of what
    /// attention gives.
    pub post_attention_layernorm: RmsNorm,
    /// Before the feed-forward layer, in layers that normalise before and after.
    pub pre_feedforward_layernorm: Option<RmsNorm>,
    /// Of what the feed-forward layer gives.
    pub post_feedforward_layernorm: Option<RmsNorm>,
}

/// A layer's norms by what they do.
pub(crate) struct Norms<'a> {
    pub(crate) before_attention: Option<&'a RmsNorm>,
    pub(crate) after_attention: Option<&'a RmsNorm>,
    pub(crate) before_mlp: Option<&'a RmsNorm>,
    pub(crate) after_mlp: Option<&'a RmsNorm>,
}

impl Layer {
    pub(crate) fn norms(&self, placement: NormPlacement) -> Norms<'_> {
        let after = Some(&self.post_attention_layernorm);
        let (after_attention, before_mlp) = match placement {
            NormPlacement::Pre => (None, after),
            NormPlacement::Post => (after, None),
            NormPlacement::Sandwich => (after, self.pre_feedforward_layernorm.as_ref()),
        };
        Norms {
            before_attention: self.input_layernorm.as_ref(),
            after_attention,
            before_mlp,
            after_mlp: self.post_feedforward_layernorm.as_ref(),
        }
    }

    /// `[n, hidden]` to the same; and where tokens were sent, if there are experts.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        index: usize,
        positions: &Positions,
        config: &ModelConfig,
    ) -> Result<(Tensor<2>, Option<Routing>), ModelError> {
        let (spec, sight) = (&config.layers[index], positions.layer(index));
        let norms = self.norms(spec.norms);
        let normed = normalized(norms.before_attention, x.clone());
        let mixed = self.self_attn.forward(normed, &sight, spec, config)?;
        let x = x + normalized(norms.after_attention, mixed);
        let normed = normalized(norms.before_mlp, x.clone());
        let (fed, routing) = self.mlp.forward(normed, &spec.mlp, config.activation)?;
        Ok((x + normalized(norms.after_mlp, fed), routing))
    }
}

fn normalized(norm: Option<&RmsNorm>, x: Tensor<2>) -> Tensor<2> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}
