//! Rotations absorbed into the weights around them: the same network in full precision.

use super::Quantizer;
use super::fake::Rounding;
use super::hadamard::Rotation;
use crate::decoder::train_only;
use crate::nn::{Attention, Layer, Linear, Mlp, RmsNorm};
use crate::{Decoder, ModelError, NormPlacement};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Which parts of a network are rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotations {
    /// The residual stream.
    pub residual: bool,
    /// The values of each layer, head by head.
    pub values: Vec<bool>,
    /// The inner activations of each layer's feed-forward part.
    pub down: Vec<bool>,
}

/// The rotations that a network may have.
pub(super) struct Available {
    pub(super) residual: Rotation,
    pub(super) head: Rotation,
    seed: u64,
}

impl Available {
    pub(super) fn new(decoder: &Decoder, seed: u64) -> Self {
        let config = &decoder.config;
        Self {
            residual: Rotation::new(config.hidden_size, seed, "residual"),
            head: Rotation::new(config.head_dim, seed, "values"),
            seed,
        }
    }

    /// That of inner activations of this width.
    pub(super) fn down(&self, width: usize) -> Rotation {
        Rotation::new(width, self.seed, "down")
    }
}

impl Rotations {
    /// None of them.
    pub fn none(layers: usize) -> Self {
        Self { residual: false, values: vec![false; layers], down: vec![false; layers] }
    }

    /// All that a decoder's family allows.
    pub fn all(decoder: &Decoder) -> Self {
        let layers = decoder.config.layers.len();
        let residual = decoder.can_rotate_residual();
        Self { residual, values: vec![true; layers], down: vec![true; layers] }
    }
}

impl Decoder {
    /// The network with parts of it rotated: the same function in full precision, up to rounding,
    /// of weights that are new where they were changed, and all trained.
    ///
    /// Where the residual stream is rotated, the factors of norms are folded into the weights that
    /// follow them, and a tied head gets a weight of its own.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use refire_model::{Decoder, Rotations, TinyLlama};
    /// let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
    /// let rotated = decoder.rotated(&Rotations::all(&decoder), 1)?;
    /// let gap = rotated.logits(&[1, 2])? - decoder.logits(&[1, 2])?;
    /// assert!(gap.abs().max().into_scalar::<f32>() < 1e-4);
    /// # Ok::<(), refire_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// When the network has an adapter, weights in 4 bits or rounds already, when the rotations
    /// are of another number of layers, and when the residual stream is to be rotated in a family
    /// with norms after its sublayers, whose factors can't be folded into a weight.
    pub fn rotated(&self, rotations: &Rotations, seed: u64) -> Result<Self, ModelError> {
        self.check_plain()?;
        let layers = self.config.layers.len();
        let refuse = |reason: String| Err(ModelError::Quantization { reason });
        for found in [rotations.values.len(), rotations.down.len()] {
            if found != layers {
                return refuse(format!("rotations of {found} layers for a network of {layers}"));
            }
        }
        if rotations.residual && !self.can_rotate_residual() {
            let family = self.config.family.model_type();
            return refuse(format!(
                "the residual stream of {family} can't be rotated: the norms after its sublayers \
                 have factors that no weight takes over; leave `residual` out"
            ));
        }
        let available = Available::new(self, seed);
        let mut decoder = self.valid();
        if rotations.residual {
            decoder.fold_norms();
            decoder.rotate_residual(&available.residual);
        }
        let config = decoder.config.clone();
        let [q, kv] = config.projection_widths();
        let heads = [config.num_attention_heads, config.num_key_value_heads];
        for (layer, (values, down)) in
            decoder.model.layers.iter_mut().zip(rotations.values.iter().zip(&rotations.down))
        {
            if *values {
                rotate_values(&mut layer.self_attn, &available.head, heads, q + kv);
            }
            if *down {
                for linear in downs(&mut layer.mlp) {
                    let rotation = available.down(linear.weight.dims()[1]);
                    linear.change(|weight| rotation.apply(weight));
                    let rounding = Rounding { weight: None, input: None, online: Some(rotation) };
                    linear.quantizer = Some(Quantizer::Rounding(rounding));
                }
            }
        }
        Ok(train_only(decoder, &|_| true))
    }

    /// The network with the norms' factors in the weights that read what they normalise; the head
    /// has a weight of its own then.
    pub(super) fn fold_norms(&mut self) {
        if self.lm_head.is_none() && self.score.is_none() {
            let weight = self.model.embed_tokens.weight.val().into();
            self.lm_head = Some(Linear::new(weight, None));
            self.config.untie();
        }
        for layer in &mut self.model.layers {
            let Layer { self_attn, mlp, input_layernorm, post_attention_layernorm, .. } = layer;
            if let Some(norm) = input_layernorm {
                fold(norm, attention_readers(self_attn));
            }
            fold(post_attention_layernorm, mlp_readers(mlp));
        }
        let heads = [self.lm_head.as_mut(), self.score.as_mut()];
        fold(&mut self.model.norm, heads.into_iter().flatten().collect());
    }

    fn rotate_residual(&mut self, rotation: &Rotation) {
        let embedding = &mut self.model.embed_tokens.weight;
        *embedding = Param::from_tensor(rotation.apply(embedding.val()));
        for layer in &mut self.model.layers {
            let Layer { self_attn, mlp, .. } = layer;
            for reader in attention_readers(self_attn).into_iter().chain(mlp_readers(mlp)) {
                reader.change(|weight| rotation.apply(weight));
            }
            rotate_outputs(&mut self_attn.o_proj, rotation);
            downs(mlp).into_iter().for_each(|down| rotate_outputs(down, rotation));
        }
        for head in [self.lm_head.as_mut(), self.score.as_mut()].into_iter().flatten() {
            head.change(|weight| rotation.apply(weight));
        }
    }

    /// Whether all that is added to the residual stream comes straight from a linear map.
    pub(super) fn can_rotate_residual(&self) -> bool {
        self.config.layers.iter().all(|layer| layer.norms == NormPlacement::Pre)
    }

    /// Refuses a network that isn't plain.
    pub(super) fn check_plain(&self) -> Result<(), ModelError> {
        let refuse = |reason: &str| Err(ModelError::Quantization { reason: reason.to_owned() });
        if self.adapter().is_some() {
            return refuse("the network has an adapter; merge it first");
        }
        if self.is_quantized() {
            return refuse("the weights are in 4 bits already; take them whole (dequantized)");
        }
        if self.is_rounded() {
            return refuse("the network is rotated or rounds already");
        }
        Ok(())
    }
}

impl Linear {
    /// Replaces the weight.
    pub(super) fn change(&mut self, change: impl FnOnce(Tensor<2>) -> Tensor<2>) {
        self.weight = change(self.weight.val()).into();
    }
}

/// `W diag(gamma)` for each reader, and a norm without factors.
fn fold(norm: &mut RmsNorm, readers: Vec<&mut Linear>) {
    let offset = if norm.offset { 1.0 } else { 0.0 };
    let factors = norm.weight.val() + offset;
    for reader in readers {
        let factors: Tensor<2> = factors.clone().unsqueeze();
        reader.change(|weight| weight * factors);
    }
    norm.weight = Param::from_tensor(factors.ones_like() - offset);
}

/// `y R` in the place of `y`.
fn rotate_outputs(linear: &mut Linear, rotation: &Rotation) {
    linear.change(|weight| rotation.apply(weight.transpose()).transpose());
    if let Some(bias) = &mut linear.bias {
        let turned = rotation.apply(bias.val().unsqueeze());
        *bias = Param::from_tensor(turned.flatten(0, 1));
    }
}

/// Rotates values head by head, and what reads them back.
fn rotate_values(
    attention: &mut Attention,
    head: &Rotation,
    [heads, kv_heads]: [usize; 2],
    before: usize,
) {
    let (values, mixed) = (head.repeated(kv_heads), head.repeated(heads));
    if let Some(v) = &mut attention.v_proj {
        rotate_outputs(v, &values);
    }
    if let Some(fused) = &mut attention.qkv_proj {
        // The values are the last rows of the three.
        let rows = values.width();
        let bias = fused.bias.as_ref().map(|bias| bias.val().narrow(0, before, rows));
        let weight = fused.weight.val();
        let mut part = Linear::new(
            weight.clone().narrow(0, before, rows).into(),
            bias.map(Param::from_tensor),
        );
        rotate_outputs(&mut part, &values);
        let others = weight.narrow(0, 0, before);
        fused.weight = Tensor::cat(vec![others, part.weight.val()], 0).into();
        if let (Some(all), Some(turned)) = (&mut fused.bias, part.bias) {
            let others = all.val().narrow(0, 0, before);
            *all = Param::from_tensor(Tensor::cat(vec![others, turned.val()], 0));
        }
    }
    attention.o_proj.change(|weight| mixed.apply(weight));
}

/// The maps that read the normalised residual stream for attention.
pub(super) fn attention_readers(attention: &mut Attention) -> Vec<&mut Linear> {
    let Attention { q_proj, k_proj, v_proj, qkv_proj, .. } = attention;
    [q_proj, k_proj, v_proj, qkv_proj].into_iter().filter_map(Option::as_mut).collect()
}

/// The maps that read it for the feed-forward part, the router among them.
fn mlp_readers(mlp: &mut Mlp) -> Vec<&mut Linear> {
    let Mlp { gate_proj, up_proj, gate_up_proj, gate, experts, .. } = mlp;
    let dense = [gate_proj, up_proj, gate_up_proj, gate].into_iter().filter_map(Option::as_mut);
    dense.chain(experts.iter_mut().flat_map(|e| [&mut e.gate_proj, &mut e.up_proj])).collect()
}

/// The maps that write the feed-forward part's results.
pub(super) fn downs(mlp: &mut Mlp) -> Vec<&mut Linear> {
    let experts = mlp.experts.iter_mut().map(|expert| &mut expert.down_proj);
    mlp.down_proj.as_mut().into_iter().chain(experts).collect()
}
